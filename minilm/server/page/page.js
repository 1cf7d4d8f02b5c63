"use strict";

const byId = (id) => document.getElementById(id);
const EXAMPLES = [
  ["A girl is styling her hair.", "A girl is brushing her hair."],
  ["A man is playing a guitar on stage.", "The stock market fell sharply today."],
  ["How do I reset my password?", "The soup needs more salt."],
];
const LINES = [
  "How do I reset my password?", "I forgot my login credentials.", "The page asks me to sign in again.",
  "Simmer the onions until they are soft.", "The soup needs more salt.", "Bake the bread for forty minutes.",
  "The telescope found a distant galaxy.", "A comet passed close to the sun.",
];
// The bounds are a reader's guide, not the model's: it knows how near two texts are in topic and wording.
const READINGS = [[0.8, "nearly the same"], [0.6, "closely related"], [0.4, "related"], [0.2, "loosely related"]];
const MOST_CELLS = 4096; // a larger table is slow to lay out: it is drawn instead
// What a person can do, by the code of the server's error.
const KEY_PROBLEMS = {
  missing_api_key: "This server asks for a key. Enter it below.",
  invalid_api_key: "The key that you entered is not one of this server's. Please check it and enter it again.",
};
const TIMEOUT = 60_000;
const PATIENCE = 400; // ms without an answer before the page says that it waits for one

let running = null; // the request whose answer is waited for; a newer one takes its place

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text; // never as HTML: texts come from anywhere
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function shade(target, value, largest) {
  const alpha = Math.min(1, Math.abs(value) / (largest || 1)) * 0.7;
  target.style.backgroundColor = value < 0 ? `rgb(230 126 34 / ${alpha})` : `rgb(56 139 253 / ${alpha})`;
}

function say(message) {
  byId("message").textContent = message;
}

async function ask(path, body) {
  const key = byId("api-key").value.trim();
  if (!/^[!-~]*$/.test(key)) return say("A key has only letters, digits and signs of ASCII, and no spaces. Please check it.");
  running?.abort();
  const mine = running = new AbortController();
  const timer = setTimeout(() => mine.abort("timeout"), TIMEOUT);
  const headers = { "Content-Type": "application/json" };
  if (key) headers.Authorization = `Bearer ${key}`;
  say("");
  const notice = setTimeout(() => say("Comparing…"), PATIENCE);
  try {
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal: mine.signal });
    const content = await answer.json().catch(() => null);
    if (mine !== running) return null;
    clearTimeout(notice);
    say("");
    if (answer.ok && content) return content;
    if (answer.status === 401) byId("key").hidden = false;
    const wait = answer.headers.get("Retry-After");
    const reason = KEY_PROBLEMS[content?.error?.code] ?? content?.error?.message ?? `The server answered ${answer.status} without a reason.`;
    say(wait ? `${reason} (Try again in ${wait} s.)` : reason);
  } catch (error) {
    if (mine !== running) return null;
    say(mine.signal.aborted
      ? "The server did not answer within a minute. Press Compare to try again."
      : "The server cannot be reached. Is it still running? Press Compare to try again.");
  } finally {
    clearTimeout(notice);
    clearTimeout(timer);
  }
  return null;
}

async function compare() {
  const boxes = [byId("text-a"), byId("text-b")];
  const [a, b] = boxes.map((box) => box.value.trim());
  byId("result").hidden = byId("why").hidden = true;
  if (!a || !b) {
    running?.abort();
    running = null;
    say("Please enter text to compare.");
    boxes[a ? 1 : 0].focus();
    return;
  }
  const answer = await ask("compare", { text_a: a, text_b: b, explain: true });
  if (answer) showScore(answer, a, b);
}

function showScore(answer, a, b) {
  const { score } = answer;
  byId("score").textContent = `Score: ${score.toFixed(4)}`;
  byId("score-exact").textContent = String(score);
  byId("reading").textContent = (READINGS.find(([least]) => score >= least) ?? [0, "unrelated"])[1]
    + " in topic and wording (opposites score high too)";
  const [first, second] = answer.tokens;
  byId("facts").textContent = `${first} and ${second} tokens, ${answer.milliseconds} ms.`;
  byId("cut").hidden = !answer.truncated.length;
  byId("cut").textContent = answer.truncated.map((i) => `The ${["first", "second"][i]} text was longer than ${answer.max_seq_length} tokens: `
    + "only its beginning was compared.").join(" ");
  byId("unexplained").hidden = !answer.unexplained;
  byId("unexplained").textContent = answer.unexplained ? `No more can be shown of why: ${answer.unexplained}.` : "";
  byId("result").hidden = false;
  byId("why").hidden = Boolean(answer.unexplained);
  if (!answer.unexplained) showWhy(answer, a, b);
}

function showWhy(answer, a, b) {
  showWords(byId("words-a"), a, answer.a);
  showWords(byId("words-b"), b, answer.b);
  byId("special").textContent = "The marks [CLS] and [SEP], which the model puts around every text, add "
    + `${answer.a.special_share.toFixed(4)} on the side of the first text and `
    + `${answer.b.special_share.toFixed(4)} on that of the second.`;
  showPairs(answer);
  const sum = heatMap(byId("token-map"), answer.contributions, answer.a.tokens, answer.b.tokens, "token-heat-map");
  byId("cell-sum").textContent = sum.toFixed(4);
  byId("cell-sum").dataset.sum = String(sum);
}

function showWords(target, text, side) {
  const characters = Array.from(text); // the server counts code points, JavaScript's strings UTF-16 units
  const largest = Math.max(...side.words.map((word) => Math.abs(word.share)), 0);
  const parts = [];
  let position = 0;
  for (const word of side.words) {
    parts.push(characters.slice(position, word.start).join(""));
    const share = word.share.toFixed(4);
    const shown = element("span", characters.slice(word.start, word.end).join(""), { title: share, "data-share": word.share });
    shade(shown, word.share, largest);
    parts.push(shown);
    position = word.end;
  }
  const rest = characters.slice(position).join("");
  parts.push(side.is_truncated ? element("span", rest, { class: "left-out" }) : rest);
  target.replaceChildren(...parts);
}

function showPairs(answer) {
  const pairs = [];
  answer.contributions.forEach((row, i) => row.forEach((value, j) => {
    const [x, y] = [answer.a.tokens[i], answer.b.tokens[j]];
    if (!x.is_special && !y.is_special) pairs.push([value, x.token, y.token]);
  }));
  pairs.sort((x, y) => Math.abs(y[0]) - Math.abs(x[0]));
  byId("pairs").replaceChildren(
    ...pairs.slice(0, 5).map(([value, x, y]) => element("li", `${x} and ${y}: ${value.toFixed(4)}`)));
}

// Draws the matrix and gives back the sum of what was drawn.
function heatMap(target, values, rows, columns, id) {
  const all = values.flat();
  const largest = all.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  target.replaceChildren(all.length > MOST_CELLS
    ? drawing(values, rows, columns, largest, id)
    : table(values, rows, columns, largest, id));
  return all.reduce((sum, value) => sum + value, 0);
}

function table(values, rows, columns, largest, id) {
  const heading = (item, scope) => element("th", item.token, { scope, ...(item.is_special && { class: "special" }) });
  const made = element("table", "", { id });
  const top = made.createTHead().insertRow();
  top.append(element("td", ""), ...columns.map((item) => heading(item, "col")));
  const body = made.createTBody();
  values.forEach((row, i) => {
    const line = body.insertRow();
    line.append(heading(rows[i], "row"), ...row.map((value, j) => {
      const cell = element("td", value.toFixed(3), {
        "data-value": value, title: `${rows[i].token} × ${columns[j].token}: ${value.toFixed(5)}`,
      });
      shade(cell, value, largest);
      return cell;
    }));
  });
  return made;
}

function drawing(values, rows, columns, largest, id) {
  const side = 4;
  const canvas = element("canvas", "", { id, role: "img", "aria-label": `${rows.length} by ${columns.length} cells` });
  [canvas.width, canvas.height] = [columns.length * side, rows.length * side];
  const pen = canvas.getContext("2d");
  values.forEach((row, i) => row.forEach((value, j) => {
    pen.fillStyle = `rgb(${value < 0 ? "230 126 34" : "56 139 253"} / ${Math.abs(value) / (largest || 1)})`;
    pen.fillRect(j * side, i * side, side, side);
  }));
  canvas.addEventListener("mousemove", ({ offsetX, offsetY }) => {
    const [i, j] = [Math.floor(offsetY / side), Math.floor(offsetX / side)];
    if (values[i]?.[j] !== undefined) canvas.title = `${rows[i].token} × ${columns[j].token}: ${values[i][j].toFixed(5)}`;
  });
  return canvas;
}

async function compareAll() {
  const texts = byId("lines").value.split("\n").map((line) => line.trim()).filter(Boolean);
  byId("many-result").hidden = true;
  byId("matrix").replaceChildren();
  if (texts.length < 2 || texts.length > 200) {
    say(texts.length < 2 ? "Please enter at least two texts, one a line." : `At most 200 texts; these are ${texts.length}.`);
    byId("lines").focus();
    return;
  }
  const answer = await ask("matrix", { texts });
  if (!answer) return;
  byId("many-facts").textContent = `${texts.length} texts, ${answer.milliseconds} ms.` + (answer.truncated.length
    ? ` Longer than ${answer.max_seq_length} tokens, so cut: text ${answer.truncated.map((i) => i + 1).join(", ")}.` : "");
  byId("neighbours").replaceChildren(...texts.map((text, i) => {
    const near = answer.similarities[i].map((value, j) => [value, j]).filter(([, j]) => j !== i)
      .sort((x, y) => y[0] - x[0]).slice(0, 3);
    const item = element("li", text);
    const list = element("ul", "");
    list.append(...near.map(([value, j]) => element("li", `${value.toFixed(4)} ${texts[j]}`)));
    item.append(list);
    return item;
  }));
  const items = texts.map((text, i) => ({ token: `${i + 1}. ${Array.from(text).slice(0, 24).join("")}` }));
  heatMap(byId("matrix"), answer.similarities, items, items.map((_, i) => ({ token: String(i + 1) })), "similarity-heat-map");
  byId("many-result").hidden = false;
}

function select(tab) {
  for (const each of document.querySelectorAll("[role=tab]")) {
    const chosen = each === tab;
    each.setAttribute("aria-selected", String(chosen));
    each.tabIndex = chosen ? 0 : -1;
    byId(each.getAttribute("aria-controls")).hidden = !chosen;
  }
  say("");
}

byId("key").addEventListener("submit", (event) => {
  event.preventDefault();
  byId("panel-two").hidden ? compareAll() : compare();
});
for (const [form, run] of [["two", compare], ["many", compareAll]]) {
  byId(form).addEventListener("submit", (event) => { event.preventDefault(); run(); });
  byId(form).addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); run(); }
  });
}
for (const tab of document.querySelectorAll("[role=tab]")) {
  tab.addEventListener("click", () => select(tab));
  tab.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const other = byId(tab.id === "tab-two" ? "tab-many" : "tab-two");
    select(other);
    other.focus();
  });
}
byId("examples").append(...EXAMPLES.map(([a, b]) => {
  const button = element("button", `${a} / ${b}`, { type: "button" });
  button.addEventListener("click", () => { byId("text-a").value = a; byId("text-b").value = b; compare(); });
  return button;
}));
byId("many-example").addEventListener("click", () => { byId("lines").value = LINES.join("\n"); compareAll(); });

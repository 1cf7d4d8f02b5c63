// Two texts: their score, and why it is what it is.

import { byId, element, isolated, note, say, shade } from "./dom.js";
import { heatMap } from "./matrix.js";
import { ask, stop } from "./request.js";
import { run as runTab } from "./tabs.js";
import { number, text } from "./texts.js";

export const name = "two";

const EXAMPLES = [
  ["A girl is styling her hair.", "A girl is brushing her hair."],
  ["A man is playing a guitar on stage.", "The stock market fell sharply today."],
  ["How do I reset my password?", "The soup needs more salt."],
];
// A reader's guide, not the model's: it knows how near two texts are in topic and wording.
const READINGS = [0.8, 0.6, 0.4, 0.2];

export async function run() {
  const boxes = [byId("text-a"), byId("text-b")];
  const [a, b] = boxes.map((box) => box.value.trim());
  if (!a || !b) {
    stop();
    say(text("no_text"));
    boxes[a ? 1 : 0].focus();
    return false;
  }
  const answer = await ask("compare", { text_a: a, text_b: b, explain: true });
  if (answer) showScore(answer, a, b);
  return Boolean(answer);
}

function showScore(answer, a, b) {
  const { score } = answer;
  const level = READINGS.findIndex((least) => score >= least);
  byId("score").textContent = text("score", { score: number(score, 4) });
  byId("score-exact").textContent = String(score);
  byId("reading").textContent = text("reading", { reading: text(`reading_${level < 0 ? READINGS.length : level}`) });
  const [first, second] = answer.tokens;
  byId("facts").textContent = text("facts", { first, second, milliseconds: number(answer.milliseconds, 1) });
  const about = (sentence, i) => text(sentence, { text: text(`text_${i}`), tokens: answer.max_seq_length });
  note("cut", answer.truncated.map((i) => about("cut", i)));
  note("unfamiliar", answer.unfamiliar.map((i) => about("unfamiliar", i)));
  note("unexplained", answer.unexplained ? [text("unexplained")] : []);
  byId("two-result").hidden = false;
  byId("why").hidden = Boolean(answer.unexplained);
  if (!answer.unexplained) showWhy(answer, a, b);
}

function showWhy(answer, a, b) {
  showWords("a", a, answer.a);
  showWords("b", b, answer.b);
  const [first, second] = [answer.a, answer.b].map((side) => number(side.special_share, 4));
  byId("special").textContent = text("special", { first, second });
  showPairs(answer);
  const sum = heatMap(byId("token-map"), answer.contributions, answer.a.tokens, answer.b.tokens, "token-heat-map");
  byId("cell-sum").textContent = number(sum, 4);
  byId("cell-sum").dataset.sum = String(sum);
}

function showWords(side, whole, { words, is_truncated: isTruncated }) {
  const characters = Array.from(whole); // the server counts code points, JavaScript's strings UTF-16 units
  const largest = Math.max(...words.map((word) => Math.abs(word.share)), 0);
  const parts = [];
  const rows = [];
  let position = 0;
  for (const { start, end, share } of words) {
    const word = characters.slice(start, end).join("");
    const shown = element("span", word, { title: number(share, 4), "data-share": share });
    shade(shown, share, largest);
    parts.push(characters.slice(position, start).join(""), shown);
    position = end;
    const row = element("tr", "");
    row.append(element("th", word, { scope: "row", dir: "auto" }), element("td", number(share, 4)));
    rows.push(row);
  }
  const rest = characters.slice(position).join("");
  parts.push(isTruncated ? element("span", rest, { class: "left-out" }) : rest);
  byId(`words-${side}`).replaceChildren(...parts);
  byId(`shares-${side}`).tBodies[0].replaceChildren(...rows);
}

function showPairs(answer) {
  const pairs = [];
  answer.contributions.forEach((row, i) => row.forEach((value, j) => {
    const [x, y] = [answer.a.tokens[i], answer.b.tokens[j]];
    if (!x.is_special && !y.is_special) pairs.push([value, x.token, y.token]);
  }));
  pairs.sort((x, y) => Math.abs(y[0]) - Math.abs(x[0]));
  byId("pairs").replaceChildren(...pairs.slice(0, 5).map(([value, x, y]) => {
    const item = element("li", "");
    item.append(isolated(x), ` ${text("pair")} `, isolated(y), `: ${number(value, 4)}`);
    return item;
  }));
}

export function start() {
  byId("examples").append(...EXAMPLES.map(([a, b]) => {
    const button = element("button", `${a} / ${b}`, { type: "button", lang: "en" });
    button.addEventListener("click", () => {
      [byId("text-a").value, byId("text-b").value] = [a, b];
      runTab();
    });
    return button;
  }));
}

// Inside: what the encoder does with a text, layer by layer. Every number comes from /trace.

import { habitOf, strongestLinks } from "./attention.js";
import { bars } from "./bars.js";
import { byId, color, drawn, element, isolated, note, pixels, say } from "./dom.js";
import { heatMap } from "./matrix.js";
import { ask, stop } from "./request.js";
import { run as runTab } from "./tabs.js";
import { number, text } from "./texts.js";

export const name = "inside";

const EXAMPLE = ["A girl is styling her hair.", "A girl is brushing her hair."];
const ROW = 20; // pixels per token of the arcs
const FAINTEST = 0.01; // of the chosen token's attention, that is drawn as a line
const FAINTEST_OF_OTHERS = 0.05; // less could not be seen, and 64 tokens would have 4,096 lines
const LINKS = 4; // that are offered
const MAP = 64; // pixels of a small map, about
const GAP = 6;

let answer = null;
let room = 520; // pixels for the arcs: a phone shows both columns
let chosen = { side: 0, token: 0, layer: 0, head: 0 };

export async function run() {
  const [a, b] = [byId("inside-a"), byId("inside-b")].map((box) => box.value.trim());
  if (!a) {
    stop();
    say(text("no_text"));
    byId("inside-a").focus();
    return false;
  }
  answer = await ask("trace", { text_a: a, text_b: b || null, encoding_format: "base64" });
  if (answer) {
    // that of the tabs, for the panel may be hidden by now; before a change, when the browser knows it without work
    room = byId("tabs").clientWidth;
    for (const each of answer.texts) unpack(each);
    show();
  }
  return Boolean(answer);
}

// The attention of a text, from its bytes to numbers by layer, head and two tokens. The rows are views of the bytes:
// 300,000 numbers in lists of their own take 30 ms.
function unpack(each) {
  const bytes = Uint8Array.fromBase64?.(each.attention) // browsers before 2025 lack it
    ?? Uint8Array.from(atob(each.attention), (character) => character.charCodeAt(0));
  const numbers = new Float32Array(bytes.buffer);
  const [layers, length] = [each.path.length - 1, each.pieces.length];
  const heads = numbers.length / layers / length ** 2;
  let at = 0;
  const list = (count, make) => Array.from({ length: count }, make);
  each.attention = list(layers, () => list(heads, () => list(length, () => numbers.subarray(at, at += length))));
}

const current = () => answer.texts[chosen.side];

function show() {
  const [layers, heads] = [answer.texts[0].attention.length, answer.texts[0].attention[0].length];
  for (const [what, count] of [["layer", layers], ["head", heads]]) {
    numbered(what, "option", count);
    numbered(`${what}-numbers`, "span", count); // beside the small pictures
  }
  chosen = { side: 0, token: Math.min(1, answer.tokens[0] - 1), layer: 0, head: 0 };
  const [link] = links();
  if (link) chosen = { side: 0, token: link.token, layer: link.layer, head: link.head };
  byId("inside-facts").textContent = `${answer.tokens.map((count) => text("tokens", { count })).join(" + ")}, ${number(answer.milliseconds, 1)} ms.`;
  note("inside-hint", answer.unfamiliar.map((i) => text("unfamiliar", { text: text(`text_${i}`) })));
  const shown = number(100 * (answer.variance[0] + answer.variance[1]), 0);
  byId("path-says").textContent = [text("path_says", { percent: shown }), ...(answer.scores ? [text("path_second")] : [])].join(" ");
  byId("growth-part").hidden = !answer.scores;
  if (answer.scores) bars(byId("growth"), answer.scores.map((score, i) => [afterLayer(i), score]));
  byId("inside-result").hidden = false;
  showText();
}

// The links between words of the chosen text that say most of what attention does.
function links() {
  const { pieces, attention } = current();
  return current().links ??= strongestLinks(attention, pieces.map(({ token, is_special: isSpecial }) => !isSpecial && /[\p{L}\p{N}]/u.test(token)), LINKS);
}

function linkButtons() {
  const { pieces } = current();
  return links().map(({ layer, head, token, other, weight }) => {
    const button = element("button", "", { type: "button", class: "link", "data-link": [layer, head, token] });
    button.append(isolated(pieces[token].token), " → ", isolated(pieces[other].token), ` ${percent(weight)}`);
    button.addEventListener("click", () => choose({ layer, head, token }));
    return button;
  });
}

const percent = (part) => text("percent", { part: number(100 * part, 1) });
const afterLayer = (i) => (i ? text("after_layer", { layer: i - 1 }) : text("after_embeddings"));

function numbered(id, name, count) {
  byId(id).replaceChildren(...Array.from({ length: count }, (_, i) => element(name, String(i))));
}

// What depends on the chosen text.
function showText() {
  const { pieces, norms, pooled_shares: shares } = current();
  byId("links").replaceChildren(...linkButtons());
  byId("pieces").replaceChildren(...answer.texts.map((each, side) => pieceButtons(each.pieces, side)));
  const columns = norms.map((_, i) => ({ token: String(i) }));
  heatMap(byId("norms"), pieces.map((_, i) => norms.map((row) => row[i])), pieces, columns, "norm-map");
  bars(byId("pooled"), pieces.map(({ token }, i) => [token, shares[i]]), Math.max(...shares));
  showAllHeads();
  showHead();
}

// What depends on the chosen head as well.
function showHead() {
  const { pieces, attention } = current();
  [byId("layer").value, byId("head").value] = [chosen.layer, chosen.head];
  const { name: habit, part, token } = habitOf(attention[chosen.layer][chosen.head]);
  byId("habit").textContent = text(habit ? `habit_${habit}` : "habit_none", {
    part: percent(part), token: token === undefined ? "" : `\u2068${pieces[token].token}\u2069`,
  });
  byId("head-on-map").textContent = `${text("layer")} ${chosen.layer}, ${text("head")} ${chosen.head}: ${byId("habit").textContent}`;
  heatMap(byId("attention-map"), attention[chosen.layer][chosen.head].map((row) => [...row]), pieces, pieces, "head-map");
  frameHead();
  showToken();
}

// What depends on the chosen token as well.
function showToken() {
  const { pieces, attention } = current();
  for (const button of document.querySelectorAll("#pieces button")) {
    const { side, token } = button.dataset;
    button.setAttribute("aria-pressed", String(Number(side) === chosen.side && Number(token) === chosen.token));
  }
  const { layer, head, token } = chosen;
  for (const button of document.querySelectorAll("#links button")) {
    button.setAttribute("aria-pressed", String(button.dataset.link === String([layer, head, token])));
  }
  const weights = attention[layer][head];
  byId("arcs").replaceChildren(arcs(pieces, weights));
  const row = Array.from(weights[chosen.token], (weight, i) => [weight, pieces[i].token]).sort((x, y) => y[0] - x[0]);
  const says = text("looks_at", { token: `\u2068${pieces[chosen.token].token}\u2069` });
  byId("looks-at").textContent = `${says} ${row.slice(0, 5).map(([weight, token]) => `\u2068${token}\u2069 ${percent(weight)}`).join(", ")}`;
  byId("path").replaceChildren(paths());
}

function choose(change) {
  const before = chosen;
  chosen = { ...chosen, ...change };
  if (chosen.side !== before.side) showText();
  else if (chosen.layer !== before.layer || chosen.head !== before.head) showHead();
  else showToken();
}

function pieceButtons(pieces, side) {
  // dir="auto" overlooks what is isolated, and would find [CLS] first; browsers before 2024 lack :dir()
  const words = pieces.filter(({ is_special: isSpecial }) => !isSpecial).map(({ token }) => token).join(" ");
  const isRightToLeft = /^\P{L}*[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}]/u.test(words);
  const line = element("p", "", { class: "pieces", dir: isRightToLeft ? "rtl" : "ltr" });
  line.append(...pieces.map(({ token, id }, i) => {
    const button = element("button", "", { type: "button", "data-side": side, "data-token": i });
    button.append(isolated(token), element("small", String(id)));
    button.addEventListener("click", () => {
      choose({ side, token: i });
      document.querySelector(`#pieces [data-side="${side}"][data-token="${i}"]`).focus();
    });
    return button;
  }));
  return line;
}

// Tokens that look on the left, tokens that are looked at on the right.
function arcs(pieces, weights) {
  const width = Math.min(520, room);
  const [left, right] = [0.29 * width, 0.71 * width];
  const y = (i) => (i + 0.5) * ROW;
  const lines = [];
  weights.forEach((row, i) => row.forEach((weight, j) => {
    if (weight > (i === chosen.token ? FAINTEST : FAINTEST_OF_OTHERS)) lines.push({ i, j, weight });
  }));
  const middle = (left + right) / 2;
  const label = (x, anchor, { token }, i) => {
    const made = drawn("text", { x, y: y(i) + 5, "text-anchor": anchor, class: anchor === "end" && i === chosen.token ? "chosen" : "" }, token);
    if (anchor === "end") made.addEventListener("click", () => choose({ token: i }));
    return made;
  };
  return drawn("svg", { width, height: pieces.length * ROW, viewBox: `0 0 ${width} ${pieces.length * ROW}`, "aria-hidden": "true" },
    ...lines.map(({ i, j, weight }) => drawn("path", {
      d: `M${left} ${y(i)} C${middle} ${y(i)} ${middle} ${y(j)} ${right} ${y(j)}`,
      class: "arc", "stroke-width": 0.5 + 4 * weight, "stroke-opacity": i === chosen.token ? 0.2 + 0.8 * weight : 0.15 * weight,
    })),
    ...pieces.map((piece, i) => label(left - 8, "end", piece, i)),
    ...pieces.map((piece, i) => label(right + 8, "start", piece, i)));
}

// The tokens of both texts share the axes, which no choice moves.
function paths() {
  const [width, height, edge, nameRoom] = [640, 420, 30, 90]; // nameRoom on the right
  const all = answer.texts.flatMap(({ path }) => path.flat());
  const [xs, ys] = [0, 1].map((axis) => all.map((point) => point[axis]));
  const [left, bottom] = [Math.min(...xs), Math.min(...ys)];
  const scale = Math.min((width - edge - nameRoom) / (Math.max(...xs) - left || 1), (height - 2 * edge) / (Math.max(...ys) - bottom || 1));
  const place = ([x, y]) => [edge + (x - left) * scale, height - edge - (y - bottom) * scale];
  const names = []; // that are drawn: another one would be unreadable on them
  const line = (side, token) => {
    const points = answer.texts[side].path.map((layer) => layer[token]);
    const isChosen = side === chosen.side && token === chosen.token;
    const [x, y] = place(points.at(-1));
    const { token: label } = answer.texts[side].pieces[token];
    const end = x + 9 * (label.length + 1);
    const isFree = names.every((name) => Math.abs(name.y - y) > 10 || name.end < x || end < name.x);
    if (isFree) names.push({ x, y, end });
    return drawn("g", { class: isChosen ? "chosen" : "" },
      drawn("polyline", { points: points.map((point) => place(point).join()).join(" "), class: side ? "second" : "" }),
      ...(isFree ? [drawn("text", { x: x + 6, y: y + 4 }, label)] : []),
      ...(isChosen ? points : []).flatMap((point, i) => {
        const [cx, cy] = place(point);
        return [drawn("circle", { cx, cy, r: 3, "data-x": point[0], "data-y": point[1] }),
          drawn("text", { x: cx - 4, y: cy - 6, class: "layer" }, String(i))];
      }));
  };
  const others = answer.texts.flatMap(({ pieces }, side) => pieces.map((_, token) => ({ side, token })))
    .filter(({ side, token }) => side !== chosen.side || token !== chosen.token);
  const chosenLine = line(chosen.side, chosen.token); // first, to have its name, and drawn last, on top
  return drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": text("path") },
    ...others.map(({ side, token }) => line(side, token)), chosenLine);
}

// The rows of a layer's heads as those of one matrix, with a gap of zeros after each head and below all.
function rowsBesideEachOther(heads, gap) {
  const step = heads[0].length + gap;
  return Array.from({ length: step }, (_, i) => {
    const row = new Float32Array(heads.length * step);
    heads.forEach((head, h) => head[i] && row.set(head[i], h * step));
    return row;
  });
}

// The pixels that a number of a small picture takes, and the numbers' room between two pictures.
function sizesOfMap(length) {
  const size = Math.max(1, Math.round(MAP / length));
  return { size, gap: Math.ceil(GAP / size) };
}

// Every head as a small picture, a pixel per number; the page shows the pixels of short texts larger.
function showAllHeads() {
  const { attention } = current();
  const length = attention[0][0].length;
  const { size, gap } = sizesOfMap(length);
  const canvas = pixels(attention.flatMap((heads) => rowsBesideEachOther(heads, gap)), 1, byId("all-heads"));
  canvas.style.width = `${canvas.width * size}px`;
  canvas.style.imageRendering = size > 1 ? "pixelated" : "";
  const pen = canvas.getContext("2d");
  pen.globalCompositeOperation = "destination-over"; // an even ground, on which a head without attention is seen
  pen.fillStyle = color(0.15, 1);
  attention.forEach((heads, l) => heads.forEach((_, h) =>
    pen.fillRect(h * (length + gap), l * (length + gap), length, length)));
}

// The frame of the chosen head, which lies over the picture of all.
function frameHead() {
  const { attention } = current();
  const [length, layers, heads] = [attention[0][0].length, attention.length, attention[0].length];
  const part = length / (length + sizesOfMap(length).gap); // of a picture and its gap
  const { style } = byId("head-frame");
  [style.left, style.top] = [`${(100 * chosen.head) / heads}%`, `${(100 * chosen.layer) / layers}%`];
  [style.width, style.height] = [`${(100 * part) / heads}%`, `${(100 * part) / layers}%`];
}

function chooseOnMap({ offsetX, offsetY, currentTarget: canvas }) {
  const { attention } = current();
  const at = (offset, size, count) => Math.min(count - 1, Math.floor((offset / size) * count));
  choose({
    layer: at(offsetY, canvas.clientHeight, attention.length),
    head: at(offsetX, canvas.clientWidth, attention[0].length),
  });
}

export function start() {
  for (const each of document.querySelectorAll(".origin")) {
    const [file, definition] = each.dataset.source.split(" ");
    const apart = { target: "_blank", rel: "noopener" }; // what is chosen here stays
    // a browser looks for the text itself, so that the link holds wherever the function moves
    const code = element("a", `${file}, ${definition}`, { href: `source/${file}#:~:text=def%20${definition}`, ...apart });
    const section = each.dataset.notebook;
    const anchor = section.toLowerCase().replace(/[^a-z0-9 ]/g, "").replaceAll(" ", "-");
    const notebook = element("a", text("notebook", { section }), { href: `notebook#${anchor}`, hreflang: "en", ...apart });
    each.append(`${text("code")} `, code, ". ", notebook, ".");
  }
  for (const id of ["layer", "head"]) byId(id).addEventListener("change", ({ target }) => choose({ [id]: Number(target.value) }));
  byId("all-heads").addEventListener("click", chooseOnMap);
  byId("inside-example").addEventListener("click", () => {
    [byId("inside-a").value, byId("inside-b").value] = EXAMPLE;
    runTab();
  });
}

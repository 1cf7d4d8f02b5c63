// Many texts, each compared with each.

import { byId, element, isolated, say } from "./dom.js";
import { saveCsv, takeFiles } from "./files.js";
import { heatMap } from "./matrix.js";
import { ask } from "./request.js";
import { run as runTab } from "./tabs.js";
import { number, text } from "./texts.js";

export const name = "many";

const MOST = 200;
const LINES = [
  "How do I reset my password?", "I forgot my login credentials.", "The page asks me to sign in again.",
  "Simmer the onions until they are soft.", "The soup needs more salt.", "Bake the bread for forty minutes.",
  "The telescope found a distant galaxy.", "A comet passed close to the sun.",
];

const LABEL = 24; // characters of a text before its row

let shown = null; // the texts and the similarities on the page

function shortened(each) {
  const characters = Array.from(each);
  return characters.length > LABEL ? `${characters.slice(0, LABEL - 1).join("")}…` : each;
}

export async function run() {
  const texts = byId("lines").value.split("\n").map((line) => line.trim()).filter(Boolean);
  if (texts.length < 2 || texts.length > MOST) {
    say(texts.length < 2 ? text("too_few") : text("too_many", { most: MOST, count: texts.length }));
    byId("lines").focus();
    return false;
  }
  const answer = await ask("matrix", { texts });
  if (answer) show(answer, texts);
  return Boolean(answer);
}

function show(answer, texts) {
  shown = { texts, similarities: answer.similarities };
  const numbered = (indices) => indices.map((i) => i + 1).join(", ");
  byId("many-facts").textContent = [
    text("many_facts", { count: texts.length, milliseconds: number(answer.milliseconds, 1) }),
    answer.truncated.length ? text("many_cut", { tokens: answer.max_seq_length, texts: numbered(answer.truncated) }) : "",
    answer.unfamiliar.length ? text("many_unfamiliar", { texts: numbered(answer.unfamiliar) }) : "",
  ].join(" ");
  byId("neighbours").replaceChildren(...texts.map((each, i) => {
    const near = answer.similarities[i].map((value, j) => [value, j]).filter(([, j]) => j !== i)
      .sort((x, y) => y[0] - x[0]).slice(0, 3);
    const item = element("li", "");
    const list = element("ul", "");
    list.append(...near.map(([value, j]) => {
      const neighbour = element("li", `${number(value, 4)} `);
      neighbour.append(isolated(texts[j]));
      return neighbour;
    }));
    item.append(isolated(each), list);
    return item;
  }));
  const items = texts.map((each, i) => ({ token: `${i + 1}. ${shortened(each)}` }));
  heatMap(byId("matrix"), answer.similarities, items, items.map((_, i) => ({ token: String(i + 1) })), "similarity-heat-map");
  byId("many-result").hidden = false;
}

export function start() {
  takeFiles(byId("lines"), byId("lines-file"));
  byId("csv").addEventListener("click", () => {
    const { texts, similarities } = shown;
    saveCsv("similarities.csv", [["", ...texts], ...texts.map((each, i) => [each, ...similarities[i]])]);
  });
  byId("many-example").addEventListener("click", () => { byId("lines").value = LINES.join("\n"); runTab(); });
}

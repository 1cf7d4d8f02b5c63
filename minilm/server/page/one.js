// One text against many: the many, ranked, and the request to copy.

import { bars } from "./bars.js";
import { offerCopies } from "./copying.js";
import { byId, note, say } from "./dom.js";
import { ask, named, stop } from "./request.js";
import { run as runTab } from "./tabs.js";
import { number, text } from "./texts.js";

export const name = "one";

const EXAMPLE = ["I cannot log in.", [
  "How do I reset my password?", "The soup needs more salt.", "The page asks me to sign in again.",
  "A comet passed close to the sun.", "My account is locked.",
]];

export async function run() {
  const source = byId("source").value.trim();
  const sentences = byId("sentences").value.split("\n").map((line) => line.trim()).filter(Boolean);
  if (!source || !sentences.length) {
    stop();
    say(text("no_text"));
    byId(source ? "sentences" : "source").focus();
    return false;
  }
  const request = { inputs: { source_sentence: source, sentences }, parameters: { truncate: true } };
  let headers = null;
  const scores = await ask("similarity", request, (each) => { headers = each; });
  if (scores) {
    const ranked = sentences.map((sentence, i) => [sentence, scores[i]]).sort((x, y) => y[1] - x[1]);
    bars(byId("ranking"), ranked);
    byId("one-facts").textContent = text("one_facts", { count: sentences.length, best: number(ranked[0][1], 4) });
    const places = (header) => named(headers, header).map((each) => (each === "source_sentence" ? text("source") : text("line_number", { line: Number(each) + 1 }))).join(", ");
    const about = (header, sentence) => [places(header)].filter(Boolean).map((texts) => text(sentence, { texts }));
    note("one-hint", [...about("X-Unfamiliar", "one_unfamiliar"), ...about("X-Truncated", "one_cut")]);
    offerCopies(byId("one-copies"), () => ({ path: "similarity", request, answer: { ...request.inputs, scores } }));
    byId("one-result").hidden = false;
  }
  return Boolean(scores);
}

export function start() {
  byId("one-example").addEventListener("click", () => {
    [byId("source").value, byId("sentences").value] = [EXAMPLE[0], EXAMPLE[1].join("\n")];
    runTab();
  });
}

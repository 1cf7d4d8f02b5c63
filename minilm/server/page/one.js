// One text against many: the many, ranked, and the request to copy.

import { bars } from "./bars.js";
import { byId, say } from "./dom.js";
import { ask, stop } from "./request.js";
import { run as runTab } from "./tabs.js";
import { number, text } from "./texts.js";

export const name = "one";

const EXAMPLE = ["I cannot log in.", [
  "How do I reset my password?", "The soup needs more salt.", "The page asks me to sign in again.",
  "A comet passed close to the sun.", "My account is locked.",
]];
let request = null; // that the answer on the page is of
let scores = null;

export async function run() {
  const source = byId("source").value.trim();
  const sentences = byId("sentences").value.split("\n").map((line) => line.trim()).filter(Boolean);
  if (!source || !sentences.length) {
    stop();
    say(text("no_text"));
    byId(source ? "sentences" : "source").focus();
    return false;
  }
  request = { inputs: { source_sentence: source, sentences }, parameters: { truncate: true } };
  scores = await ask("similarity", request);
  if (scores) {
    const ranked = sentences.map((sentence, i) => [sentence, scores[i]]).sort((x, y) => y[1] - x[1]);
    bars(byId("ranking"), ranked);
    byId("one-facts").textContent = text("one_facts", { count: sentences.length, best: number(ranked[0][1], 4) });
    byId("copied").hidden = true;
    byId("one-result").hidden = false;
  }
  return Boolean(scores);
}

// What can be copied, by the name of its button. Strings and lists look the same in JSON and in Python.
const COPIES = {
  json: () => JSON.stringify({ ...request.inputs, scores }, null, 2),
  curl: () => [
    `curl -s ${quoted(address())} -H 'Content-Type: application/json'${key() && " -H 'Authorization: Bearer KEY'"} \\`,
    `  -d ${quoted(JSON.stringify(request))}`,
  ].join("\n"),
  python: () => [
    "import json",
    "from urllib.request import Request, urlopen",
    "",
    `inputs = ${JSON.stringify(request.inputs, null, 4)}`,
    'body = json.dumps({"inputs": inputs, "parameters": {"truncate": True}}).encode()',
    `headers = {"Content-Type": "application/json"${key() && ', "Authorization": "Bearer KEY"'}}`,
    `with urlopen(Request(${JSON.stringify(address())}, body, headers)) as answer:`,
    "    print(json.load(answer))",
  ].join("\n"),
};

const address = () => new URL("similarity", document.baseURI).href;
const key = () => byId("api-key").value.trim();
const quoted = (content) => `'${content.replaceAll("'", "'\\''")}'`; // for a POSIX shell

async function copy(kind) {
  const shown = byId("copied");
  shown.textContent = COPIES[kind]();
  shown.hidden = false;
  try {
    await navigator.clipboard.writeText(shown.textContent);
    say(text("was_copied"));
  } catch { // not allowed, or the page has no https: the text is on the page, selected
    getSelection().selectAllChildren(shown);
    say(text("copy_selected"));
  }
}

export function start() {
  for (const kind of Object.keys(COPIES)) byId(`copy-${kind}`).addEventListener("click", () => copy(kind));
  byId("one-example").addEventListener("click", () => {
    [byId("source").value, byId("sentences").value] = [EXAMPLE[0], EXAMPLE[1].join("\n")];
    runTab();
  });
}

// The request of what is shown, to copy: its answer as JSON, and the request for curl and for Python.

import { byId, element, say } from "./dom.js";
import { text } from "./texts.js";

// Fills a place with the buttons. what() gives { path, request, answer }: the last one is what JSON shows.
export function offerCopies(place, what) {
  const shown = element("pre", "", { class: "copied", tabindex: 0, hidden: "" });
  const line = element("p", `${text("copy_as")} `);
  for (const [kind, write] of Object.entries(COPIES)) {
    const button = element("button", kind, { type: "button" });
    button.addEventListener("click", () => copy(shown, write(what())));
    line.append(button, " ");
  }
  place.replaceChildren(line, shown);
}

const COPIES = {
  JSON: ({ answer }) => JSON.stringify(answer, null, 2),
  curl: ({ path, request }) => [
    `curl -s ${quoted(address(path))} -H 'Content-Type: application/json'${key() && " -H 'Authorization: Bearer KEY'"} \\`,
    `  -d ${quoted(JSON.stringify(request))}`,
  ].join("\n"),
  Python: ({ path, request }) => [
    "import json",
    "from urllib.request import Request, urlopen",
    "",
    `request = ${literal(request, "")}`,
    `headers = {"Content-Type": "application/json"${key() && ', "Authorization": "Bearer KEY"'}}`,
    `with urlopen(Request(${literal(address(path))}, json.dumps(request).encode(), headers)) as answer:`,
    "    print(json.load(answer))",
  ].join("\n"),
};

const address = (path) => new URL(path, document.baseURI).href;
const key = () => byId("api-key").value.trim();
const quoted = (content) => `'${content.replaceAll("'", "'\\''")}'`; // for a POSIX shell

// A value as Python writes it. Strings and numbers look the same in JSON.
function literal(value, indent) {
  if (value === null || typeof value === "boolean") return { null: "None", true: "True", false: "False" }[value];
  if (typeof value !== "object") return JSON.stringify(value);
  const deeper = `${indent}    `;
  const items = Array.isArray(value) ? value.map((item) => literal(item, deeper))
    : Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${literal(item, deeper)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${items.map((item) => `${deeper}${item},\n`).join("")}${indent}${close}`;
}

async function copy(shown, content) {
  shown.textContent = content;
  shown.hidden = false;
  try {
    await navigator.clipboard.writeText(content);
    say(text("was_copied"));
  } catch { // not allowed, or the page has no https: the text is on the page, selected
    getSelection().selectAllChildren(shown);
    say(text("copy_selected"));
  }
}

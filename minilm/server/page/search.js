// A search of the documents that the server was started with: their best pieces, grouped by document.

import { offerCopies } from "./copying.js";
import { byId, element, isolated, note, say } from "./dom.js";
import { ask, named, stop } from "./request.js";
import { number, text } from "./texts.js";

export const name = "search";

const MOST = 100;

let shown = null; // the request and the answer on the page

export async function run() {
  const [query, where] = [byId("query"), byId("where")].map((box) => box.value.trim());
  const k = Number(byId("k").value);
  const problem = !query ? ["query", "no_query"] : Number.isInteger(k) && k >= 1 && k <= MOST ? null : ["k", "bad_k"];
  if (problem) {
    stop();
    say(text(problem[1], { most: MOST }));
    byId(problem[0]).focus();
    return false;
  }
  const request = { query, k, ...(where && { where }), ...(byId("hybrid").value && { hybrid: true }) };
  let headers = null;
  const answer = await ask("search", request, (each) => { headers = each; });
  if (!answer) return false;
  shown = { path: "search", request, answer };
  show(answer, headers);
  return true;
}

function show({ hits }, headers) {
  const pieces = hits.reduce((count, hit) => count + hit.pieces.length, 0);
  byId("search-facts").textContent = !pieces ? text(shown.request.where ? "none_fits" : "none_found")
    : text("search_facts", { pieces, documents: hits.length });
  note("search-hint", [
    ...named(headers, "X-Unfamiliar").map(() => text("query_unfamiliar")),
    ...named(headers, "X-Truncated").map(() => text("query_cut")),
  ]);
  byId("telling").hidden = !pieces;
  byId("found").replaceChildren(...hits.map(foundDocument));
  offerCopies(byId("search-copies"), () => shown);
  byId("search-result").hidden = false;
}

function foundDocument({ path, metadata, pieces }) {
  const title = element("h2", "");
  title.append(isolated(path.split(/[\\/]/).at(-1) || path));
  const list = element("ol", "", { class: "found-pieces" });
  list.append(...pieces.map((piece) => foundPiece(path, piece)));
  const item = element("li", "");
  const facts = Object.entries(metadata).map(([column, value]) => `${column}: ${value}`).join(", ");
  item.append(title, ...(facts ? [element("p", facts, { class: "small", dir: "auto" })] : []), list);
  return item;
}

function foundPiece(path, { score, line, heading, text: whole, snippet }) {
  const place = element("p", "", { class: "place" });
  // a text without lines of a file has its path alone: a page of a PDF, a row of a table
  place.append(element("strong", number(score, 4)), " ", element("code", line === null ? path : `${path}:${line}`, { dir: "ltr" }));
  const item = element("li", "", { "data-score": score });
  item.append(place);
  if (heading) item.append(element("p", heading, { class: "small heading", dir: "auto" }));
  item.append(marked(snippet));
  if (whole.trim() !== snippet.text.trim()) {
    const details = element("details", "");
    details.append(element("summary", text("whole_piece")), element("p", whole, { class: "whole", dir: "auto" }));
    item.append(details);
  }
  return item;
}

// The snippet with its telling words in <mark>.
function marked({ text: snippet, marks }) {
  const characters = Array.from(snippet); // the server counts code points, JavaScript's strings UTF-16 units
  const part = (from, to) => characters.slice(from, to).join("");
  const shownSnippet = element("p", "", { class: "snippet", dir: "auto" });
  let position = 0;
  for (const [start, end] of marks) {
    shownSnippet.append(part(position, start), element("mark", part(start, end)));
    position = end;
  }
  shownSnippet.append(part(position));
  return shownSnippet;
}

export function start() {
  byId("k").max = MOST;
}

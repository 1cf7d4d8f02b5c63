// One request at a time to the server, with its failures said in words.

import { byId, say } from "./dom.js";
import { text } from "./texts.js";

const TIMEOUT = 60_000;
const PATIENCE = 400; // ms without an answer before the page says that it waits for one

let running = null; // the request whose answer is waited for; a newer one takes its place

// Gives up the request whose answer is waited for, and what was said about it.
export function stop() {
  running?.abort();
  running = null;
  say("");
}

// The texts that a header of an answer names.
export const named = (headers, name) => headers.get(name)?.split(",") ?? [];

// The answer to a request, or null: then the reason has been said, or a newer request has taken its place.
// read() is given the headers of the answer.
export async function ask(path, body, read = () => {}) {
  const key = byId("api-key").value.trim();
  stop();
  if (!/^[!-~]*$/.test(key)) {
    say(text("bad_key"));
    return null;
  }
  const mine = running = new AbortController();
  const timer = setTimeout(() => mine.abort("timeout"), TIMEOUT);
  const notice = setTimeout(() => mine === running && say(text("waiting")), PATIENCE);
  const headers = { "Content-Type": "application/json", ...(key && { Authorization: `Bearer ${key}` }) };
  try {
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal: mine.signal });
    const content = await answer.json().catch(() => null);
    if (mine !== running) return null;
    say("");
    if (answer.ok && content) {
      read(answer.headers);
      return content;
    }
    if (answer.status === 401) byId("key").hidden = false;
    say(refusal(answer, content, key));
  } catch {
    if (mine === running) say(text(mine.signal.aborted ? "timed_out" : "unreachable"));
  } finally {
    clearTimeout(notice);
    clearTimeout(timer);
  }
  return null;
}

// The text of texts.js for a refusal: by the server's code, or by the status, for some protocols have no codes.
export const REFUSALS = {
  blank_text: "no_text",
  empty_input: "no_text",
  body_too_large: "too_much",
  body_too_slow: "too_slow",
  context_length_exceeded: "too_long",
  documents_unavailable: "no_documents",
  invalid_api_key: "invalid_api_key",
  missing_api_key: "missing_api_key",
  queue_full: "busy",
  too_many_characters: "too_much",
  too_many_texts: "too_much",
};
const STATUSES = { 404: "not_there", 408: "too_slow", 413: "too_much", 424: "failed", 429: "busy", 500: "failed" };

function refusal({ status, headers }, content, key) {
  const error = content?.error;
  const message = error?.message ?? (typeof error === "string" ? error : "");
  const name = REFUSALS[error?.code] ?? (status === 401 ? (key ? "invalid_api_key" : "missing_api_key")
    : error?.param === "where" ? "bad_where" : STATUSES[status]);
  const sentences = [name ? text(name) : message || text("no_reason", { status })];
  // what the limit is, and what the database read, is known to the server only
  if (message && name === "bad_where") sentences.push(message);
  if (message && name === "too_much") sentences.push(text("server_says", { message }));
  const seconds = headers.get("Retry-After");
  if (seconds) sentences.push(text("try_again_in", { seconds }));
  return sentences.join(" ");
}

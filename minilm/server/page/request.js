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
    say(refusal(answer, content));
  } catch {
    if (mine === running) say(text(mine.signal.aborted ? "timed_out" : "unreachable"));
  } finally {
    clearTimeout(notice);
    clearTimeout(timer);
  }
  return null;
}

function refusal(answer, content) {
  const error = content?.error;
  const isAboutKey = ["missing_api_key", "invalid_api_key"].includes(error?.code);
  const reason = isAboutKey ? text(error.code)
    : error?.code === "context_length_exceeded" ? text("too_long")
    : error?.param === "where" ? `${text("bad_where")} ${error.message}`
    : error?.message ?? (typeof error === "string" ? error : text("no_reason", { status: answer.status }));
  const seconds = answer.headers.get("Retry-After");
  return seconds ? `${reason} ${text("try_again_in", { seconds })}` : reason;
}

// Texts out of files, dropped on a box or chosen with a button, and into a file.

import { element, say } from "./dom.js";
import { stop } from "./request.js";
import { text } from "./texts.js";

const MOST_BYTES = 1 << 20;

// Lets a box take a file of texts, one a line, in the place of what it holds.
export function takeFiles(box, input) {
  const place = box.closest("section"); // beside the box too: there a browser would leave the page for the file
  place.addEventListener("dragover", (event) => {
    if (event.dataTransfer.types.includes("Files")) event.preventDefault();
  });
  place.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    read(box, event.dataTransfer.files[0]);
  });
  input.addEventListener("change", () => {
    if (input.files.length) read(box, input.files[0]);
    input.value = ""; // the same file may be chosen again
  });
}

async function read(box, file) {
  stop();
  if (file.size > MOST_BYTES) return say(text("file_too_large", { name: file.name }));
  try {
    const content = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
    box.value = content.replace(/\r\n?/g, "\n").trimEnd();
    box.dispatchEvent(new Event("input", { bubbles: true })); // as if it were typed
  } catch {
    say(text("file_not_text", { name: file.name }));
  }
}

// Gives a table to the browser, to be saved as CSV.
export function saveCsv(name, rows) {
  const field = (value) => (typeof value === "number" ? String(value) : `"${value.replaceAll('"', '""')}"`);
  const content = rows.map((row) => row.map(field).join(",")).join("\r\n");
  const href = URL.createObjectURL(new Blob(["\ufeff", content, "\r\n"], { type: "text/csv" }));
  element("a", "", { href, download: name }).click();
  URL.revokeObjectURL(href);
}

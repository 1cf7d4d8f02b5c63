// The tabs of the page, and the address (#...) that shows one again with its texts. A tab is a module of its own
// and a <section id="panel-NAME"> of index.html, which holds
// a form and, as elements of the class "result", what is shown of an answer. The module exports
//   name    the NAME; texts.js has its title as tab_NAME
//   start   called once, when the tabs are there
//   run     called when the form is sent: shows the results and returns true, or says what is missing

import { byId, element, say } from "./dom.js";
import { stop } from "./request.js";
import { text } from "./texts.js";

// Longer addresses get lost on their way through other programs.
const LONGEST_ADDRESS = 8000;

let tabs = [];
let current = null;

const panel = (tab) => byId(`panel-${tab.name}`);
const button = (tab) => byId(`tab-${tab.name}`);

// Shows the tabs in this order, the first one chosen.
export function startTabs(modules) {
  tabs = modules;
  byId("tabs").append(...tabs.map(({ name }) => element("button", text(`tab_${name}`), {
    role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`,
  })));
  tabs.forEach((tab, index) => {
    button(tab).addEventListener("click", () => choose(tab));
    button(tab).addEventListener("keydown", ({ key }) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
      if (step) choose(tabs.at((index + step) % tabs.length)).focus();
    });
    const form = panel(tab).querySelector("form");
    form.addEventListener("submit", (event) => { event.preventDefault(); run(tab); });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); run(tab); }
    });
    form.addEventListener("input", () => { stop(); clear(tab); }); // a result never stands beside other texts
  });
  choose(tabs[0]);
  addEventListener("hashchange", restore);
}

// Shows what the address names: a tab, its texts, and their result. The part behind # is never sent to a server.
export function restore() {
  const state = new URLSearchParams(location.hash.slice(1));
  const tab = tabs.find(({ name }) => name === state.get("tab"));
  if (!tab) return;
  choose(tab);
  for (const box of boxes(tab)) box.value = state.get(box.id) ?? unchanged(box);
  if ([...state].length > 1) run(tab); // an address without texts only shows the tab
}

const boxes = (tab) => panel(tab).querySelectorAll("form textarea, form input:not([type=file]), form select");
const unchanged = (box) => box.defaultValue ?? box.options[0].value; // a list has no default of its own

function remember(tab) {
  const state = new URLSearchParams({ tab: tab.name });
  for (const box of boxes(tab)) if (box.value !== unchanged(box)) state.set(box.id, box.value);
  const address = `#${state}`;
  history.replaceState(null, "", address.length > LONGEST_ADDRESS ? " " : address);
}

function choose(tab) {
  current = tab;
  for (const each of tabs) {
    button(each).setAttribute("aria-selected", String(each === tab));
    button(each).tabIndex = each === tab ? 0 : -1;
    panel(each).hidden = each !== tab;
  }
  say("");
  return button(tab);
}

function clear(tab) {
  for (const each of panel(tab).querySelectorAll(".result")) each.hidden = true;
}

// Runs the current tab, or the given one.
export async function run(tab = current) {
  clear(tab);
  const running = tab.run();
  remember(tab); // while the server works, for it takes 10 ms; so what is refused is in the address too
  if (!(await running)) return;
  panel(tab).querySelector(".result").scrollIntoView({ block: "nearest" });
}

// Numbers as bars, each with its name before it and its value behind it.

import { element, isolated } from "./dom.js";
import { number } from "./texts.js";

// Draws [name, value] pairs into an <ol class="bars">; a full bar is 1, or the largest value if that is more.
export function bars(target, items, largest = 1) {
  const full = Math.max(largest, ...items.map(([, value]) => Math.abs(value)));
  target.replaceChildren(...items.map(([label, value]) => {
    const item = element("li", "", { "data-value": value });
    const bar = element("span", "", { class: value < 0 ? "bar takes" : "bar adds" });
    bar.style.width = `${(100 * Math.abs(value)) / full}%`;
    const track = element("span", "", { class: "track" });
    track.append(bar);
    item.append(isolated(label), track, element("span", number(value, 4), { class: "value" }));
    return item;
  }));
}

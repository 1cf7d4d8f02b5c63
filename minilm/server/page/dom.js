// What every module draws with.

export const byId = (id) => document.getElementById(id);

export function element(name, content, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = content; // never as HTML: texts come from anywhere
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// An element of a drawing.
export function drawn(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// A part of a text in its own direction: what stands around it keeps its order.
export const isolated = (content) => element("bdi", content);

// Blue for what is above 0, orange for what is below, as strong as its part of the largest value.
export function color(value, largest) {
  const alpha = Math.min(1, Math.abs(value) / (largest || 1)) * 0.6;
  return `rgb(${value < 0 ? "230 126 34" : "56 139 253"} / ${alpha})`;
}

export function shade(target, value, largest) {
  target.style.backgroundColor = color(value, largest);
  target.classList.add("shaded");
}

export function say(message) {
  byId("message").textContent = message;
}

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

const BLUE = [56, 139, 253];
const ORANGE = [230, 126, 34];
const STRONGEST = 0.6; // the opacity of the largest value: text on it is still easy to read

// The four bytes of a pixel, as one number, for each opacity from 0 to 255.
const inks = (hue) => new Uint32Array(Uint8Array.from({ length: 1024 }, (_, i) => (i % 4 < 3 ? hue[i % 4] : i >> 2)).buffer);
const [BLUE_INKS, ORANGE_INKS] = [BLUE, ORANGE].map(inks);

const opacity = (value, largest) => Math.min(1, Math.abs(value) / (largest || 1)) * STRONGEST;

// Blue for what is above 0, orange for what is below, as strong as its part of the largest value.
export function color(value, largest) {
  return `rgb(${(value < 0 ? ORANGE : BLUE).join(" ")} / ${opacity(value, largest)})`;
}

// Draws a pixel per number on a canvas, a new one unless one is given. Shown larger, it is much faster than a rectangle
// per number.
export function pixels(values, largest, canvas = element("canvas", "")) {
  [canvas.width, canvas.height] = [values[0].length, values.length];
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(canvas.width, canvas.height);
  const data = new Uint32Array(image.data.buffer);
  let at = 0;
  for (const row of values) {
    for (let i = 0; i < row.length; i++) { // three times as fast as "of", and there are 300,000 numbers
      data[at++] = (row[i] < 0 ? ORANGE_INKS : BLUE_INKS)[Math.round(255 * opacity(row[i], largest))];
    }
  }
  pen.putImageData(image, 0, 0);
  return canvas;
}

export function shade(target, value, largest) {
  target.style.backgroundColor = color(value, largest);
  target.classList.add("shaded");
}

// Shows sentences in an element, or hides it if there are none.
export function note(id, sentences) {
  byId(id).hidden = !sentences.length;
  byId(id).textContent = sentences.join(" ");
}

export function say(message) {
  byId("message").textContent = message;
}

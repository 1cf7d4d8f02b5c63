// A matrix of numbers as a heat map: a table where it is small, a drawing where a table would be slow.

import { color, element, pixels, shade } from "./dom.js";
import { number, text } from "./texts.js";

const MOST_CELLS = 1024;
const WIDTH = 720; // pixels that a drawing takes, if its cells do not become too small or large
const MARGIN = 32; // for the numbers of rows and columns
const TICK = 24; // pixels between two of these numbers, at least
const STEPS = [1, 2, 5, 10, 20, 50, 100];
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

// Draws the matrix and gives back the sum of what was drawn.
export function heatMap(target, values, rows, columns, id) {
  const all = values.flat();
  const largest = all.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const made = element("div", "", { class: "heat-map" });
  made.append(legend(all, largest), ...(all.length > MOST_CELLS
    ? drawing(values, rows, columns, largest, id)
    : [table(values, rows, columns, largest, id)]));
  target.replaceChildren(made);
  return all.reduce((sum, value) => sum + value, 0);
}

function table(values, rows, columns, largest, id) {
  const heading = (item, scope) => element("th", item.token, { scope, dir: "auto", ...(item.is_special && { class: "special" }) });
  const made = element("table", "", { id });
  const top = made.createTHead().insertRow();
  top.append(element("td", ""), ...columns.map((item) => heading(item, "col")));
  const body = made.createTBody();
  values.forEach((row, i) => {
    const line = body.insertRow();
    line.append(heading(rows[i], "row"), ...row.map((value, j) => {
      const cell = element("td", number(value, 3), { "data-value": value, title: describe(rows[i], columns[j], value) });
      shade(cell, value, largest);
      return cell;
    }));
  });
  return made;
}

const describe = (row, column, value) => `\u2068${row.token}\u2069 × \u2068${column.token}\u2069: ${number(value, 5)}`;

// The value of the cell under the mouse or the arrow keys, and the drawing.
function drawing(values, rows, columns, largest, id) {
  const side = Math.min(24, Math.max(4, Math.floor(WIDTH / Math.max(rows.length, columns.length))));
  const label = text("cells", { rows: rows.length, columns: columns.length });
  const canvas = element("canvas", "", { id, role: "img", tabindex: 0, "aria-label": label });
  [canvas.width, canvas.height] = [MARGIN + columns.length * side + TICK, MARGIN + rows.length * side + TICK];
  const readout = element("output", text("use_arrows"), { class: "readout" });
  let picture = null;
  const draw = () => {
    const pen = canvas.getContext("2d");
    picture ??= pixels(values, largest);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.fillStyle = getComputedStyle(canvas).color;
    pen.font = "12px system-ui, sans-serif";
    ticks(columns.length, side, (place, at) => pen.fillText(place, at, MARGIN - 6));
    ticks(rows.length, side, (place, at) => pen.fillText(place, 0, at + 10));
    pen.imageSmoothingEnabled = false;
    pen.drawImage(picture, MARGIN, MARGIN, columns.length * side, rows.length * side);
    return pen;
  };
  let cell = [0, 0];
  const point = (i, j) => {
    if (values[i]?.[j] === undefined) return;
    cell = [i, j];
    const pen = draw();
    pen.strokeStyle = getComputedStyle(canvas).color;
    pen.strokeRect(MARGIN + j * side + 0.5, MARGIN + i * side + 0.5, side - 1, side - 1);
    readout.textContent = describe(rows[i], columns[j], values[i][j]);
    readout.dataset.value = values[i][j];
  };
  canvas.addEventListener("mousemove", ({ offsetX, offsetY }) =>
    point(Math.floor((offsetY - MARGIN) / side), Math.floor((offsetX - MARGIN) / side)));
  canvas.addEventListener("keydown", (event) => {
    const move = ARROWS[event.key];
    if (!move) return;
    event.preventDefault();
    point(cell[0] + move[0], cell[1] + move[1]);
  });
  canvas.addEventListener("focus", () => point(...cell));
  requestAnimationFrame(() => { if (!picture) draw(); }); // its colour is known once it is part of the page
  return [readout, canvas];
}

// Calls mark with the number and the place of every row or column that has room for one.
function ticks(count, side, mark) {
  const step = STEPS.find((each) => each * side >= TICK);
  for (let i = 0; i < count; i++) {
    if ((i + 1) % step === 0 || i === 0) mark(String(i + 1), MARGIN + i * side);
  }
}

// The smallest and the largest number, and the colours between them.
function legend(all, largest) {
  const least = all.some((value) => value < 0) ? -largest : 0;
  const stops = least < 0 ? [least, 0, largest] : [0, largest];
  const scale = element("span", "", { class: "scale shaded" });
  scale.style.backgroundImage = `linear-gradient(to right, ${stops.map((value) => color(value, largest)).join()})`;
  const made = element("p", "", { class: "legend" });
  made.append(number(least, 3), scale, number(largest, 3));
  return made;
}

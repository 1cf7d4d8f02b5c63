// A matrix of numbers as a heat map: a table where it is small, a drawing where a table would be slow.

import { color, element, shade } from "./dom.js";
import { number, text } from "./texts.js";

const MOST_CELLS = 4096;
const SIDE = 4; // pixels of a drawn cell

// Draws the matrix and gives back the sum of what was drawn.
export function heatMap(target, values, rows, columns, id) {
  const all = values.flat();
  const largest = all.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  target.replaceChildren(all.length > MOST_CELLS
    ? drawing(values, rows, columns, largest, id)
    : table(values, rows, columns, largest, id));
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

function drawing(values, rows, columns, largest, id) {
  const label = text("cells", { rows: rows.length, columns: columns.length });
  const canvas = element("canvas", "", { id, role: "img", "aria-label": label });
  [canvas.width, canvas.height] = [columns.length * SIDE, rows.length * SIDE];
  const pen = canvas.getContext("2d");
  values.forEach((row, i) => row.forEach((value, j) => {
    pen.fillStyle = color(value, largest);
    pen.fillRect(j * SIDE, i * SIDE, SIDE, SIDE);
  }));
  canvas.addEventListener("mousemove", ({ offsetX, offsetY }) => {
    const [i, j] = [Math.floor(offsetY / SIDE), Math.floor(offsetX / SIDE)];
    if (values[i]?.[j] !== undefined) canvas.title = describe(rows[i], columns[j], values[i][j]);
  });
  return canvas;
}

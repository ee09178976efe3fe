/** Pieces of the reports' pages: tables and plots, in HTML and SVG that need nothing else. */

import { escape } from "@std/html/entities";
import { visible } from "./visible.ts";

/** Text as HTML or SVG, with what cannot be seen in it shown. */
export function htmlText(text: string): string {
  return escape(visible(text));
}

/** A page with one heading. `parts` are HTML, and `style` is CSS of its own. */
export function htmlPage(title: string, parts: readonly string[], style: string = ""): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${htmlText(title)}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; color: #222 }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: 0.15em 0.7em; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
td.words { text-align: left; white-space: normal; min-width: 20em; overflow-wrap: anywhere }
.row { display: flex; flex-wrap: wrap; gap: 1.5em; align-items: flex-start }
b { unicode-bidi: isolate }
figure { margin: 0; width: 12em; font-size: 0.85em; overflow-wrap: anywhere }
img { display: block; max-width: 100% }
.scroll { overflow-x: auto }
@media (max-width: 40em) { th, td { padding: 0.15em 0.4em } }
svg text { font: 12px system-ui, sans-serif; fill: #222 }${style}
</style>
</head>
<body>
<h1>${htmlText(title)}</h1>
${parts.join("\n")}
</body>
</html>
`;
}

/** Characters up to which a cell of a table is not broken into lines. */
const ONE_LINE = 60;

/** A table, which scrolls where it is too wide; the first row is its head. Cells are text. */
export function htmlTable(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const line = (cells: readonly string[], tag: string): string => {
    const all = cells.map((cell) =>
      `<${tag}${cell.length > ONE_LINE ? ' class="words"' : ""}>${htmlText(cell)}</${tag}>`
    );
    return `<tr>${all.join("")}</tr>`;
  };
  const headLine = head.every((cell) => cell === "") ? "" : line(head, "th");
  return `<div class="scroll"><table>${headLine}${
    body.map((row) => line(row, "td")).join("")
  }</table></div>`;
}

/** A table that is shown on a click; nothing if it has no row but its head. */
export function foldedTable(rows: readonly (readonly string[])[]): string {
  const more = rows.length - 1;
  if (more <= 0) return "";
  return `<details><summary>${more} more</summary>${htmlTable(rows)}</details>`;
}

/** A part of 1 in percent, `–` for `NaN`. */
export function percent(part: number, digits: number = 2): string {
  return Number.isNaN(part) ? "–" : `${(part * 100).toFixed(digits)} %`;
}

export interface PlotAxis {
  readonly label: string;
  readonly min: number;
  readonly max: number;
}

export interface LinePlot {
  readonly title: string;
  readonly x: PlotAxis;
  readonly y: PlotAxis;
  readonly lines: readonly {
    readonly label: string;
    readonly points: readonly (readonly [x: number, y: number])[];
    readonly dashed?: boolean;
  }[];
}

/** Colors that people with color blindness can tell apart (Okabe and Ito, 2008). */
const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9"];
const WIDTH = 480, HEIGHT = 320, LEFT = 56, RIGHT = 12, TOP = 28, BOTTOM = 44, TICKS = 5;

/** A plot of lines as an SVG image. */
export function linePlot({ title, x, y, lines }: LinePlot): string {
  const atX = (value: number): number =>
    LEFT + (value - x.min) / (x.max - x.min || 1) * (WIDTH - LEFT - RIGHT);
  const atY = (value: number): number =>
    HEIGHT - BOTTOM - (value - y.min) / (y.max - y.min || 1) * (HEIGHT - TOP - BOTTOM);
  const parts = [`<text x="${LEFT}" y="16" font-weight="bold">${htmlText(title)}</text>`];
  for (let tick = 0; tick <= TICKS; tick++) {
    const vx = x.min + (x.max - x.min) * tick / TICKS, vy = y.min + (y.max - y.min) * tick / TICKS;
    const px = atX(vx).toFixed(1), py = atY(vy).toFixed(1);
    parts.push(
      `<path d="M${LEFT} ${py}H${WIDTH - RIGHT}" stroke="#ddd"/>`,
      `<text x="${LEFT - 6}" y="${py}" dy="4" text-anchor="end">${tickText(vy)}</text>`,
      `<text x="${px}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${tickText(vx)}</text>`,
    );
  }
  const below = `x="${(LEFT + WIDTH) / 2}" y="${HEIGHT - 8}"`;
  const beside = `transform="translate(14 ${HEIGHT / 2}) rotate(-90)"`;
  parts.push(
    `<text ${below} text-anchor="middle">${htmlText(x.label)}</text>`,
    `<text ${beside} text-anchor="middle">${htmlText(y.label)}</text>`,
  );
  let legend = LEFT + 24 + 8 * title.length;
  lines.forEach(({ label, points, dashed }, n) => {
    const color = dashed ? "#888" : COLORS[n % COLORS.length];
    const path = points.map(([px, py], i) =>
      `${i === 0 ? "M" : "L"}${atX(px).toFixed(1)} ${atY(py).toFixed(1)}`
    ).join("");
    const style = dashed ? ' stroke-dasharray="5 4"' : ' stroke-width="2"';
    parts.push(
      `<path d="${path}" fill="none" stroke="${color}"${style}/>`,
      `<path d="M${legend} 12h18" stroke="${color}"${style}/>`,
      `<text x="${legend + 24}" y="16">${htmlText(label)}</text>`,
    );
    legend += 44 + 7 * label.length;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" ` +
    `viewBox="0 0 ${WIDTH} ${HEIGHT}">${parts.join("")}</svg>`;
}

function tickText(value: number): string {
  return String(Number(value.toPrecision(3)));
}

/** Pictures for people: labels on an image, and an explanation laid over it. */

import { checkPixels, type Pixels, toRgb } from "../image/image.ts";
import { fitImage } from "../image/resize.ts";
import { isUnsure, type Prediction } from "../output/predictions.ts";
import { BLACK, Canvas, textWidth, WHITE } from "../report/canvas.ts";
import { colorTable, levelOf } from "../report/color_map.ts";
import type { Explanation } from "./explain.ts";

/** Smaller images are enlarged to this longer side, so that text on them can be read. */
const MIN_SIDE = 320;
/** Larger explanations are reduced to this longer side. */
const MAX_SIDE = 800;
/** How much of an overlay's color is the map's. */
const OVERLAY = 0.55;

/**
 * An image with its labels and scores, best first, on a band along its lower edge; above them "not sure",
 * where the first one says that it is not.
 *
 * @throws {TypeError} If the image is no pixels, such as a path.
 * @throws {RangeError} If it is not as long as gray, RGB or RGBA of its size.
 */
export async function drawPredictions(
  image: Pixels,
  predictions: readonly Prediction[],
): Promise<Pixels> {
  checkPixels(image, [1, 3, 4]);
  const picture = fitImage(toRgb(image), MIN_SIDE, Infinity);
  const canvas = new Canvas(picture.width, picture.height);
  canvas.picture(picture, 0, 0);
  const lines = predictions.map(({ label, score }) => `${label} ${(score * 100).toFixed(1)} %`);
  if (isUnsure(predictions[0])) lines.unshift("not sure:");
  const room = Math.round(picture.height / 12);
  const height = Math.max(12, Math.min(48, room, fittingHeight(lines, picture.width)));
  const band = lines.length * Math.round(height * 1.2) + Math.round(height * 0.4);
  canvas.rectangle(0, picture.height - band, picture.width, band, BLACK, 0.6);
  for (const [n, line] of lines.entries()) {
    const top = picture.height - band + Math.round(height * (0.3 + 1.2 * n));
    await canvas.text(line, Math.round(height / 2), top, height, WHITE);
  }
  return canvas;
}

/** The largest text height at which all lines fit into a width. */
function fittingHeight(lines: readonly string[], width: number): number {
  const longest = Math.max(1, ...lines.map((line) => textWidth(line, 100)));
  return Math.floor(width * 0.94 * 100 / longest);
}

/**
 * An explanation's map over its image in perceptually uniform colors, with the scale of the colors
 * at the side and the label below.
 */
export async function drawExplanation(explanation: Explanation): Promise<Pixels> {
  const { label, score, method, map } = explanation;
  const picture = fitImage(explanation.image, MIN_SIDE, MAX_SIDE);
  const isProbability = method === "score-map";
  const max = isProbability ? 1 : Math.max(...map);
  const text = 16, margin = 8, side = 96;
  const canvas = new Canvas(picture.width + side, picture.height + text + 2 * margin);
  canvas.picture(overlay(picture, explanation, max), 0, 0);
  await drawScale(canvas, picture.width + margin, margin, picture.height - 2 * margin, max);
  const how = isProbability ? "score map" : "Grad-CAM";
  const caption = `${label} ${(score * 100).toFixed(1)} %  ${how}`;
  const height = Math.min(text, fittingHeight([caption], canvas.width));
  await canvas.text(caption, margin, picture.height + margin, height, BLACK);
  return canvas;
}

/** Blends the map's colors over a picture; between positions the map is interpolated. */
function overlay(picture: Pixels, explanation: Explanation, max: number): Pixels {
  const { map, width, height, grid: { offset, step } } = explanation;
  const colors = colorTable();
  const columns = positions(picture.width, offset[0], step[0], width);
  const rows = positions(picture.height, offset[1], step[1], height);
  const data = new Uint8Array(picture.data.length);
  for (let y = 0; y < picture.height; y++) {
    const top = Math.floor(rows[y]), dy = rows[y] - top, below = Math.min(top + 1, height - 1);
    for (let x = 0; x < picture.width; x++) {
      const left = Math.floor(columns[x]), dx = columns[x] - left;
      const right = Math.min(left + 1, width - 1);
      const upper = map[top * width + left] * (1 - dx) + map[top * width + right] * dx;
      const lower = map[below * width + left] * (1 - dx) + map[below * width + right] * dx;
      const value = max > 0 ? (upper * (1 - dy) + lower * dy) / max : 0;
      const color = levelOf(value) * 3, at = (y * picture.width + x) * 3;
      for (let c = 0; c < 3; c++) {
        data[at + c] = picture.data[at + c] * (1 - OVERLAY) + colors[color + c] * OVERLAY;
      }
    }
  }
  return { data, width: picture.width, height: picture.height };
}

/** The position in the map of each pixel along an axis, held inside the map. */
function positions(pixels: number, offset: number, step: number, count: number): Float64Array {
  return Float64Array.from(
    { length: pixels },
    (_, i) => Math.max(0, Math.min(count - 1, ((i + 0.5) / pixels - offset) / step)),
  );
}

async function drawScale(
  canvas: Canvas,
  left: number,
  top: number,
  height: number,
  max: number,
): Promise<void> {
  const colors = colorTable(), width = 20, text = 14;
  for (let y = 0; y < height; y++) {
    const at = levelOf(1 - y / (height - 1)) * 3;
    canvas.rectangle(left, top + y, width, 1, [colors[at], colors[at + 1], colors[at + 2]]);
  }
  for (const part of [0, 0.5, 1]) {
    const value = part * max;
    const label = value === 0 ? "0" : value.toPrecision(2);
    const y = top + Math.round((1 - part) * (height - text));
    await canvas.text(label, left + width + 6, y, text, BLACK);
  }
}

/**
 * Resizing as Pillow does it, bit for bit: separable, antialiased, in 22-bit fixed point, rows first,
 * rounded to bytes between the two passes (Pillow's `Resample.c`, 8 bits per channel).
 *
 * @module
 */

import type { RgbImage } from "./image.ts";
import {
  HALF,
  PRECISION_BITS,
  type ResizeFilter,
  type Weights,
  weightsOf,
} from "./resize_weights.ts";

export type { ResizeFilter };

/** A rectangle in pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Interleaved bytes `[height, width, channels]`. */
export interface Pixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
}

/**
 * Resizes an image to a width and a height, as Pillow's `Image.resize` does.
 *
 * @throws {RangeError} If a side is not a positive integer.
 */
export function resizeImage(
  image: RgbImage,
  width: number,
  height: number,
  filter: ResizeFilter,
): RgbImage {
  return resample({ ...image, channels: 3 }, width, height, filter);
}

/**
 * Cuts a rectangle out of an image.
 *
 * @throws {RangeError} If the box is empty or not inside the image.
 */
export function cropImage(image: RgbImage, box: Box): RgbImage {
  checkBox(box, image.width, image.height);
  const data = new Uint8Array(box.width * box.height * 3);
  for (let y = 0; y < box.height; y++) {
    const start = ((box.top + y) * image.width + box.left) * 3;
    data.set(image.data.subarray(start, start + box.width * 3), y * box.width * 3);
  }
  return { data, width: box.width, height: box.height };
}

/**
 * Resizes to `width` x `height`, and computes no more of the result than `box`.
 *
 * @returns The pixels of `box`, equal to those of the whole result.
 * @throws {RangeError} If a side is not a positive integer, or the box is not inside the result.
 */
export function resample(
  source: Pixels,
  width: number,
  height: number,
  filter: ResizeFilter,
  box: Box = { left: 0, top: 0, width, height },
): Pixels {
  checkSide("width", width);
  checkSide("height", height);
  checkBox(box, width, height);
  const columns = weightsOf(source.width, width, filter, box.left, box.width);
  const rows = weightsOf(source.height, height, filter, box.top, box.height);
  // Only these source rows reach the box.
  const top = rows.first[0];
  const bottom = rows.first[box.height - 1] + rows.count[box.height - 1];
  const wide = resampleRows(source, top, bottom - top, columns, box.left);
  return resampleColumns(wide, top, rows);
}

/** The horizontal pass over `height` rows from `top` on. */
function resampleRows(
  source: Pixels,
  top: number,
  height: number,
  columns: Weights,
  left: number,
): Pixels {
  const { data, channels } = source;
  const width = columns.first.length;
  const result = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    const row = (top + y) * source.width * channels;
    const target = y * width * channels;
    if (columns.identity) {
      const start = row + left * channels;
      result.set(data.subarray(start, start + width * channels), target);
    } else if (channels === 3) {
      resampleRgbRow(data, row, columns, result, target);
    } else {
      resampleGrayRow(data, row, columns, result, target);
    }
  }
  return { data: result, width, height, channels };
}

function resampleRgbRow(
  data: Uint8Array,
  row: number,
  { first, count, weights, stride }: Weights,
  result: Uint8Array,
  target: number,
): void {
  for (let i = 0; i < first.length; i++) {
    let red = HALF, green = HALF, blue = HALF;
    let at = row + first[i] * 3;
    const end = i * stride + count[i];
    for (let k = i * stride; k < end; k++, at += 3) {
      const weight = weights[k];
      red = (red + Math.imul(data[at], weight)) | 0;
      green = (green + Math.imul(data[at + 1], weight)) | 0;
      blue = (blue + Math.imul(data[at + 2], weight)) | 0;
    }
    result[target++] = clampByte(red >> PRECISION_BITS);
    result[target++] = clampByte(green >> PRECISION_BITS);
    result[target++] = clampByte(blue >> PRECISION_BITS);
  }
}

function resampleGrayRow(
  data: Uint8Array,
  row: number,
  { first, count, weights, stride }: Weights,
  result: Uint8Array,
  target: number,
): void {
  for (let i = 0; i < first.length; i++) {
    let sum = HALF;
    let at = row + first[i];
    const end = i * stride + count[i];
    for (let k = i * stride; k < end; k++) sum = (sum + Math.imul(data[at++], weights[k])) | 0;
    result[target++] = clampByte(sum >> PRECISION_BITS);
  }
}

/** The vertical pass over rows of which the first is the source's row `top`. */
function resampleColumns(source: Pixels, top: number, rows: Weights): Pixels {
  if (rows.identity) return source;
  const { data, width, channels } = source;
  const height = rows.first.length;
  const length = width * channels;
  const result = new Uint8Array(length * height);
  const sums = new Int32Array(length);
  for (let i = 0; i < height; i++) {
    sums.fill(HALF);
    for (let k = 0; k < rows.count[i]; k++) {
      const weight = rows.weights[i * rows.stride + k];
      const row = (rows.first[i] - top + k) * length;
      for (let x = 0; x < length; x++) {
        sums[x] = (sums[x] + Math.imul(data[row + x], weight)) | 0;
      }
    }
    for (let x = 0; x < length; x++) {
      result[i * length + x] = clampByte(sums[x] >> PRECISION_BITS);
    }
  }
  return { data: result, width, height, channels };
}

function clampByte(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

function checkSide(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new RangeError(`Cannot resize: ${name} must be a positive integer, found ${value}`);
  }
}

function checkBox(box: Box, width: number, height: number): void {
  const { left, top } = box;
  const whole = [left, top, box.width, box.height].every(Number.isInteger);
  const inside = left >= 0 && top >= 0 && left + box.width <= width && top + box.height <= height;
  if (!whole || !inside || box.width < 1 || box.height < 1) {
    throw new RangeError(
      `Cannot crop: expected a box inside ${width}x${height}, ` +
        `found ${box.width}x${box.height} at (${left}, ${top})`,
    );
  }
}

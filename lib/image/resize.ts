/**
 * Resizing as Pillow does it, bit for bit: separable, antialiased, in 22-bit fixed point, rows first,
 * rounded to bytes between the two passes (Pillow's `Resample.c`, 8 bits per channel).
 */

import { checkOptions, RESIZE_OPTIONS } from "../options.ts";
import { type Box, channelsOf, checkPixels, type Pixels } from "./image.ts";

/** `"bilinear"` is a triangle, `"bicubic"` Keys' cubic with a = -0.5; both widen when shrinking. */
export type ResizeFilter = "bilinear" | "bicubic";

/** Options of {@linkcode resizeImage}. */
export interface ResizeOptions {
  /** Columns of the result. Default: in the image's proportions. */
  readonly width?: number | undefined;
  /** Rows of the result. Default: in the image's proportions. */
  readonly height?: number | undefined;
  /** Default: `"bicubic"`. */
  readonly filter?: ResizeFilter | undefined;
}

/**
 * Resizes an image as Pillow's `Image.resize` does, bit for bit.
 *
 * @param image Gray or RGB, as `readImage()` gives it.
 *
 * @example
 * ```ts
 * import { encodePng, readImage, resizeImage } from "@edge/vgg16/image";
 *
 * const photo = await readImage("tests/data/photos/cat.png");
 * const thumbnail = await encodePng(resizeImage(photo, { width: 96 }));
 * ```
 *
 * @throws {TypeError} If the image is no pixels, such as a path.
 * @throws {RangeError} If neither side is given, an option is unknown or not one of its values, or the
 *   image is not of 1 or 3 channels.
 */
export function resizeImage(image: Pixels, options: ResizeOptions): Pixels {
  checkOptions(RESIZE_OPTIONS, options);
  checkPixels(image, [1, 3]);
  if (options.width === undefined && options.height === undefined) {
    throw new RangeError("Expected a width, a height or both: found neither");
  }
  const side = (wanted: number | undefined, own: number, factor: number): number =>
    wanted ?? Math.max(1, Math.round(own * factor));
  const width = side(options.width, image.width, (options.height ?? 0) / image.height);
  const height = side(options.height, image.height, (options.width ?? 0) / image.width);
  return { data: resample(image, width, height, options.filter ?? "bicubic"), width, height };
}

/**
 * Resizes to `width` x `height`, as Pillow's `Image.resize` does, and computes no more of the result
 * than `box`.
 *
 * @param source Gray or RGB.
 * @returns `[box.height, box.width, channels]`: equal to that part of the whole result.
 * @throws {RangeError} If a side is not a positive integer, or the box is not inside the result.
 */
export function resample(
  source: Pixels,
  width: number,
  height: number,
  filter: ResizeFilter,
  box: Box = { left: 0, top: 0, width, height },
): Uint8Array {
  checkSide("width", width);
  checkSide("height", height);
  checkBox(box, width, height);
  const columns = weightsOf(source.width, width, filter, box.left, box.width);
  const rows = weightsOf(source.height, height, filter, box.top, box.height);
  // Only these source rows reach the box.
  const top = rows.first[0];
  const bottom = rows.first[box.height - 1] + rows.count[box.height - 1];
  const wide = resampleRows(source, top, bottom - top, columns, box.left);
  return resampleColumns(wide, box.width * channelsOf(source), top, rows);
}

/** An image that is enlarged or reduced until its longer side is within bounds. */
export function fitImage(image: Pixels, min: number, max: number = min): Pixels {
  const longer = Math.max(image.width, image.height);
  const factor = longer < min ? min / longer : longer > max ? max / longer : 1;
  if (factor === 1) return image;
  const size = (side: number): number => Math.max(1, Math.round(side * factor));
  const width = size(image.width), height = size(image.height);
  return { data: resample(image, width, height, "bicubic"), width, height };
}

/**
 * Cuts a rectangle out of an image.
 *
 * @throws {RangeError} If the box is empty or not inside the image.
 */
export function cropImage(image: Pixels, { left, top, width, height }: Box): Pixels {
  checkBox({ left, top, width, height }, image.width, image.height);
  const channels = channelsOf(image);
  const data = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    const start = ((top + y) * image.width + left) * channels;
    data.set(image.data.subarray(start, start + width * channels), y * width * channels);
  }
  return { data, width, height };
}

/** Which source pixels make an output pixel, and how much of each. */
interface Weights {
  /** First source pixel of output pixel i. */
  readonly first: Int32Array;
  /** Number of source pixels of output pixel i. */
  readonly count: Int32Array;
  /** `[outputs, stride]`, in units of 2^-22. */
  readonly weights: Int32Array;
  readonly stride: number;
  /** Whether the size stays, so that the pass is a copy and `weights` are not used. */
  readonly identity: boolean;
}

/** Weights are fixed-point numbers with so many bits after the point. */
const PRECISION_BITS = 22;
/** One half, to round. */
const HALF = 1 << (PRECISION_BITS - 1);

/** The horizontal pass over `height` rows from `top` on. */
function resampleRows(
  source: Pixels,
  top: number,
  height: number,
  columns: Weights,
  left: number,
): Uint8Array {
  const { data } = source, channels = channelsOf(source);
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
  return result;
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

/** The vertical pass over rows of `length` bytes, of which the first is the source's row `top`. */
function resampleColumns(data: Uint8Array, length: number, top: number, rows: Weights): Uint8Array {
  if (rows.identity) return data;
  const height = rows.first.length;
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
  return result;
}

function clampByte(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

const FILTERS: Readonly<
  Record<ResizeFilter, { readonly support: number; readonly at: (x: number) => number }>
> = {
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, at: keysCubic },
};

/** Keys, "Cubic convolution interpolation for digital image processing", 1981, with a = -0.5. */
function keysCubic(x: number): number {
  const a = -0.5;
  x = Math.abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/** Pillow's `precompute_coeffs` and `normalize_coeffs_8bpc`, for outputs `start … start + length`. */
function weightsOf(
  sourceSize: number,
  size: number,
  filter: ResizeFilter,
  start: number,
  length: number,
): Weights {
  const { support: unitSupport, at } = FILTERS[filter];
  const scale = sourceSize / size;
  const stretch = Math.max(scale, 1);
  const support = unitSupport * stretch;
  const stride = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(length);
  const count = new Int32Array(length);
  const weights = new Int32Array(length * stride);
  const real = new Float64Array(stride);
  if (sourceSize === size) {
    first.forEach((_, i) => first[i] = start + i);
    return { first, count: count.fill(1), weights, stride, identity: true };
  }
  for (let i = 0; i < length; i++) {
    const center = (start + i + 0.5) * scale;
    const from = Math.max(0, Math.trunc(center - support + 0.5));
    const to = Math.min(sourceSize, Math.trunc(center + support + 0.5));
    let sum = 0;
    for (let x = from; x < to; x++) {
      sum += real[x - from] = at((x - center + 0.5) * (1 / stretch));
    }
    for (let k = 0; k < to - from; k++) {
      const weight = (sum === 0 ? real[k] : real[k] / sum) * (1 << PRECISION_BITS);
      weights[i * stride + k] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    first[i] = from;
    count[i] = to - from;
  }
  return { first, count, weights, stride, identity: false };
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

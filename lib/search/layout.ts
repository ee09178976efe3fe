/**
 * Where a picture is light and dark. It finds copies that the network sees in another way, such as gray ones, and
 * tells pages of text, forms and other pictures that are mostly of one color, which all look alike to it.
 */

import type { Pixels } from "../image/image.ts";
import { resample } from "../image/resize.ts";

/** The layout of a picture. */
export interface Layout {
  /** Brightness of 16 x 16 parts of all of the picture, whatever its proportions, row by row, 0 … 255. */
  readonly parts: Uint8Array;
  /** How much of the picture is of its most common color, 0 … 1. */
  readonly plain: number;
}

/** Parts in a row, and so many rows. */
const SIDE = 16;
/** Numbers of a layout's parts. */
export const PARTS: number = SIDE * SIDE;
/** Pixels of the sides in which a picture is looked at. */
const SEEN = 8 * SIDE;
/** Bits that tell colors apart, and how far from the middle of such a color others count to it. */
const BITS = 5, NEAR = 12;
/** Deviation of the brightness below which there is nothing to be seen. */
const FLAT = 0.5;

/** Finds the layout of RGB pixels. */
export function layoutOf(image: Pixels): Layout {
  const data = resample(image, SEEN, SEEN, "bilinear");
  const sums = new Float64Array(PARTS), shift = 8 - BITS;
  const counts = new Uint32Array(2 ** (3 * BITS));
  for (let i = 0, at = 0; at < data.length; i++, at += 3) {
    const [r, g, b] = [data[at]!, data[at + 1]!, data[at + 2]!];
    const part = Math.floor(i / SEEN / 8) * SIDE + Math.floor(i % SEEN / 8);
    // ITU-R 601-2.
    sums[part]! += (0.299 * r + 0.587 * g + 0.114 * b) / 64;
    counts[(r >> shift) << 2 * BITS | (g >> shift) << BITS | b >> shift]!++;
  }
  const most = counts.indexOf(counts.reduce((a, b) => Math.max(a, b)));
  const middle = [2 * BITS, BITS, 0].map((at) =>
    ((most >> at & (2 ** BITS - 1)) << shift) + (1 << shift - 1)
  );
  let near = 0;
  for (let at = 0; at < data.length; at += 3) {
    if (middle.every((value, c) => Math.abs(data[at + c]! - value) <= NEAR)) near++;
  }
  return { parts: Uint8Array.from(sums, Math.round), plain: near / SEEN ** 2 };
}

/** How two layouts agree. */
export interface Agreement {
  readonly correlation: number;
  readonly difference: number;
}

/**
 * How two layouts agree, or one and the mirror image of the other, whichever agrees more.
 *
 * @returns Their correlation, -1 … 1, and the largest difference of two parts once both have the same mean and
 *   deviation; 0 and 255 where one shows nothing.
 */
export function compareLayouts(a: Uint8Array, b: Uint8Array): Agreement {
  const straight = comparePlaced(a, b, false), mirrored = comparePlaced(a, b, true);
  return straight.correlation >= mirrored.correlation ? straight : mirrored;
}

function comparePlaced(a: Uint8Array, b: Uint8Array, isMirrored: boolean): Agreement {
  const [meanA, deviationA] = momentsOf(a), [meanB, deviationB] = momentsOf(b);
  if (deviationA < FLAT || deviationB < FLAT) return { correlation: 0, difference: 255 };
  let product = 0, difference = 0;
  for (let i = 0; i < PARTS; i++) {
    // The parts of a row are 16 neighbors.
    const other = isMirrored ? i ^ (SIDE - 1) : i;
    const x = (a[i]! - meanA) / deviationA, y = (b[other]! - meanB) / deviationB;
    product += x * y;
    difference = Math.max(difference, Math.abs(x - y));
  }
  return {
    correlation: product / PARTS,
    difference: difference * Math.max(deviationA, deviationB),
  };
}

/** Mean and standard deviation. */
function momentsOf(parts: Uint8Array): [mean: number, deviation: number] {
  let sum = 0, squares = 0;
  for (const part of parts) {
    sum += part;
    squares += part * part;
  }
  const mean = sum / PARTS;
  return [mean, Math.sqrt(Math.max(0, squares / PARTS - mean * mean))];
}

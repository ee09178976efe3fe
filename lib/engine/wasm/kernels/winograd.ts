// Convolution 3x3 by Winograd's minimal filtering F(4x4, 3x3): 36 products instead of 144 for 16
// outputs, in exact integer arithmetic. ../../winograd.ts has its matrices, and says why their sums
// may overflow and why what they transform fits in 16 bits.
//
// Four patches (of 4x4 outputs each) are interleaved, a quad. `T` is what is multiplied: i16,
// [position 36][quad][channels / 2][4][2], or f32, [position 36][quad][channels][4].

import { GAP, Layer, POSITIONS, Step } from "../structs";
import { multiplyQuad } from "./multiply";
import { filterPosition, transformFilter } from "./winograd_filter";
import { interleaveFloat, storePatchesFloat, transformInputFloat6 } from "./winograd_float";
import { storePatches } from "./winograd_output";

// The rows of B^T: coefficients of the products of (x - point) over all other points.

// @ts-ignore: decorator
@inline
function times5(x: v128): v128 {
  return i16x8.add(i16x8.shl(x, 2), x);
}

/** Six registers, `fromStride` apart, to their transform by B^T. */
// @ts-ignore: decorator
@inline
function transformInput6<T>(from: usize, fromStride: usize, to: usize, toStride: usize): void {
  if (isFloat<T>()) return transformInputFloat6(from, fromStride, to, toStride);
  const d0 = v128.load(from), d1 = v128.load(from + fromStride);
  const d2 = v128.load(from + 2 * fromStride), d3 = v128.load(from + 3 * fromStride);
  const d4 = v128.load(from + 4 * fromStride), d5 = v128.load(from + 5 * fromStride);
  const a = i16x8.sub(d1, d3), b = i16x8.sub(d2, d4);
  // 0: -2 5 0 -5 2 0
  v128.store(to, i16x8.add(i16x8.shl(i16x8.sub(d4, d0), 1), times5(a)));
  // 2: 0 1 -2 -1 2 0
  v128.store(to + toStride, i16x8.sub(a, i16x8.shl(b, 1)));
  // 1: 0 2 -3 -3 2 0
  const sum = i16x8.add(d2, d3);
  const outer = i16x8.sub(i16x8.add(d1, d4), sum);
  v128.store(to + 2 * toStride, i16x8.sub(i16x8.shl(outer, 1), sum));
  // -1: 0 -2 7 -7 2 0
  const difference = i16x8.sub(d2, d3);
  const eight = i16x8.sub(i16x8.shl(difference, 3), difference);
  v128.store(to + 3 * toStride, i16x8.add(i16x8.shl(i16x8.sub(d4, d1), 1), eight));
  // 1/2: 0 2 -1 -2 1 0
  v128.store(to + 4 * toStride, i16x8.sub(i16x8.shl(a, 1), b));
  // infinity: 0 -2 5 0 -5 2
  v128.store(to + 5 * toStride, i16x8.add(i16x8.shl(i16x8.sub(d5, d1), 1), times5(b)));
}

/** Bytes of one position of a quad. */
// @ts-ignore: decorator
@inline
function quadBytes<T>(channels: i32): i32 {
  return channels * 4 * sizeof<T>();
}

/** Task: the transform of one quad of patches, all channels. */
export function transformPatches<T>(step: Step, quad: i32, scratch: usize): void {
  store<usize>(scratch, 0); // no filter any more
  const bytes = quadBytes<T>(step.channels);
  const position = ((step.patches + 3) >> 2) * bytes + GAP;
  const to = step.transformed + quad * bytes;
  transformQuad<T>(step, step.offsets + quad * 16, to, position, scratch + 16);
}

/** One quad, `position` bytes between positions. */
function transformQuad<T>(
  step: Step,
  offsets: usize,
  to: usize,
  position: usize,
  interleaved: usize,
): void {
  const pixel = step.channels * (isFloat<T>() ? 4 : 1), row = step.xColumns * pixel;
  const half = interleaved + POSITIONS * 64;
  for (let c = 0; c < pixel; c += isFloat<T>() ? 16 : 8) {
    const x0 = step.x + load<i32>(offsets) + c, x1 = step.x + load<i32>(offsets, 4) + c;
    const x2 = step.x + load<i32>(offsets, 8) + c, x3 = step.x + load<i32>(offsets, 12) + c;
    let from = interleaved;
    for (let y = 0; y < 6; y++) {
      for (let x = 0; x < 6; x++, from += 64) {
        const at = y * row + x * pixel;
        interleave<T>(x0 + at, x1 + at, x2 + at, x3 + at, from);
      }
    }
    from = interleaved;
    for (let i = 0; i < 64; i += 16, to += 16) {
      for (let x = 0; x < 6; x++) transformInput6<T>(from + i + x * 64, 384, half + x * 16, 96);
      for (let y = 0; y < 6; y++) {
        transformInput6<T>(half + y * 96, 16, to + y * 6 * position, position);
      }
    }
  }
}

/** Eight bytes of each of four patches to four registers of 16-bit lanes, `[4 patches][2]`. */
// @ts-ignore: decorator
@inline
function interleave<T>(x0: usize, x1: usize, x2: usize, x3: usize, to: usize): void {
  if (isFloat<T>()) return interleaveFloat(x0, x1, x2, x3, to);
  const a = v128.shuffle<i16>(v128.load64_zero(x0), v128.load64_zero(x1), 0, 8, 1, 9, 2, 10, 3, 11);
  const b = v128.shuffle<i16>(v128.load64_zero(x2), v128.load64_zero(x3), 0, 8, 1, 9, 2, 10, 3, 11);
  const low = v128.shuffle<i32>(a, b, 0, 4, 1, 5), high = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  v128.store(to, i16x8.extend_low_i8x16_u(low));
  v128.store(to, i16x8.extend_high_i8x16_u(low), 16);
  v128.store(to, i16x8.extend_low_i8x16_u(high), 32);
  v128.store(to, i16x8.extend_high_i8x16_u(high), 48);
}

/** Task: eight output channels of `chunk` patches that are transformed already. */
export function multiplyPatches<T>(step: Step, task: i32, scratch: usize): void {
  const chunks = (step.patches + step.chunk - 1) / step.chunk;
  const block = task / chunks, first = (task % chunks) * step.chunk;
  const quads = (min(step.chunk, step.patches - first) + 3) >> 2;
  const half = scratch + 16, filters = half + POSITIONS * 16;
  const sums = filters + POSITIONS * filterPosition<T>(step.channels);
  const weights = step.weights + (block >> 1) * step.channels * 144 + (block & 1) * 32;
  // Threads mostly take neighbouring tasks: the transformed filter is often still there.
  if (load<usize>(scratch) != weights) {
    transformFilter<T>(weights, step.channels, filters);
    store<usize>(scratch, weights);
  }
  const bytes = quadBytes<T>(step.channels);
  const position = ((step.patches + 3) >> 2) * bytes + GAP;
  const x = step.transformed + (first >> 2) * bytes;
  multiplyBlocks<T>(step.channels, x, position, quads, filters, 1, sums);
  if (isFloat<T>()) storePatchesFloat(step, block, first, quads, sums, half);
  else storePatches(step, block, first, quads, sums, quads * 128 + GAP, half);
}

/**
 * Task: all output channels of `chunk` patches, from their transform on, which stays in the cache
 * of the thread. The transformed filters are there: `transformedWeights`.
 */
export function convolvePatches(step: Step, task: i32, scratch: usize): void {
  store<usize>(scratch, 0); // no filter any more
  const first = task * step.chunk;
  const quads = (min(step.chunk, step.patches - first) + 3) >> 2;
  const temporary = scratch + 16, x = temporary + POSITIONS * 80;
  const bytes = quadBytes<i16>(step.channels), position = quads * bytes + GAP;
  for (let q = 0; q < quads; q++) {
    transformQuad<i16>(step, step.offsets + first * 4 + q * 16, x + q * bytes, position, temporary);
  }
  const sums = x + POSITIONS * position;
  const blockBytes = POSITIONS * filterPosition<i16>(step.channels);
  const blocks = changetype<Layer>(step.layer).outChannels >> 3;
  for (let block = 0; block < blocks; block += step.blocks) {
    const count = min(step.blocks, blocks - block);
    const filters = step.transformedWeights + block * blockBytes;
    multiplyBlocks<i16>(step.channels, x, position, quads, filters, count, sums);
    for (let b = 0; b < count; b++) {
      const at = sums + b * quads * 128;
      storePatches(step, block + b, first, quads, at, count * quads * 128 + GAP, temporary);
    }
  }
}

/** Sums `[36][blocks][quads][4][8]` of `blocks` blocks of eight output channels. */
function multiplyBlocks<T>(
  channels: i32,
  x: usize,
  position: usize,
  quads: i32,
  filters: usize,
  blocks: i32,
  to: usize,
): void {
  const words = isFloat<T>() ? channels : channels >> 1, panel = filterPosition<T>(channels);
  for (let p = 0; p < POSITIONS; p++, x += position, to += GAP) {
    for (let b = 0; b < blocks; b++) {
      const w = filters + (b * POSITIONS + p) * panel;
      for (let q = 0; q < quads; q++, to += 128) {
        multiplyQuad<T>(x + q * words * 16, w, words, to);
      }
    }
  }
}

/** Transforms all filters of a layer of `channels` to `[blocks][36][channels / 2][8][2]` int16. */
export function transformFilters(weights: usize, channels: i32, blocks: i32, to: usize): void {
  for (let block = 0; block < blocks; block++, to += POSITIONS * filterPosition<i16>(channels)) {
    transformFilter<i16>(weights + (block >> 1) * channels * 144 + (block & 1) * 32, channels, to);
  }
}

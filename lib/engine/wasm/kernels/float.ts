// The same network with float activations: what `precision: "float"` runs.
//
// Weights stay int8; a task makes floats of the eight filters that it multiplies with.

import { Layer, Step, TILE } from "../structs";
import { dot, multiplyTile, storeTwo } from "./multiply";

/** Up to so many pixels, as in the dense layers, floats are made of the filters on the way. */
const FEW = 2;

/** Task: `chunk` pixels of 8 channels; as direct.ts, but for the numbers. */
export function convolveFloat(step: Step, task: i32, at: usize): void {
  const chunks = (step.pixels + step.chunk - 1) / step.chunk;
  const block = task / chunks;
  const first = (task % chunks) * step.chunk;
  const count = min(step.chunk, step.pixels - first);
  const filters = at + 16;
  const sums = filters + step.filterRows * step.run * 128;
  const weights = step.weights + (block >> 1) * step.filterRows * step.run * 64 + (block & 1) * 32;
  const offsets = step.offsets + first * 4;
  if (step.pixels <= FEW) {
    store<usize>(at, 0); // the sums may lie where the filter was
    for (let p = 0; p < count; p++) pixel(step, offsets + p * 4, weights, sums + p * 32);
  } else {
    if (load<usize>(at) != weights) {
      unpackFilters(weights, step.filterRows * step.run, filters);
      store<usize>(at, weights);
    }
    for (let p = 0; p < count; p += TILE) {
      multiplyTile<f32>(step, offsets + p * 4, filters, sums + p * 32);
    }
  }
  storeFloats(step, first, count, block, sums);
}

/** Eight filters `[words][16][4]` int8 to `[words * 4][8]` float32. */
function unpackFilters(from: usize, words: i32, to: usize): void {
  for (; words > 0; words--, from += 64, to += 128) {
    unpackFour(v128.load(from), to);
    unpackFour(v128.load(from, 16), to + 16);
  }
}

/** `[4 filters][4 channels]` to `[4 channels][4 filters]`, 32 bytes apart. */
// @ts-ignore: decorator
@inline
function unpackFour(bytes: v128, to: usize): void {
  const turned = turn(bytes);
  v128.store(to, channel0(turned));
  v128.store(to, channel1(turned), 32);
  v128.store(to, channel2(turned), 64);
  v128.store(to, channel3(turned), 96);
}

/** `[4 filters][4 channels]` bytes to `[4 channels][4 filters]`. */
// @ts-ignore: decorator
@inline
function turn(x: v128): v128 {
  return v128.shuffle<i8>(x, x, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
}

// One channel of four turned filters as floats.

// @ts-ignore: decorator
@inline
function channel0(turned: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(turned)));
}

// @ts-ignore: decorator
@inline
function channel1(turned: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(i16x8.extend_low_i8x16_s(turned)));
}

// @ts-ignore: decorator
@inline
function channel2(turned: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_high_i8x16_s(turned)));
}

// @ts-ignore: decorator
@inline
function channel3(turned: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(i16x8.extend_high_i8x16_s(turned)));
}

/** One pixel of eight channels, with weights as they are packed: the bits of `multiplyTile`. */
function pixel(step: Step, offsets: usize, weights: usize, out: usize): void {
  let x = step.x + load<i32>(offsets);
  let a = f32x4.splat(0), b = a;
  const length = step.run * 16, skip = step.xColumns * step.channels * 4 - length;
  let w = weights;
  for (let row = step.filterRows; row > 0; row--) {
    for (let end = x + length; x < end; x += 16, w += 64) {
      const values = v128.load(x);
      const x0 = v128.shuffle<i32>(values, values, 0, 0, 0, 0);
      const x1 = v128.shuffle<i32>(values, values, 1, 1, 1, 1);
      const x2 = v128.shuffle<i32>(values, values, 2, 2, 2, 2);
      const x3 = v128.shuffle<i32>(values, values, 3, 3, 3, 3);
      const wa = turn(v128.load(w)), wb = turn(v128.load(w, 16));
      a = dot<f32>(channel0(wa), x0, a);
      b = dot<f32>(channel0(wb), x0, b);
      a = dot<f32>(channel1(wa), x1, a);
      b = dot<f32>(channel1(wb), x1, b);
      a = dot<f32>(channel2(wa), x2, a);
      b = dot<f32>(channel2(wb), x2, b);
      a = dot<f32>(channel3(wa), x3, a);
      b = dot<f32>(channel3(wb), x3, b);
    }
    x += skip;
  }
  storeTwo(out, a, b);
}

/** Scale, bias and pool for `count` sums `[count, 8]` of a block of 8 channels. */
function storeFloats(step: Step, first: i32, count: i32, block: i32, sums: usize): void {
  const layer = changetype<Layer>(step.layer);
  const unit = step.pool ? 4 : 1;
  let to = step.v + (first / unit * layer.outChannels + block * 8) * 4;
  for (let end = sums + count * 32; sums < end; sums += 32 * unit, to += layer.outChannels * 4) {
    for (let i = 0; i < 32; i += 16) {
      let sum = v128.load(sums + i);
      if (unit == 4) {
        sum = f32x4.max(sum, v128.load(sums + i, 32));
        sum = f32x4.max(sum, v128.load(sums + i, 64));
        sum = f32x4.max(sum, v128.load(sums + i, 96));
      }
      const scale = v128.load(layer.multiplier + block * 32 + i);
      v128.store(to + i, f32x4.add(f32x4.mul(sum, scale), v128.load(layer.bias + block * 32 + i)));
    }
  }
}

/** Task: one row of the next layer's input, with its border: the ReLU. */
export function rectifyFloat(step: Step, task: i32): void {
  const n = task / step.xRows, y = task % step.xRows - step.border;
  const bytes = step.xColumns * step.channels * 4;
  let to = step.x + task * bytes;
  memory.fill(to, 0, bytes);
  if (y < 0 || y >= step.vRows) return;
  to += step.border * step.channels * 4;
  const inside = step.vColumns * step.channels * 4;
  let from = step.v + (n * step.vRows + y) * inside;
  for (let end = to + inside; to < end; to += 16, from += 16) {
    v128.store(to, f32x4.max(v128.load(from), f32x4.splat(0)));
  }
}

/**
 * Task: one row of the first layer's input: as `tabulate` in values.ts, with a table of floats,
 * and with `channels` padded to 4; `vColumns` says how many there are.
 */
export function tabulateFloat(step: Step, task: i32): void {
  const n = task / step.xRows, y = task % step.xRows - step.border;
  const pixel = step.channels * 4, bytes = step.xColumns * pixel;
  let to = step.x + task * bytes;
  memory.fill(to, 0, bytes);
  if (y < 0 || y >= step.rows) return;
  to += step.border * pixel;
  const channels = step.vColumns;
  let from = step.v + (n * step.rows + y) * step.columns * channels;
  for (let end = from + step.columns * channels; from < end; from += channels, to += pixel) {
    for (let c = 0; c < channels; c++) {
      store<f32>(to + c * 4, load<f32>(step.weights + (c * 256 + load<u8>(from + c)) * 4));
    }
  }
}

// Convolution as an implicit matrix product: nothing is copied, tiles walk the padded input.
//
// Weights are [outChannels / 16, kernelRows, run, 16 channels, 4 bytes]. A word is four activations
// of 7 bits, or two of 16 bits in the first layer, and the same for all channels.

import { Step } from "./structs";
import { storeValues } from "./values";

/** Task: `chunk` pixels of 16 channels. */
export function directTask(step: Step, task: i32, at: usize): void {
  store<usize>(at, 0); // no transformed filter any more, see winograd.ts
  const scratch = at + 16;
  const chunks = (step.pixels + step.chunk - 1) / step.chunk;
  const block = task / chunks;
  const first = (task % chunks) * step.chunk;
  const count = min(step.chunk, step.pixels - first);
  const weights = step.weights + block * step.kernelRows * step.run * 64;
  const offsets = step.offsets + first * 4;
  let p = 0;
  for (; count - p > 2; p += 6) {
    const window = offsets + p * 4, out = scratch + p * 64;
    if (step.channels < 16) {
      tile<i16>(step, window, weights, out);
      tile<i16>(step, window, weights + 32, out + 32);
    } else {
      tile<i8>(step, window, weights, out);
      tile<i8>(step, window, weights + 32, out + 32);
    }
  }
  for (; p < count; p++) {
    const window = offsets + p * 4, out = scratch + p * 64;
    if (step.channels < 16) pixel<i16>(step, window, weights, out);
    else pixel<i8>(step, window, weights, out);
  }
  storeValues(step, first, count, block, scratch);
}

/** Adds the products of one word of activations with those of four channels. */
// @ts-ignore: decorator
@inline
function dot<T>(w: v128, x: v128, sum: v128): v128 {
  if (sizeof<T>() == 2) return i32x4.add(sum, i32x4.dot_i16x8_s(w, x));
  if (ASC_FEATURE_RELAXED_SIMD) return i32x4.relaxed_dot_i8x16_i7x16_add_s(w, x, sum);
  const low = i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(w), i16x8.extend_low_i8x16_s(x));
  const high = i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(w), i16x8.extend_high_i8x16_s(x));
  const even = v128.shuffle<i32>(low, high, 0, 2, 4, 6);
  const odd = v128.shuffle<i32>(low, high, 1, 3, 5, 7);
  return i32x4.add(sum, i32x4.add(even, odd));
}

/** Six pixels of eight channels. Sums go to `out`, `[6, 16]`. */
function tile<T>(step: Step, offsets: usize, weights: usize, out: usize): void {
  let x0 = step.x + load<i32>(offsets), x1 = step.x + load<i32>(offsets, 4);
  let x2 = step.x + load<i32>(offsets, 8), x3 = step.x + load<i32>(offsets, 12);
  let x4 = step.x + load<i32>(offsets, 16), x5 = step.x + load<i32>(offsets, 20);
  let a0 = i32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0;
  let b0 = a0, b1 = a0, b2 = a0, b3 = a0, b4 = a0, b5 = a0;
  const skip = step.xColumns * step.channels * sizeof<T>() - step.run * 4;
  let w = weights;
  for (let row = step.kernelRows; row > 0; row--) {
    for (let end = x0 + step.run * 4; x0 < end;) {
      const wa = v128.load(w), wb = v128.load(w, 16);
      let x = v128.load32_splat(x0);
      a0 = dot<T>(wa, x, a0);
      b0 = dot<T>(wb, x, b0);
      x = v128.load32_splat(x1);
      a1 = dot<T>(wa, x, a1);
      b1 = dot<T>(wb, x, b1);
      x = v128.load32_splat(x2);
      a2 = dot<T>(wa, x, a2);
      b2 = dot<T>(wb, x, b2);
      x = v128.load32_splat(x3);
      a3 = dot<T>(wa, x, a3);
      b3 = dot<T>(wb, x, b3);
      x = v128.load32_splat(x4);
      a4 = dot<T>(wa, x, a4);
      b4 = dot<T>(wb, x, b4);
      x = v128.load32_splat(x5);
      a5 = dot<T>(wa, x, a5);
      b5 = dot<T>(wb, x, b5);
      w += 64;
      x0 += 4;
      x1 += 4;
      x2 += 4;
      x3 += 4;
      x4 += 4;
      x5 += 4;
    }
    x0 += skip;
    x1 += skip;
    x2 += skip;
    x3 += skip;
    x4 += skip;
    x5 += skip;
  }
  v128.store(out, a0);
  v128.store(out, b0, 16);
  v128.store(out, a1, 64);
  v128.store(out, b1, 80);
  v128.store(out, a2, 128);
  v128.store(out, b2, 144);
  v128.store(out, a3, 192);
  v128.store(out, b3, 208);
  v128.store(out, a4, 256);
  v128.store(out, b4, 272);
  v128.store(out, a5, 320);
  v128.store(out, b5, 336);
}

/** One pixel of sixteen channels: a dense layer of a single image. */
function pixel<T>(step: Step, offsets: usize, weights: usize, out: usize): void {
  let x = step.x + load<i32>(offsets);
  let a = i32x4.splat(0), b = a, c = a, d = a;
  const skip = step.xColumns * step.channels * sizeof<T>() - step.run * 4;
  let w = weights;
  for (let row = step.kernelRows; row > 0; row--) {
    for (let end = x + step.run * 4; x < end; x += 4, w += 64) {
      const word = v128.load32_splat(x);
      a = dot<T>(v128.load(w), word, a);
      b = dot<T>(v128.load(w, 16), word, b);
      c = dot<T>(v128.load(w, 32), word, c);
      d = dot<T>(v128.load(w, 48), word, d);
    }
    x += skip;
  }
  v128.store(out, a);
  v128.store(out, b, 16);
  v128.store(out, c, 32);
  v128.store(out, d, 48);
}

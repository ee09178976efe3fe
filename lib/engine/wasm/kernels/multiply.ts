// The products: of words of activations with those of eight output channels, held in registers.
//
// `T` is what activations are: i8, of which a word holds four, i16, two, or f32, one.

import { Step } from "../structs";

/** Adds products: of one word of activations, the same in four lanes, with four channels' words. */
// @ts-ignore: decorator
@inline
export function dot<T>(w: v128, x: v128, sum: v128): v128 {
  if (isFloat<T>()) {
    if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(w, x, sum);
    return f32x4.add(f32x4.mul(w, x), sum);
  }
  if (sizeof<T>() == 2) return i32x4.add(sum, i32x4.dot_i16x8_s(w, x));
  if (ASC_FEATURE_RELAXED_SIMD) return i32x4.relaxed_dot_i8x16_i7x16_add_s(w, x, sum);
  const low = i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(w), i16x8.extend_low_i8x16_s(x));
  const high = i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(w), i16x8.extend_high_i8x16_s(x));
  const even = v128.shuffle<i32>(low, high, 0, 2, 4, 6);
  const odd = v128.shuffle<i32>(low, high, 1, 3, 5, 7);
  return i32x4.add(sum, i32x4.add(even, odd));
}

/** Output channels of a block of packed weights; floats are unpacked eight at a time. */
// @ts-ignore: decorator
@inline
function width<T>(): i32 {
  return isFloat<T>() ? 8 : 16;
}

/** A tile: `TILE` pixels of eight channels, of a block of `width<T>()`, to sums `[TILE, width]`. */
export function multiplyTile<T>(step: Step, offsets: usize, weights: usize, out: usize): void {
  let x0 = step.x + load<i32>(offsets), x1 = step.x + load<i32>(offsets, 4);
  let x2 = step.x + load<i32>(offsets, 8), x3 = step.x + load<i32>(offsets, 12);
  let x4 = step.x + load<i32>(offsets, 16), x5 = step.x + load<i32>(offsets, 20);
  const length = step.run * 4 * (isFloat<T>() ? 4 : 1);
  const skip = step.xColumns * step.channels * sizeof<T>() - length;
  let a0 = i32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0;
  let b0 = a0, b1 = a0, b2 = a0, b3 = a0, b4 = a0, b5 = a0;
  let w = weights;
  for (let row = step.filterRows; row > 0; row--) {
    for (let end = x0 + length; x0 < end;) {
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
      w += width<T>() * 4;
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
  storeTwo(out, a0, b0);
  storeTwo(out + width<T>() * 4, a1, b1);
  storeTwo(out + width<T>() * 8, a2, b2);
  storeTwo(out + width<T>() * 12, a3, b3);
  storeTwo(out + width<T>() * 16, a4, b4);
  storeTwo(out + width<T>() * 20, a5, b5);
}

/**
 * Winograd: four patches and eight channels at one position, `[words][4]` by `[words][8]`, to
 * `[4][8]`. Words are two 16-bit channels, or one float.
 */
export function multiplyQuad<T>(x: usize, w: usize, words: i32, to: usize): void {
  let a0 = i32x4.splat(0), a1 = a0, a2 = a0, a3 = a0;
  let b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  for (let end = x + words * 16; x < end; x += 16, w += 32) {
    const patches = v128.load(x);
    const wa = v128.load(w), wb = v128.load(w, 16);
    let s = v128.shuffle<i32>(patches, patches, 0, 0, 0, 0);
    a0 = dot<T>(wa, s, a0);
    b0 = dot<T>(wb, s, b0);
    s = v128.shuffle<i32>(patches, patches, 1, 1, 1, 1);
    a1 = dot<T>(wa, s, a1);
    b1 = dot<T>(wb, s, b1);
    s = v128.shuffle<i32>(patches, patches, 2, 2, 2, 2);
    a2 = dot<T>(wa, s, a2);
    b2 = dot<T>(wb, s, b2);
    s = v128.shuffle<i32>(patches, patches, 3, 3, 3, 3);
    a3 = dot<T>(wa, s, a3);
    b3 = dot<T>(wb, s, b3);
  }
  storeTwo(to, a0, b0);
  storeTwo(to + 32, a1, b1);
  storeTwo(to + 64, a2, b2);
  storeTwo(to + 96, a3, b3);
}

// @ts-ignore: decorator
@inline
export function storeTwo(to: usize, a: v128, b: v128): void {
  v128.store(to, a);
  v128.store(to, b, 16);
}

// The transform of 3x3 filters, G w G^T, for winograd.ts: in 16-bit integers, which is exact. It is
// stored as `T`: i16 in pairs of channels, as the dot product wants them, or f32.

import { GAP, POSITIONS } from "../structs";

/** Bytes of a position of eight filters: `[channels / 2][8][2]` i16, or `[channels][8]` f32. */
// @ts-ignore: decorator
@inline
export function filterPosition<T>(channels: i32): i32 {
  return channels * 8 * sizeof<T>() + GAP;
}

/** Eight filters, packed `[9][channels / 4][16][4]` int8, to 36 positions. */
export function transformFilter<T>(weights: usize, channels: i32, to: usize): void {
  const tap = channels * 16, position = filterPosition<T>(channels);
  for (let c = 0; c < channels; c += 4, weights += 64, to += 32 * sizeof<T>()) {
    for (let four = 0; four < 32; four += 16) {
      twoChannels<i8, T>(weights + four, tap, to + four, position);
      twoChannels<u8, T>(weights + four, tap, to + four + 16 * sizeof<T>(), position);
    }
  }
}

/** Two channels of four filters: of the four, the first two for `i8`. */
// @ts-ignore: decorator
@inline
function twoChannels<S, T>(from: usize, next: usize, to: usize, position: usize): void {
  const w00 = tap<S, T>(from), w01 = tap<S, T>(from + next), w02 = tap<S, T>(from + 2 * next);
  from += 3 * next;
  const w10 = tap<S, T>(from), w11 = tap<S, T>(from + next), w12 = tap<S, T>(from + 2 * next);
  from += 3 * next;
  const w20 = tap<S, T>(from), w21 = tap<S, T>(from + next), w22 = tap<S, T>(from + 2 * next);
  const row = 6 * position;
  storeRow<T>(w00, w01, w02, to, position);
  storeRow<T>(atTwo(w00, w10, w20), atTwo(w01, w11, w21), atTwo(w02, w12, w22), to + row, position);
  to += 2 * row;
  storeRow<T>(atOne(w00, w10, w20), atOne(w01, w11, w21), atOne(w02, w12, w22), to, position);
  to += row;
  storeRow<T>(
    atMinus1(w00, w10, w20),
    atMinus1(w01, w11, w21),
    atMinus1(w02, w12, w22),
    to,
    position,
  );
  to += row;
  storeRow<T>(atTwo(w20, w10, w00), atTwo(w21, w11, w01), atTwo(w22, w12, w02), to, position);
  storeRow<T>(w20, w21, w22, to + row, position);
}

/** Two channels of `[4 filters][4 channels]`: `[4][2]` for i16, `[2][4]` for f32; 16-bit lanes. */
// @ts-ignore: decorator
@inline
function tap<S, T>(at: usize): v128 {
  const x = v128.load(at);
  const turned = isFloat<T>()
    ? v128.shuffle<i8>(x, x, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)
    : v128.shuffle<i16>(x, x, 0, 2, 4, 6, 1, 3, 5, 7);
  return isSigned<S>() ? i16x8.extend_low_i8x16_s(turned) : i16x8.extend_high_i8x16_s(turned);
}

// The rows of G that are not a mere copy: 1 2 4, 1 1 1, 1 -1 1 and 4 2 1.

// @ts-ignore: decorator
@inline
function atTwo(w0: v128, w1: v128, w2: v128): v128 {
  return i16x8.add(i16x8.add(w0, i16x8.shl(w1, 1)), i16x8.shl(w2, 2));
}

// @ts-ignore: decorator
@inline
function atOne(w0: v128, w1: v128, w2: v128): v128 {
  return i16x8.add(i16x8.add(w0, w2), w1);
}

// @ts-ignore: decorator
@inline
function atMinus1(w0: v128, w1: v128, w2: v128): v128 {
  return i16x8.sub(i16x8.add(w0, w2), w1);
}

/** One row of six results. */
// @ts-ignore: decorator
@inline
function storeRow<T>(w0: v128, w1: v128, w2: v128, to: usize, stride: usize): void {
  storeTwo<T>(w0, to);
  storeTwo<T>(atTwo(w0, w1, w2), to + stride);
  storeTwo<T>(atOne(w0, w1, w2), to + 2 * stride);
  storeTwo<T>(atMinus1(w0, w1, w2), to + 3 * stride);
  storeTwo<T>(atTwo(w2, w1, w0), to + 4 * stride);
  storeTwo<T>(w2, to + 5 * stride);
}

/** Two channels of four filters; as floats they lie 32 bytes apart. */
// @ts-ignore: decorator
@inline
function storeTwo<T>(x: v128, to: usize): void {
  if (isFloat<T>()) {
    v128.store(to, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(x)));
    v128.store(to, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(x)), 32);
  } else {
    v128.store(to, x);
  }
}

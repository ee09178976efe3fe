// From Winograd's products to values, A^T M A, for winograd.ts: exact modulo 2^32.

import { Image, Layer, Step } from "../structs";
import { raise, value } from "./values";

/** 6 to 4 by A^T, times 18; 32-bit lanes, modulo 2^32. */
// @ts-ignore: decorator
@inline
function transformOutput6(from: usize, fromStride: usize, to: usize, toStride: usize): void {
  const m0 = v128.load(from), m1 = v128.load(from + fromStride);
  const m2 = v128.load(from + 2 * fromStride), m3 = v128.load(from + 3 * fromStride);
  const m4 = v128.load(from + 4 * fromStride), m5 = v128.load(from + 5 * fromStride);
  const nine2 = times9(m2);
  const even = i32x4.sub(m3, nine2), odd = i32x4.add(m3, nine2);
  // -9 1 -9 1 8 0
  const y0 = i32x4.add(i32x4.add(even, m1), i32x4.shl(m4, 3));
  v128.store(to, i32x4.sub(y0, times9(m0)));
  // 0 2 -9 -1 4 0
  const y1 = i32x4.shl(i32x4.add(m1, i32x4.shl(m4, 1)), 1);
  v128.store(to + toStride, i32x4.sub(y1, odd));
  // 0 4 -9 1 2 0
  const y2 = i32x4.shl(i32x4.add(i32x4.shl(m1, 1), m4), 1);
  v128.store(to + 2 * toStride, i32x4.add(y2, even));
  // 0 8 -9 -1 1 9
  const y3 = i32x4.add(i32x4.add(i32x4.shl(m1, 3), m4), times9(m5));
  v128.store(to + 3 * toStride, i32x4.sub(y3, odd));
}

// @ts-ignore: decorator
@inline
function times9(x: v128): v128 {
  return i32x4.add(i32x4.shl(x, 3), x);
}

/** 81 * INVERSE is 1 modulo 2^32. */
const INVERSE: i32 = 0x781948b1;

/** From `sums`, `[36][patches][8]`, `position` bytes between positions, to values: steps 5 to 8. */
export function storePatches(
  step: Step,
  block: i32,
  first: i32,
  quads: i32,
  sums: usize,
  position: usize,
  half: usize,
): void {
  const outChannels = changetype<Layer>(step.layer).outChannels;
  const patchesOfImage = step.patchRows * step.patchColumns;
  const count = min(quads * 4, step.patches - first);
  let largest = i32x4.splat(0);
  let current = -1;
  for (let i = 0; i < count; i++) {
    const patch = step.firstPatch + first + i;
    const n = patch / patchesOfImage;
    if (n != current) {
      if (current >= 0) raise(changetype<Image>(step.image + current * offsetof<Image>()), largest);
      largest = i32x4.splat(0);
      current = n;
    }
    const y = patch % patchesOfImage / step.patchColumns, x = patch % step.patchColumns;
    const m = step.scaled + (n * 2 * outChannels + block * 8) * 4;
    const b = m + outChannels * 4;
    const to = step.v + n * step.vRows * step.vColumns * outChannels * 4 + block * 32;
    for (let four = 0; four < 32; four += 16) {
      const from = sums + i * 32 + four;
      for (let x = 0; x < 6; x++) {
        transformOutput6(from + x * position, 6 * position, half + x * 16, 96);
      }
      for (let y = 0; y < 4; y++) transformOutput6(half + y * 96, 16, half + y * 96, 16);
      const mFour = v128.load(m + four), bFour = v128.load(b + four);
      largest = i32x4.max_s(
        largest,
        step.pool
          ? storePatch(step, half, mFour, bFour, to + four, y, x, outChannels, 2)
          : storePatch(step, half, mFour, bFour, to + four, y, x, outChannels, 4),
      );
    }
  }
  if (current >= 0) raise(changetype<Image>(step.image + current * offsetof<Image>()), largest);
}

/** Steps 5 to 7 for four channels of a patch, or of its pool; gives their maximum. */
// @ts-ignore: decorator
@inline
function storePatch(
  step: Step,
  half: usize,
  m: v128,
  b: v128,
  to: usize,
  y: i32,
  x: i32,
  outChannels: i32,
  size: i32, // 2 with a pool, otherwise 4
): v128 {
  let largest = i32x4.splat(0);
  const rows = min(size, step.vRows - y * size), columns = min(size, step.vColumns - x * size);
  for (let i = 0; i < rows; i++) {
    let at = to + ((y * size + i) * step.vColumns + x * size) * outChannels * 4;
    for (let j = 0; j < columns; j++, at += outChannels * 4) {
      const sum = size == 4 ? exact(half + i * 96 + j * 16) : largestOf(half + i * 192 + j * 32);
      const v = value(sum, m, b);
      largest = i32x4.max_s(largest, v);
      v128.store(at, v);
    }
  }
  return largest;
}

/** The largest of a pool's window. */
// @ts-ignore: decorator
@inline
function largestOf(from: usize): v128 {
  const top = i32x4.max_s(exact(from), exact(from + 16));
  return i32x4.max_s(top, i32x4.max_s(exact(from + 96), exact(from + 112)));
}

/** 4 * acc of 324 * acc. */
// @ts-ignore: decorator
@inline
function exact(from: usize): v128 {
  return i32x4.mul(v128.load(from), i32x4.splat(INVERSE));
}

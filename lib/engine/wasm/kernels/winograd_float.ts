// What winograd.ts does differently with float activations.

import { GAP, Layer, Step } from "../structs";

// @ts-ignore: decorator
@inline
function times(x: v128, factor: f32): v128 {
  return f32x4.mul(x, f32x4.splat(factor));
}

/** Six registers, `fromStride` apart, to their transform by B^T. */
// @ts-ignore: decorator
@inline
export function transformInputFloat6(from: usize, fromStride: usize, to: usize, toStride: usize): void {
  const d0 = v128.load(from), d1 = v128.load(from + fromStride);
  const d2 = v128.load(from + 2 * fromStride), d3 = v128.load(from + 3 * fromStride);
  const d4 = v128.load(from + 4 * fromStride), d5 = v128.load(from + 5 * fromStride);
  const a = f32x4.sub(d1, d3), b = f32x4.sub(d2, d4);
  v128.store(to, f32x4.add(times(f32x4.sub(d4, d0), 2), times(a, 5)));
  v128.store(to + toStride, f32x4.sub(a, times(b, 2)));
  const outer = times(f32x4.add(d1, d4), 2), inner = times(f32x4.add(d2, d3), 3);
  v128.store(to + 2 * toStride, f32x4.sub(outer, inner));
  const sides = times(f32x4.sub(d4, d1), 2), middle = times(f32x4.sub(d2, d3), 7);
  v128.store(to + 3 * toStride, f32x4.add(sides, middle));
  v128.store(to + 4 * toStride, f32x4.sub(times(a, 2), b));
  v128.store(to + 5 * toStride, f32x4.add(times(f32x4.sub(d5, d1), 2), times(b, 5)));
}

/** Four channels of each of four patches to `[4 channels][4 patches]`. */
// @ts-ignore: decorator
@inline
export function interleaveFloat(x0: usize, x1: usize, x2: usize, x3: usize, to: usize): void {
  const t0 = v128.load(x0), t1 = v128.load(x1), t2 = v128.load(x2), t3 = v128.load(x3);
  const a = v128.shuffle<i32>(t0, t1, 0, 4, 1, 5), b = v128.shuffle<i32>(t2, t3, 0, 4, 1, 5);
  const c = v128.shuffle<i32>(t0, t1, 2, 6, 3, 7), d = v128.shuffle<i32>(t2, t3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i64>(a, b, 0, 2));
  v128.store(to, v128.shuffle<i64>(a, b, 1, 3), 16);
  v128.store(to, v128.shuffle<i64>(c, d, 0, 2), 32);
  v128.store(to, v128.shuffle<i64>(c, d, 1, 3), 48);
}

/** 6 to 4 by A^T, times 18. */
// @ts-ignore: decorator
@inline
function transformOutput6(from: usize, fromStride: usize, to: usize, toStride: usize): void {
  const m0 = v128.load(from), m1 = v128.load(from + fromStride);
  const m2 = times(v128.load(from + 2 * fromStride), 9), m3 = v128.load(from + 3 * fromStride);
  const m4 = v128.load(from + 4 * fromStride), m5 = v128.load(from + 5 * fromStride);
  const even = f32x4.sub(m3, m2), odd = f32x4.add(m3, m2);
  const y0 = f32x4.add(f32x4.add(even, m1), times(m4, 8));
  v128.store(to, f32x4.sub(y0, times(m0, 9)));
  v128.store(to + toStride, f32x4.sub(f32x4.add(times(m1, 2), times(m4, 4)), odd));
  v128.store(to + 2 * toStride, f32x4.add(f32x4.add(times(m1, 4), times(m4, 2)), even));
  const y3 = f32x4.add(f32x4.add(times(m1, 8), m4), times(m5, 9));
  v128.store(to + 3 * toStride, f32x4.sub(y3, odd));
}

/** From `sums`, `[36][patches][8]`, to values: scale, bias and pool. */
export function storePatchesFloat(
  step: Step,
  block: i32,
  first: i32,
  quads: i32,
  sums: usize,
  half: usize,
): void {
  const layer = changetype<Layer>(step.layer);
  const outChannels = layer.outChannels;
  const patchesOfImage = step.patchRows * step.patchColumns;
  const position = quads * 128 + GAP;
  const count = min(quads * 4, step.patches - first);
  const size = step.pool ? 2 : 4;
  for (let i = 0; i < count; i++) {
    const patch = step.firstPatch + first + i;
    const n = patch / patchesOfImage;
    const y = patch % patchesOfImage / step.patchColumns * size;
    const x = patch % step.patchColumns * size;
    const rows = min(size, step.vRows - y), columns = min(size, step.vColumns - x);
    const pixel = (n * step.vRows + y) * step.vColumns + x;
    const to = step.v + (pixel * outChannels + block * 8) * 4;
    for (let four = 0; four < 32; four += 16) {
      const from = sums + i * 32 + four;
      for (let j = 0; j < 6; j++) {
        transformOutput6(from + j * position, 6 * position, half + j * 16, 96);
      }
      for (let j = 0; j < 4; j++) transformOutput6(half + j * 96, 16, half + j * 96, 16);
      const scale = times(v128.load(layer.multiplier + block * 32 + four), f32(1) / 324);
      const bias = v128.load(layer.bias + block * 32 + four);
      for (let r = 0; r < rows; r++) {
        let at = to + four + r * step.vColumns * outChannels * 4;
        for (let c = 0; c < columns; c++, at += outChannels * 4) {
          const sum = step.pool
            ? largestOf(half + r * 192 + c * 32)
            : v128.load(half + r * 96 + c * 16);
          v128.store(at, f32x4.add(f32x4.mul(sum, scale), bias));
        }
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function largestOf(from: usize): v128 {
  const top = f32x4.max(v128.load(from), v128.load(from, 16));
  return f32x4.max(top, f32x4.max(v128.load(from, 96), v128.load(from, 112)));
}

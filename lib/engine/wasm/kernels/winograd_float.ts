// Winograd's algorithm, see winograd.ts, with float activations.
//
// A quad is [channels][4 patches] float32 here.

import { GAP, Layer, POSITIONS, Step } from "../structs";
import { multiplyQuad } from "./multiply";
import { filterPosition, transformFilter } from "./winograd_filter";

// @ts-ignore: decorator
@inline
function times(x: v128, factor: f32): v128 {
  return f32x4.mul(x, f32x4.splat(factor));
}

/** Six registers, `fromStride` apart, to their transform by B^T. */
// @ts-ignore: decorator
@inline
function transformInput6(from: usize, fromStride: usize, to: usize, toStride: usize): void {
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

/** Task: one quad of patches, all channels. */
export function transformPatchesFloat(step: Step, quad: i32, scratch: usize): void {
  store<usize>(scratch, 0); // no filter any more
  const channels = step.channels, pixel = channels * 4;
  const row = step.xColumns * pixel;
  const offsets = step.offsets + quad * 16;
  const interleaved = scratch + 16, half = interleaved + POSITIONS * 64;
  const quads = (step.patches + 3) >> 2;
  const position = quads * channels * 16 + GAP;
  for (let c = 0; c < pixel; c += 16) {
    const x0 = step.x + load<i32>(offsets) + c, x1 = step.x + load<i32>(offsets, 4) + c;
    const x2 = step.x + load<i32>(offsets, 8) + c, x3 = step.x + load<i32>(offsets, 12) + c;
    let to = interleaved;
    for (let y = 0; y < 6; y++) {
      for (let x = 0; x < 6; x++, to += 64) {
        const at = y * row + x * pixel;
        interleave(x0 + at, x1 + at, x2 + at, x3 + at, to);
      }
    }
    to = step.transformed + quad * channels * 16 + c * 4;
    for (let channel = 0; channel < 64; channel += 16, to += 16) {
      const from = interleaved + channel;
      for (let x = 0; x < 6; x++) transformInput6(from + x * 64, 384, half + x * 16, 96);
      for (let y = 0; y < 6; y++) {
        transformInput6(half + y * 96, 16, to + y * 6 * position, position);
      }
    }
  }
}

/** Four channels of each of four patches to `[4 channels][4 patches]`. */
// @ts-ignore: decorator
@inline
function interleave(x0: usize, x1: usize, x2: usize, x3: usize, to: usize): void {
  const t0 = v128.load(x0), t1 = v128.load(x1), t2 = v128.load(x2), t3 = v128.load(x3);
  const a = v128.shuffle<i32>(t0, t1, 0, 4, 1, 5), b = v128.shuffle<i32>(t2, t3, 0, 4, 1, 5);
  const c = v128.shuffle<i32>(t0, t1, 2, 6, 3, 7), d = v128.shuffle<i32>(t2, t3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i64>(a, b, 0, 2));
  v128.store(to, v128.shuffle<i64>(a, b, 1, 3), 16);
  v128.store(to, v128.shuffle<i64>(c, d, 0, 2), 32);
  v128.store(to, v128.shuffle<i64>(c, d, 1, 3), 48);
}

/** Task: eight output channels of `chunk` patches. */
export function multiplyPatchesFloat(step: Step, task: i32, scratch: usize): void {
  const chunks = (step.patches + step.chunk - 1) / step.chunk;
  const block = task / chunks, first = (task % chunks) * step.chunk;
  const quads = (min(step.chunk, step.patches - first) + 3) >> 2;
  const half = scratch + 16;
  const filters = half + POSITIONS * 16;
  const sums = filters + POSITIONS * filterPosition<f32>(step.channels);
  const weights = step.weights + (block >> 1) * step.channels * 144 + (block & 1) * 32;
  if (load<usize>(scratch) != weights) {
    transformFilter<f32>(weights, step.channels, filters);
    store<usize>(scratch, weights);
  }
  const quadBytes = step.channels * 16;
  const position = ((step.patches + 3) >> 2) * quadBytes + GAP;
  let to = sums;
  for (let p = 0; p < POSITIONS; p++, to += GAP) {
    let x = step.transformed + p * position + (first >> 2) * quadBytes;
    const w = filters + p * filterPosition<f32>(step.channels);
    for (let q = 0; q < quads; q++, to += 128, x += quadBytes) {
      multiplyQuad<f32>(x, w, step.channels, to);
    }
  }
  storePatches(step, block, first, quads, sums, half);
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
function storePatches(
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

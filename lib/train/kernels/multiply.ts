import { Multiply } from "../calls";
import { store2, take } from "./common";

/** Rows that a thread takes at a time. */
const BLOCK: i32 = 16;

/**
 * Each sum is made by one thread, from the first of `inner` on. Four rows by four outputs at a time: behind
 * the last row it comes again.
 */
export function multiply(counter: usize, call: Multiply): void {
  const rows = call.rows, inner = call.inner, outputs = call.outputs;
  const row = <usize> inner << 2, outs = <usize> outputs << 3;
  for (let first = take(counter) * BLOCK; first < rows; first = take(counter) * BLOCK) {
    const end = min(first + BLOCK, rows);
    for (let i = first; i < end; i += 4) {
      const i1 = min(i + 1, end - 1), i2 = min(i + 2, end - 1), i3 = min(i + 3, end - 1);
      const x0 = call.x + <usize> i * row, x1 = call.x + <usize> i1 * row;
      const x2 = call.x + <usize> i2 * row, x3 = call.x + <usize> i3 * row;
      const y0 = call.y + <usize> i * outs, y1 = call.y + <usize> i1 * outs;
      const y2 = call.y + <usize> i2 * outs, y3 = call.y + <usize> i3 * outs;
      let j: usize = 0;
      for (; j + 32 <= outs; j += 32) {
        let s00 = f64x2.splat(0), s01 = s00, s10 = s00, s11 = s00;
        let s20 = s00, s21 = s00, s30 = s00, s31 = s00;
        let w = call.w + j;
        for (let k: usize = 0; k < row; k += 4) {
          const b0 = v128.load(w), b1 = v128.load(w, 16);
          const a0 = splat(x0 + k), a1 = splat(x1 + k), a2 = splat(x2 + k), a3 = splat(x3 + k);
          s00 = f64x2.add(s00, f64x2.mul(a0, b0));
          s01 = f64x2.add(s01, f64x2.mul(a0, b1));
          s10 = f64x2.add(s10, f64x2.mul(a1, b0));
          s11 = f64x2.add(s11, f64x2.mul(a1, b1));
          s20 = f64x2.add(s20, f64x2.mul(a2, b0));
          s21 = f64x2.add(s21, f64x2.mul(a2, b1));
          s30 = f64x2.add(s30, f64x2.mul(a3, b0));
          s31 = f64x2.add(s31, f64x2.mul(a3, b1));
          w += outs;
        }
        store2(y0 + j, s00, s01);
        store2(y1 + j, s10, s11);
        store2(y2 + j, s20, s21);
        store2(y3 + j, s30, s31);
      }
      if (j < outs) {
        let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0;
        let w = call.w + j;
        for (let k: usize = 0; k < row; k += 4) {
          const b = v128.load(w);
          s0 = f64x2.add(s0, f64x2.mul(splat(x0 + k), b));
          s1 = f64x2.add(s1, f64x2.mul(splat(x1 + k), b));
          s2 = f64x2.add(s2, f64x2.mul(splat(x2 + k), b));
          s3 = f64x2.add(s3, f64x2.mul(splat(x3 + k), b));
          w += outs;
        }
        v128.store(y0 + j, s0);
        v128.store(y1 + j, s1);
        v128.store(y2 + j, s2);
        v128.store(y3 + j, s3);
      }
    }
  }
}

/** A float32 as two float64. */
// @ts-ignore: a decorator of AssemblyScript.
@inline
function splat(at: usize): v128 {
  return f64x2.splat(<f64> load<f32>(at));
}

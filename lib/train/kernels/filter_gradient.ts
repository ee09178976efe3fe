import { FilterGradient } from "../calls";
import { take } from "./common";

/** Threads take four rows of the filter, `[9 c, o]`, at a time. */
export function filterGradient(counter: usize, call: FilterGradient): void {
  const padded = call.padded, dy = call.dy, filter = call.filter;
  const count = call.count, height = call.height, width = call.width;
  const c = call.inputs, o = call.outputs;
  const pixel = <usize> c << 2, rowPadded = pixel * <usize> (width + 2);
  const imagePadded = rowPadded * <usize> (height + 2);
  const outs = <usize> o << 2, row = outs * <usize> width, image = row * <usize> height;
  const rows = 9 * c, last = rows - 1;
  for (let k = take(counter) << 2; k < rows; k = take(counter) << 2) {
    // Behind the last row it comes again.
    const k1 = min(k + 1, last), k2 = min(k + 2, last), k3 = min(k + 3, last);
    const o0 = offsetOf(k, c, rowPadded), o1 = offsetOf(k1, c, rowPadded);
    const o2 = offsetOf(k2, c, rowPadded), o3 = offsetOf(k3, c, rowPadded);
    const f0 = filter + <usize> k * outs, f1 = filter + <usize> k1 * outs;
    const f2 = filter + <usize> k2 * outs, f3 = filter + <usize> k3 * outs;
    for (let j: usize = 0; j < outs; j += 32) {
      // The other half of the last eight outputs may be missing: then the first half comes twice.
      const half: usize = j + 32 <= outs ? 16 : 0;
      let t00 = f32x4.splat(0), t01 = t00, t10 = t00, t11 = t00;
      let t20 = t00, t21 = t00, t30 = t00, t31 = t00;
      for (let n = 0; n < count; n++) {
        let s00 = f32x4.splat(0), s01 = s00, s10 = s00, s11 = s00;
        let s20 = s00, s21 = s00, s30 = s00, s31 = s00;
        let begin = dy + <usize> n * image + j, from = padded + <usize> n * imagePadded;
        for (let y = 0; y < height; y++) {
          let p = from;
          const end = begin + row;
          for (let at = begin; at < end; at += outs) {
            const b0 = v128.load(at), b1 = v128.load(at + half);
            const x0 = v128.load32_splat(p + o0), x1 = v128.load32_splat(p + o1);
            const x2 = v128.load32_splat(p + o2), x3 = v128.load32_splat(p + o3);
            s00 = f32x4.add(s00, f32x4.mul(x0, b0));
            s01 = f32x4.add(s01, f32x4.mul(x0, b1));
            s10 = f32x4.add(s10, f32x4.mul(x1, b0));
            s11 = f32x4.add(s11, f32x4.mul(x1, b1));
            s20 = f32x4.add(s20, f32x4.mul(x2, b0));
            s21 = f32x4.add(s21, f32x4.mul(x2, b1));
            s30 = f32x4.add(s30, f32x4.mul(x3, b0));
            s31 = f32x4.add(s31, f32x4.mul(x3, b1));
            p += pixel;
          }
          begin = end;
          from += rowPadded;
        }
        t00 = f32x4.add(t00, s00);
        t01 = f32x4.add(t01, s01);
        t10 = f32x4.add(t10, s10);
        t11 = f32x4.add(t11, s11);
        t20 = f32x4.add(t20, s20);
        t21 = f32x4.add(t21, s21);
        t30 = f32x4.add(t30, s30);
        t31 = f32x4.add(t31, s31);
      }
      v128.store(f0 + j, t00);
      v128.store(f0 + j + half, t01);
      v128.store(f1 + j, t10);
      v128.store(f1 + j + half, t11);
      v128.store(f2 + j, t20);
      v128.store(f2 + j + half, t21);
      v128.store(f3 + j, t30);
      v128.store(f3 + j + half, t31);
    }
  }
}

/** Where the input lies that row `k` of a filter multiplies, from the upper left neighbor on. */
function offsetOf(k: i32, c: i32, rowPadded: usize): usize {
  return <usize> (k / (3 * c)) * rowPadded + (<usize> (k % (3 * c)) << 2);
}

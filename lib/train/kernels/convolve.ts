import { Convolve } from "../calls";
import { store2, take } from "./common";

/** Threads take the images one by one. */
export function convolve(counter: usize, call: Convolve): void {
  const x = call.x, filter = call.filter, y = call.y, padded = call.padded, sums = call.sums;
  const count = call.count, height = call.height, width = call.width;
  const c = call.inputs, o = call.outputs;
  const imageX = <usize> (height * width * c) << 2, imageY = <usize> (height * width * o) << 2;
  const imagePadded = <usize> ((height + 2) * (width + 2) * c) << 2;
  for (let n = take(counter); n < count; n = take(counter)) {
    const from = padded + <usize> n * imagePadded, to = y + <usize> n * imageY;
    pad(x + <usize> n * imageX, from, height, width, c);
    convolveImage(from, filter, to, height, width, c, o);
    if (sums !== 0) moments(to, sums + ((<usize> (n * o)) << 3), height * width, o);
  }
}

function pad(x: usize, padded: usize, height: i32, width: i32, c: i32): void {
  const row = <usize> (width * c) << 2, pixel = <usize> c << 2, rowPadded = row + 2 * pixel;
  memory.fill(padded, 0, rowPadded);
  let to = padded + rowPadded;
  for (let y = 0; y < height; y++) {
    memory.fill(to, 0, pixel);
    memory.copy(to + pixel, x, row);
    memory.fill(to + pixel + row, 0, pixel);
    to += rowPadded;
    x += row;
  }
  memory.fill(to, 0, rowPadded);
}

/** Four positions by eight outputs at a time. The three neighbors in a row lie side by side. */
function convolveImage(
  padded: usize,
  filter: usize,
  y: usize,
  height: i32,
  width: i32,
  c: i32,
  o: i32,
): void {
  const pixels = height * width, pixel = <usize> c << 2, rowPadded = pixel * <usize> (width + 2);
  const outs = <usize> o << 2, three = 3 * pixel;
  for (let i = 0; i < pixels; i += 4) {
    // Behind the last position it comes again.
    const i1 = min(i + 1, pixels - 1), i2 = min(i + 2, pixels - 1), i3 = min(i + 3, pixels - 1);
    const p0 = padded + <usize> (i / width) * rowPadded + <usize> (i % width) * pixel;
    const p1 = padded + <usize> (i1 / width) * rowPadded + <usize> (i1 % width) * pixel;
    const p2 = padded + <usize> (i2 / width) * rowPadded + <usize> (i2 % width) * pixel;
    const p3 = padded + <usize> (i3 / width) * rowPadded + <usize> (i3 % width) * pixel;
    const y0 = y + <usize> i * outs, y1 = y + <usize> i1 * outs;
    const y2 = y + <usize> i2 * outs, y3 = y + <usize> i3 * outs;
    let j: usize = 0;
    for (; j + 32 <= outs; j += 32) {
      let s00 = f32x4.splat(0), s01 = s00, s10 = s00, s11 = s00;
      let s20 = s00, s21 = s00, s30 = s00, s31 = s00;
      let w = filter + j;
      for (let dy: usize = 0; dy < 3; dy++) {
        const begin = dy * rowPadded, end = begin + three;
        for (let k = begin; k < end; k += 4) {
          const b0 = v128.load(w), b1 = v128.load(w, 16);
          const x0 = v128.load32_splat(p0 + k), x1 = v128.load32_splat(p1 + k);
          const x2 = v128.load32_splat(p2 + k), x3 = v128.load32_splat(p3 + k);
          s00 = f32x4.add(s00, f32x4.mul(x0, b0));
          s01 = f32x4.add(s01, f32x4.mul(x0, b1));
          s10 = f32x4.add(s10, f32x4.mul(x1, b0));
          s11 = f32x4.add(s11, f32x4.mul(x1, b1));
          s20 = f32x4.add(s20, f32x4.mul(x2, b0));
          s21 = f32x4.add(s21, f32x4.mul(x2, b1));
          s30 = f32x4.add(s30, f32x4.mul(x3, b0));
          s31 = f32x4.add(s31, f32x4.mul(x3, b1));
          w += outs;
        }
      }
      store2(y0 + j, s00, s01);
      store2(y1 + j, s10, s11);
      store2(y2 + j, s20, s21);
      store2(y3 + j, s30, s31);
    }
    if (j < outs) {
      let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
      let w = filter + j;
      for (let dy: usize = 0; dy < 3; dy++) {
        const begin = dy * rowPadded, end = begin + three;
        for (let k = begin; k < end; k += 4) {
          const b = v128.load(w);
          s0 = f32x4.add(s0, f32x4.mul(v128.load32_splat(p0 + k), b));
          s1 = f32x4.add(s1, f32x4.mul(v128.load32_splat(p1 + k), b));
          s2 = f32x4.add(s2, f32x4.mul(v128.load32_splat(p2 + k), b));
          s3 = f32x4.add(s3, f32x4.mul(v128.load32_splat(p3 + k), b));
          w += outs;
        }
      }
      v128.store(y0 + j, s0);
      v128.store(y1 + j, s1);
      v128.store(y2 + j, s2);
      v128.store(y3 + j, s3);
    }
  }
}

/**
 * Sums over all positions of how far `y` is from its first position, and of the squares of that,
 * `[2, o]`: squares of large values of little variance would cancel each other in 24 bits.
 */
function moments(y: usize, sums: usize, pixels: i32, o: i32): void {
  const outs = <usize> o << 2, end = y + <usize> pixels * outs;
  for (let j: usize = 0; j < outs; j += 16) {
    const first = v128.load(y + j);
    let sum = f32x4.splat(0), squares = sum;
    for (let at = y + j; at < end; at += outs) {
      const v = f32x4.sub(v128.load(at), first);
      sum = f32x4.add(sum, v);
      squares = f32x4.add(squares, f32x4.mul(v, v));
    }
    v128.store(sums + j, sum);
    v128.store(sums + outs + j, squares);
  }
}

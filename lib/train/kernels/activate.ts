import { Activate, Combine, Deactivate } from "../calls";
import { affine, take } from "./common";

/** Threads take the images one by one. */
export function activate(counter: usize, call: Activate): void {
  const y = call.y, scale = call.scale, shift = call.shift, out = call.out;
  const pool = call.pool, count = call.count, height = call.height, width = call.width;
  const o = call.outputs;
  const outs = <usize> o << 2, row = outs * <usize> width, image = row * <usize> height;
  const zero = f32x4.splat(0);
  if (pool === 0) {
    for (let n = take(counter); n < count; n = take(counter)) {
      const first = <usize> n * image;
      for (let at = first; at < first + image; at += outs) {
        for (let j: usize = 0; j < outs; j += 16) {
          const v = affine(v128.load(y + at + j), scale + j, shift + j);
          v128.store(out + at + j, f32x4.max(v, zero));
        }
      }
    }
    return;
  }
  const imageOut = outs * <usize> (width >> 1) * <usize> (height >> 1);
  for (let n = take(counter); n < count; n = take(counter)) {
    let to = out + <usize> n * imageOut;
    for (let i = 0; i + 1 < height; i += 2) {
      for (let k = 0; k + 1 < width; k += 2) {
        const from = y + <usize> n * image + <usize> i * row + <usize> k * outs;
        for (let j: usize = 0; j < outs; j += 16, to += 16) {
          const at = from + j, a = scale + j, b = shift + j;
          const upper = f32x4.max(affine(v128.load(at), a, b), affine(v128.load(at + outs), a, b));
          const lower = f32x4.max(
            affine(v128.load(at + row), a, b),
            affine(v128.load(at + row + outs), a, b),
          );
          v128.store(to, f32x4.max(f32x4.max(upper, lower), zero));
        }
      }
    }
  }
}

/** Threads take the images one by one. */
export function deactivate(counter: usize, call: Deactivate): void {
  const dout = call.dout, y = call.y, scale = call.scale, shift = call.shift;
  const dz = call.dz, sums = call.sums;
  const pool = call.pool, count = call.count, height = call.height, width = call.width;
  const o = call.outputs;
  const outs = <usize> o << 2, row = outs * <usize> width, image = row * <usize> height;
  const imageOut = outs * <usize> (width >> 1) * <usize> (height >> 1);
  const zero = f32x4.splat(0);
  for (let n = take(counter); n < count; n = take(counter)) {
    const first = <usize> n * image;
    if (pool === 0) {
      for (let at = first; at < first + image; at += outs) {
        for (let j: usize = 0; j < outs; j += 16) {
          const isOn = f32x4.gt(affine(v128.load(y + at + j), scale + j, shift + j), zero);
          v128.store(dz + at + j, v128.and(v128.load(dout + at + j), isOn));
        }
      }
    } else {
      memory.fill(dz + first, 0, image);
      let from = dout + <usize> n * imageOut;
      for (let i = 0; i + 1 < height; i += 2) {
        for (let k = 0; k + 1 < width; k += 2) {
          const corner = first + <usize> i * row + <usize> k * outs;
          for (let j: usize = 0; j < outs; j += 16, from += 16) {
            const at = corner + j;
            unpool(y + at, dz + at, v128.load(from), scale + j, shift + j, row, outs);
          }
        }
      }
    }
    products(dz + first, y + first, sums + ((<usize> (n * o)) << 3), height * width, o);
  }
}

// @ts-ignore: a decorator of AssemblyScript.
@inline
function unpool(
  y: usize,
  dz: usize,
  value: v128,
  scale: usize,
  shift: usize,
  row: usize,
  outs: usize,
): void {
  const a = affine(v128.load(y), scale, shift), b = affine(v128.load(y + outs), scale, shift);
  const c = affine(v128.load(y + row), scale, shift);
  const d = affine(v128.load(y + row + outs), scale, shift);
  const most = f32x4.max(f32x4.max(a, b), f32x4.max(c, d));
  let left = v128.and(value, f32x4.gt(most, f32x4.splat(0)));
  const isA = f32x4.eq(a, most), isB = f32x4.eq(b, most), isC = f32x4.eq(c, most);
  v128.store(dz, v128.and(left, isA));
  left = v128.andnot(left, isA);
  v128.store(dz + outs, v128.and(left, isB));
  left = v128.andnot(left, isB);
  v128.store(dz + row, v128.and(left, isC));
  v128.store(dz + row + outs, v128.andnot(left, isC));
}

/** Sums over all positions of `dz`, and of `dz * y`, `[2, o]`. */
function products(dz: usize, y: usize, sums: usize, pixels: i32, o: i32): void {
  const outs = <usize> o << 2, size = <usize> pixels * outs;
  for (let j: usize = 0; j < outs; j += 16) {
    let sum = f32x4.splat(0), product = sum;
    for (let at = j; at < size; at += outs) {
      const v = v128.load(dz + at);
      sum = f32x4.add(sum, v);
      product = f32x4.add(product, f32x4.mul(v, v128.load(y + at)));
    }
    v128.store(sums + j, sum);
    v128.store(sums + outs + j, product);
  }
}

/** Threads take the images one by one. */
export function combine(counter: usize, call: Combine): void {
  const dz = call.dz, y = call.y, factors = call.factors;
  const count = call.count, pixels = call.pixels, o = call.outputs;
  const outs = <usize> o << 2, image = outs * <usize> pixels;
  for (let n = take(counter); n < count; n = take(counter)) {
    const first = <usize> n * image;
    for (let at = first; at < first + image; at += outs) {
      for (let j: usize = 0; j < outs; j += 16) {
        const f = factors + j;
        const moved = affine(v128.load(y + at + j), f + outs, f + 2 * outs);
        v128.store(dz + at + j, f32x4.add(f32x4.mul(v128.load(dz + at + j), v128.load(f)), moved));
      }
    }
  }
}

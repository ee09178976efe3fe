// Float arithmetic for training, compiled by AssemblyScript. Images are `[count, height, width, c]`;
// channels come in multiples of 4, but for the input of the first convolution. Threads share the
// memory: each takes images or blocks one by one, and none writes where another does, so that results
// do not depend on their number.

/** The next image or block that nobody has taken. */
// @ts-ignore: a decorator of AssemblyScript.
@inline
function take(counter: usize): i32 {
  return atomic.add<i32>(counter, 1);
}

/**
 * `y = x * filter`, 3x3, same padding, stride 1.
 *
 * @param filter `[3, 3, c, o]`
 * @param padded `[count, height + 2, width + 2, c]`: gets `x` with zeros around each image
 * @param sums `[count, 2, o]`: gets each image's sums, see {@link moments}; 0 for none
 */
export function convolve(
  counter: usize,
  x: usize,
  filter: usize,
  y: usize,
  padded: usize,
  sums: usize,
  count: i32,
  height: i32,
  width: i32,
  c: i32,
  o: i32,
): void {
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

/** Four positions by eight outputs at a time. The three neighbours in a row lie side by side. */
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

/**
 * `out = relu(y * scale + shift)`, followed by a 2x2 max-pool with stride 2 if `pool` is 1.
 *
 * @param scale `[o]`, as is `shift`
 */
export function activate(
  counter: usize,
  y: usize,
  scale: usize,
  shift: usize,
  out: usize,
  pool: i32,
  count: i32,
  height: i32,
  width: i32,
  o: i32,
): void {
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

/**
 * The derivative by `z = y * scale + shift`, from that by what {@link activate} gave: each goes to the
 * position that was the maximum, the first of equal ones, if it was above 0.
 *
 * @param sums `[count, 2, o]`: gets each image's sums of `dz` and of `dz * y`
 */
export function deactivate(
  counter: usize,
  dout: usize,
  y: usize,
  scale: usize,
  shift: usize,
  dz: usize,
  sums: usize,
  pool: i32,
  count: i32,
  height: i32,
  width: i32,
  o: i32,
): void {
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
            unpool(y + corner + j, dz + corner + j, v128.load(from), scale + j, shift + j, row, outs);
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

/** `dz = dz * a + y * b + c`, with `[3, o]` factors. */
export function combine(
  counter: usize,
  dz: usize,
  y: usize,
  factors: usize,
  count: i32,
  pixels: i32,
  o: i32,
): void {
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

/**
 * The derivative by the filter, `[9 c, o]`, four of its rows at a time.
 *
 * @param padded What {@link convolve} made of `x`
 * @param dy `[count, height, width, o]`
 */
export function filterGradient(
  counter: usize,
  padded: usize,
  dy: usize,
  filter: usize,
  count: i32,
  height: i32,
  width: i32,
  c: i32,
  o: i32,
): void {
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

/** Where the input lies that row `k` of a filter multiplies, from the upper left neighbour on. */
function offsetOf(k: i32, c: i32, rowPadded: usize): usize {
  return <usize> (k / (3 * c)) * rowPadded + (<usize> (k % (3 * c)) << 2);
}

// @ts-ignore: a decorator of AssemblyScript.
@inline
function affine(v: v128, scale: usize, shift: usize): v128 {
  return f32x4.add(f32x4.mul(v, v128.load(scale)), v128.load(shift));
}

// @ts-ignore: a decorator of AssemblyScript.
@inline
function store2(at: usize, low: v128, high: v128): void {
  v128.store(at, low);
  v128.store(at, high, 16);
}

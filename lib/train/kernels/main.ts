// Float products for training, compiled by AssemblyScript. Matrices lie row after row; columns of
// `b` and `y` come in multiples of 4, rows in multiples of 4.

/** `y[m, n] = a[m, k] b[k, n]`. */
export function multiply(a: usize, b: usize, y: usize, m: i32, k: i32, n: i32): void {
  const rowA: usize = (<usize> k) << 2, rowB: usize = (<usize> n) << 2;
  for (let i = 0; i < m; i += 4) {
    const a0 = a + <usize> i * rowA, a1 = a0 + rowA, a2 = a1 + rowA, a3 = a2 + rowA;
    const y0 = y + <usize> i * rowB;
    let j = 0;
    for (; j + 8 <= n; j += 8) {
      let s00 = f32x4.splat(0), s01 = s00, s10 = s00, s11 = s00;
      let s20 = s00, s21 = s00, s30 = s00, s31 = s00;
      let at = b + ((<usize> j) << 2);
      for (let p: usize = 0; p < rowA; p += 4) {
        const b0 = v128.load(at), b1 = v128.load(at, 16);
        const x0 = v128.load32_splat(a0 + p), x1 = v128.load32_splat(a1 + p);
        const x2 = v128.load32_splat(a2 + p), x3 = v128.load32_splat(a3 + p);
        s00 = f32x4.add(s00, f32x4.mul(x0, b0));
        s01 = f32x4.add(s01, f32x4.mul(x0, b1));
        s10 = f32x4.add(s10, f32x4.mul(x1, b0));
        s11 = f32x4.add(s11, f32x4.mul(x1, b1));
        s20 = f32x4.add(s20, f32x4.mul(x2, b0));
        s21 = f32x4.add(s21, f32x4.mul(x2, b1));
        s30 = f32x4.add(s30, f32x4.mul(x3, b0));
        s31 = f32x4.add(s31, f32x4.mul(x3, b1));
        at += rowB;
      }
      const out = y0 + ((<usize> j) << 2);
      store2(out, s00, s01);
      store2(out + rowB, s10, s11);
      store2(out + 2 * rowB, s20, s21);
      store2(out + 3 * rowB, s30, s31);
    }
    if (j < n) {
      let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
      let at = b + ((<usize> j) << 2);
      for (let p: usize = 0; p < rowA; p += 4) {
        const b0 = v128.load(at);
        s0 = f32x4.add(s0, f32x4.mul(v128.load32_splat(a0 + p), b0));
        s1 = f32x4.add(s1, f32x4.mul(v128.load32_splat(a1 + p), b0));
        s2 = f32x4.add(s2, f32x4.mul(v128.load32_splat(a2 + p), b0));
        s3 = f32x4.add(s3, f32x4.mul(v128.load32_splat(a3 + p), b0));
        at += rowB;
      }
      const out = y0 + ((<usize> j) << 2);
      v128.store(out, s0);
      v128.store(out + rowB, s1);
      v128.store(out + 2 * rowB, s2);
      v128.store(out + 3 * rowB, s3);
    }
  }
}

/** Rows of `a` and `b` that stay in the cache while all of `y` is visited. */
const BLOCK: i32 = 128;

/** `y[k, n] = a[m, k]ᵀ b[m, n]`; `k` is a multiple of 4. */
export function multiplyTransposed(a: usize, b: usize, y: usize, m: i32, k: i32, n: i32): void {
  const rowA: usize = (<usize> k) << 2, rowB: usize = (<usize> n) << 2;
  memory.fill(y, 0, <usize> k * rowB);
  for (let first = 0; first < m; first += BLOCK) {
    const begin = a + <usize> first * rowA;
    const end = a + <usize> min(m, first + BLOCK) * rowA;
    const from = b + <usize> first * rowB;
    for (let i = 0; i < k; i += 4) {
      for (let j = 0; j < n; j += 4) {
        const out = y + <usize> i * rowB + ((<usize> j) << 2);
        let s0 = v128.load(out), s1 = v128.load(out + rowB);
        let s2 = v128.load(out + 2 * rowB), s3 = v128.load(out + 3 * rowB);
        let at = from + ((<usize> j) << 2);
        for (let p = begin + ((<usize> i) << 2); p < end; p += rowA) {
          const b0 = v128.load(at);
          s0 = f32x4.add(s0, f32x4.mul(v128.load32_splat(p), b0));
          s1 = f32x4.add(s1, f32x4.mul(v128.load32_splat(p, 4), b0));
          s2 = f32x4.add(s2, f32x4.mul(v128.load32_splat(p, 8), b0));
          s3 = f32x4.add(s3, f32x4.mul(v128.load32_splat(p, 12), b0));
          at += rowB;
        }
        v128.store(out, s0);
        v128.store(out + rowB, s1);
        v128.store(out + 2 * rowB, s2);
        v128.store(out + 3 * rowB, s3);
      }
    }
  }
}

/**
 * The 3x3 neighbourhoods of all positions of `x`, `[count, height, width, c]`, zeros around it, as rows
 * of `row` values, at least 9 * c, the rest zeros.
 */
export function neighbourhoods(
  x: usize,
  rows: usize,
  count: i32,
  height: i32,
  width: i32,
  c: i32,
  row: i32,
): void {
  const pixel: usize = (<usize> c) << 2, rowBytes: usize = (<usize> row) << 2;
  memory.fill(rows, 0, <usize> count * height * width * rowBytes);
  let out = rows;
  for (let image = 0; image < count; image++) {
    const first = x + <usize> image * height * width * pixel;
    for (let y = 0; y < height; y++) {
      for (let xx = 0; xx < width; xx++) {
        for (let dy = -1; dy <= 1; dy++) {
          if (y + dy < 0 || y + dy >= height) continue;
          const from = xx > 0 ? xx - 1 : 0, to = xx + 1 < width ? xx + 1 : width - 1;
          memory.copy(
            out + <usize> ((dy + 1) * 3 + from - xx + 1) * pixel,
            first + (<usize> (y + dy) * width + from) * pixel,
            <usize> (to - from + 1) * pixel,
          );
        }
        out += rowBytes;
      }
    }
  }
}

// @ts-ignore: a decorator of AssemblyScript.
@inline
function store2(at: usize, low: v128, high: v128): void {
  v128.store(at, low);
  v128.store(at, high, 16);
}

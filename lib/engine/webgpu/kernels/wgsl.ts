/**
 * WGSL that several kernels share.
 *
 * @module
 */

/**
 * `mulhi`, `mulhiRound` and `normalize` of `../README.md`. WGSL has no 64-bit integers, so that products are
 * put together from 16-bit halves.
 */
export const FIXED_POINT = `
// The 64-bit product of two words, low word first.
fn umul64(a: u32, b: u32) -> vec2<u32> {
  let a0 = a & 0xffffu;
  let a1 = a >> 16u;
  let b0 = b & 0xffffu;
  let b1 = b >> 16u;
  let low = a0 * b0;
  let middle = a1 * b0 + (low >> 16u);
  let middle2 = a0 * b1 + (middle & 0xffffu);
  return vec2<u32>(a * b, a1 * b1 + (middle >> 16u) + (middle2 >> 16u));
}

// Two's complement: a negative factor was read as 2^32 more than it is.
fn mul64(a: i32, b: i32) -> vec2<u32> {
  let product = umul64(u32(a), u32(b));
  let excess = select(0u, u32(b), a < 0) + select(0u, u32(a), b < 0);
  return vec2<u32>(product.x, product.y - excess);
}

fn mulhi(a: i32, b: i32) -> i32 {
  return i32(mul64(a, b).y);
}

fn mulhiRound(a: i32, b: i32) -> i32 {
  let product = mul64(a, b);
  return i32(product.y + (product.x >> 31u));
}

// The mantissa in [2^30, 2^31) and the shift that made it.
fn normalize31(a: i32) -> vec2<i32> {
  let s = countLeadingZeros(a) - 1;
  return vec2<i32>(a << u32(s), s);
}
`;

/** `Σ a * b` of sixteen bytes each. */
export const DOT16 = `
fn dot16(a: vec4<u32>, b: vec4<u32>) -> i32 {
  return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) +
    dot4I8Packed(a.w, b.w);
}
`;

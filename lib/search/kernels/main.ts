// Inner products of int8 vectors: ../vectors.ts says where they lie.

/**
 * The products of one vector with each of `count` rows, exact: `products[n] = Σ vector[i] * rows[n][i]`.
 *
 * @param stride Bytes of a vector: a multiple of 16, below 2^17, so that no sum is beyond int32.
 */
export function multiply(
  vector: usize,
  rows: usize,
  stride: usize,
  count: i32,
  products: usize,
): void {
  for (let n = 0; n < count; n++) {
    let sums = i32x4.splat(0);
    for (let i: usize = 0; i < stride; i += 16) {
      const a = v128.load(vector + i), b = v128.load(rows + i);
      // Two products of -127 … 127 fit into 16 bits: 2 * 127 * 127 < 2^15.
      const low = i16x8.extmul_low_i8x16_s(a, b), high = i16x8.extmul_high_i8x16_s(a, b);
      sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_s(i16x8.add(low, high)));
    }
    const sum = i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) +
      i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
    store<i32>(products, sum);
    rows += stride;
    products += 4;
  }
}

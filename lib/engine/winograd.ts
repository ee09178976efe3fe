/**
 * Winograd's minimal filtering F(m x m, 3x3): `m * m` outputs of a 3x3 convolution from
 * `(m + 2) * (m + 2)` products, one for each of the points at which the polynomials behind it are
 * evaluated (Lavin and Gray, 2015, arXiv 1509.09308). All matrices are integers, so that the same
 * transforms serve float and, exactly, the integer program. The kernels of WebGPU are generated from
 * these matrices; those of WebAssembly have F(4x4) written out, its rows beside them.
 *
 * With `T(A, X) = A X A^T`, `T(output, T(filter, w) * T(input, x))`, the product taken point by
 * point and summed over the input channels, is `scale` times the convolution.
 *
 * F(2x2): the points 0, 1, -1, infinity; the filter's matrix is doubled, so `scale` is 4.
 *
 * F(4x4): the points 0, 2, 1, -1, 1/2, infinity. The usual -2 in the place of 1/2 would make
 * `scale` 24^2, whose factor 64 cannot be divided out modulo 2^32. Modulo 2 the points used here
 * fall into three pairs, so that each Lagrange denominator holds the factor 2 once: 18 or 2. Both
 * directions together make `scale` 18^2 = 4 * 81: the sums may overflow, which is arithmetic modulo
 * 2^32, and multiplied by the inverse of 81 they are 4 times the accumulator, which fits
 * (`|acc| < 2^29`): `acc << 2`, with which step 6 of the integer program begins.
 *
 * Transformed inputs and filters fit in 16 bits, also after one of the two directions. Of a row's
 * coefficients, the positive and the negative ones of `input` add up to at most 2 and 9 (m = 2, 4),
 * and the absolute values of `filter` to at most 3 and 7. So inputs in 0…127 give at most
 * `2 * 2 * 127 = 508` and `2 * 9 * 9 * 127 = 20574`, and filters in -127…127 at most
 * `3 * 3 * 127 = 1143` and `7 * 7 * 127 = 6223`.
 */

/** Rows of coefficients. */
export type Matrix = readonly (readonly number[])[];

/** One of the algorithms. */
export interface Winograd {
  /** `B^T`, `[m + 2, m + 2]`. */
  readonly input: Matrix;
  /** `G`, `[m + 2, 3]`. */
  readonly filter: Matrix;
  /** `A^T`, `[m, m + 2]`. */
  readonly output: Matrix;
  /** What comes out is so many times the convolution. */
  readonly scale: number;
  /** What `scale` has to be multiplied by to be 4 modulo 2^32; int32. */
  readonly toFour: number;
}

/** By `m`, the rows and columns of outputs that a patch gives. */
export const WINOGRAD: Readonly<Record<2 | 4, Winograd>> = {
  2: {
    input: [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]],
    filter: [[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]],
    output: [[1, 1, 1, 0], [0, 1, -1, -1]],
    scale: 4,
    toFour: 1,
  },
  4: {
    input: [
      [-2, 5, 0, -5, 2, 0],
      [0, 1, -2, -1, 2, 0],
      [0, 2, -3, -3, 2, 0],
      [0, -2, 7, -7, 2, 0],
      [0, 2, -1, -2, 1, 0],
      [0, -2, 5, 0, -5, 2],
    ],
    filter: [[1, 0, 0], [1, 2, 4], [1, 1, 1], [1, -1, 1], [4, 2, 1], [0, 0, 1]],
    output: [
      [-9, 1, -9, 1, 8, 0],
      [0, 2, -9, -1, 4, 0],
      [0, 4, -9, 1, 2, 0],
      [0, 8, -9, -1, 1, 9],
    ],
    scale: 324,
    toFour: 2_014_922_929,
  },
};

/**
 * Square roots of features, with their signs. A head on roots of what convolutions say, averaged, has a lower
 * cross-entropy than one on the averages, and nearest neighbors are right more often: the strongest features do
 * not decide alone (Perronnin et al., 2010, "Improving the Fisher Kernel", section 3.2).
 */

/** The root of a feature. */
export function rootOf(value: number): number {
  return Math.sign(value) * Math.sqrt(Math.abs(value));
}

/** The roots of a row, `[D]`. */
export function rootsOf(row: ArrayLike<number>): Float64Array {
  return Float64Array.from(row, rootOf);
}

/** How something changes with a row, `[D]`, from how it does with its roots; 0 where a root has no slope. */
export function gradientByRow(gradient: Float64Array, row: ArrayLike<number>): Float64Array {
  return gradient.map((value, i) => row[i] === 0 ? 0 : value / (2 * Math.sqrt(Math.abs(row[i]!))));
}

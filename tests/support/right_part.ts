/**
 * How often the best class of rows of logits is the right one.
 *
 * @module
 */

/**
 * The part that is right, 0…1, of the rows that are no NaN.
 *
 * @param logits `[rows, classes]`
 */
export function rightPart(logits: Float64Array, labels: ArrayLike<number>): number {
  const classes = logits.length / labels.length;
  const right = Array.from(labels, (label, n) => {
    const own = [...logits.subarray(n * classes, (n + 1) * classes)];
    return Number.isNaN(own[0]) ? [] : [Number(own.indexOf(Math.max(...own)) === label)];
  }).flat();
  return right.reduce((sum, value) => sum + value, 0) / right.length;
}

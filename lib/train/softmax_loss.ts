/** The loss of a soft-max, and what changes it. */

/** Whose loss it is. */
interface Judged {
  /** The class of each row, from row `first` on; below 0 for one that does not count. */
  readonly labels: ArrayLike<number>;
  readonly first: number;
  /** How many rows there are. */
  readonly count: number;
  /** Number of classes, K. */
  readonly classes: number;
  /** Columns of logits, of which the first K are those of classes, and others 0. */
  readonly outputs: number;
  /** How much a row counts. */
  readonly share: number;
}

/** Turns logits `[count, outputs]` into the derivatives of `share * sum(-ln p)` by them, and gives that sum. */
export function lossOf(
  logits: Float64Array,
  { labels, first: begin, count, classes, outputs, share }: Judged,
): number {
  let loss = 0;
  for (let n = 0; n < count; n++) {
    const first = n * outputs, last = first + classes, label = labels[begin + n]!;
    if (label < 0) {
      logits.fill(0, first, last);
      continue;
    }
    const own = first + label;
    let max = -Infinity, sum = 0;
    for (let i = first; i < last; i++) max = Math.max(max, logits[i]!);
    loss += share * (max - logits[own]!);
    for (let i = first; i < last; i++) sum += logits[i] = Math.exp(logits[i]! - max);
    loss += share * Math.log(sum);
    for (let i = first; i < last; i++) logits[i]! *= share / sum;
    logits[own]! -= share;
  }
  return loss;
}

/** How often predictions are right, and whether that is more often than those of another. */

import { bestClass } from "../output/predictions.ts";

/** How often something is right, 0…1; `NaN` if there is nothing to judge. */
export interface Accuracy {
  /** Part of the pictures that is right. */
  readonly accuracy: number;
  /** Mean over the classes of the part that is right: each class counts the same. */
  readonly balancedAccuracy: number;
}

/** Pictures whose classes are known. */
export interface Truth {
  /** The class of each picture, `[N]`. */
  readonly labels: Int32Array;
  /** Number of classes. */
  readonly classes: number;
}

/** What is said of picture `n`, `[K]`, of `[N, K]`. */
export function rowOf(logits: Float64Array, classes: number, n: number): Float64Array {
  return logits.subarray(n * classes, (n + 1) * classes);
}

/** The best class of each picture, 0 where nothing is said of it. */
export function predictionsOf(logits: Float64Array, classes: number): Int32Array {
  const count = logits.length / classes;
  return Int32Array.from({ length: count }, (_, n) => bestClass(rowOf(logits, classes, n)));
}

/** How often predictions are right of the pictures at `judged`. */
export function accuracyOf(
  { labels, classes }: Truth,
  predicted: Int32Array,
  judged: readonly number[],
): Accuracy {
  const right = new Float64Array(classes), all = new Float64Array(classes);
  for (const n of judged) {
    all[labels[n]!]!++;
    if (predicted[n] === labels[n]) right[labels[n]!]!++;
  }
  const present = [...all.keys()].filter((c) => all[c]! > 0);
  return {
    accuracy: right.reduce((a, b) => a + b, 0) / judged.length,
    balancedAccuracy: present.reduce((sum, c) => sum + right[c]! / all[c]!, 0) / present.length,
  };
}

/** Standard errors by which a difference is no accident: 1 of 44 is as large by chance. */
const CERTAIN = 2;

/**
 * Whether predictions have a better balanced accuracy than others of the same pictures.
 *
 * Each class is taken to have one picture more that only one of the two gets right, and one that only the other
 * does, as in Laplace's rule of succession: what a handful of pictures say is little.
 *
 * @returns Undefined if it is better, but on too few pictures to tell, or on none.
 */
export function isBetter(
  { labels, classes }: Truth,
  predicted: Int32Array,
  others: Int32Array,
  judged: readonly number[],
): boolean | undefined {
  let lead = 0, expected = 0, variance = 0;
  const byClass = Map.groupBy(judged, (n) => labels[n]!);
  for (let c = 0; c < classes; c++) {
    const own = byClass.get(c) ?? [], count = own.length + 2;
    if (own.length === 0) continue;
    const differ = own.filter((n) => (predicted[n] === c) !== (others[n] === c));
    const won = differ.filter((n) => predicted[n] === c).length, lost = differ.length - won;
    const mean = (won - lost) / count;
    lead += (won - lost) / own.length;
    expected += mean;
    variance += ((differ.length + 2) / count - mean ** 2) / count;
  }
  if (lead <= 0 && judged.length > 0) return false;
  return lead > 0 && expected >= CERTAIN * Math.sqrt(variance) ? true : undefined;
}

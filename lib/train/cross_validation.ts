/** What a head is worth on pictures that it did not learn from, and which settings are best. */

import { temperatureOf } from "../output/calibration.ts";
import { softmax } from "../output/predictions.ts";

/** What is judged. */
export interface Judgement {
  /** The class of each picture, `[N]`. */
  readonly labels: ArrayLike<number>;
  /** Number of classes, K. */
  readonly classes: number;
  /** The fold of each picture, `[N]`, as `stratifiedFolds()` gives it. */
  readonly folds: ArrayLike<number>;
}

/**
 * Learns from the pictures at `train` with one setting after the other, and gives for each the logits of those at
 * `held`, `[held, K]`.
 */
export type Learner = (train: Uint32Array, held: Uint32Array) => AsyncIterable<Float64Array>;

/** What the best setting is worth. */
export interface CrossValidated {
  /** The position of the best setting. */
  readonly best: number;
  /**
   * Of each setting: the mean, over the classes, of `-ln` of the true class's probability, at the best temperature.
   */
  readonly crossEntropies: readonly number[];
  /** What learned from the other folds says about each picture, `[N, K]`; `NaN` if it is in none. */
  readonly logits: Float64Array;
}

/**
 * Judges each picture by what learned from the other folds, and chooses the setting of the least cross-entropy. If
 * no picture is in a fold, it is the one in the middle.
 *
 * @param count Number of settings.
 * @param onStep Told how many settings were tried in how many folds.
 */
export async function crossValidate(
  task: Judgement,
  count: number,
  learn: Learner,
  onStep?: (done: number, total: number) => void,
): Promise<CrossValidated> {
  const { labels, classes, folds } = task;
  const used = Array.from(new Set(Array.from(folds))).filter((fold) => fold >= 0).sort((a, b) =>
    a - b
  );
  const logits = Array.from(
    { length: count },
    () => new Float64Array(labels.length * classes).fill(NaN),
  );
  for (const [n, fold] of used.entries()) {
    const held = positionsOf(folds, (other) => other === fold);
    let setting = 0;
    for await (const found of learn(positionsOf(folds, (other) => other !== fold), held)) {
      const all = logits[setting++]!;
      held.forEach((picture, at) => {
        all.set(found.subarray(at * classes, (at + 1) * classes), picture * classes);
      });
      onStep?.(n * count + setting, used.length * count);
    }
  }
  const judged = positionsOf(folds, (fold) => fold >= 0);
  const crossEntropies = logits.map((own) => crossEntropy(task, own, judged));
  const best = judged.length === 0
    ? count >> 1
    : crossEntropies.indexOf(Math.min(...crossEntropies));
  return { best, crossEntropies, logits: logits[best]! };
}

function positionsOf(folds: ArrayLike<number>, isWanted: (fold: number) => boolean): Uint32Array {
  return Uint32Array.from(
    Array.from(folds, (_, n) => n).filter((n) => isWanted(folds[n]!)),
  );
}

/** A probability below this is counted as this, so that one picture does not decide alone. */
const LEAST = 1e-12;

/** The mean, over the classes, of `-ln` of the true class's probability at the best temperature. */
export function crossEntropy(
  { labels, classes }: Omit<Judgement, "folds">,
  logits: Float64Array,
  positions: Uint32Array,
): number {
  const judged = Array.from(positions, (n) => ({
    label: labels[n]!,
    logits: logits.subarray(n * classes, (n + 1) * classes),
  }));
  const temperature = temperatureOf(judged);
  return meanOfClasses(
    classes,
    judged.map(({ label, logits }) => ({
      label,
      value: -Math.log(Math.max(softmax(logits, 1 / temperature)[label]!, LEAST)),
    })),
  );
}

/** The mean, over the classes that have values, of the means of their values. */
function meanOfClasses(
  classes: number,
  values: readonly { readonly label: number; readonly value: number }[],
): number {
  const sums = new Float64Array(classes), counts = new Float64Array(classes);
  for (const { label, value } of values) {
    sums[label]! += value;
    counts[label]!++;
  }
  const means = [...sums.keys()].filter((c) => counts[c]! > 0).map((c) => sums[c]! / counts[c]!);
  return means.reduce((a, b) => a + b, 0) / means.length;
}

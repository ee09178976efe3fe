/** What scores are worth: the temperature that makes them probabilities, and from where on they are sure. */

import { bestClass, softmax } from "./predictions.ts";

/** What a model's scores are corrected by, and read with. */
export interface Calibration {
  /** Logits are divided by it before the soft-max. */
  readonly temperature: number;
  /**
   * The score from which on a first prediction is sure; absent if no score is worth it, as where too few
   * pictures are right.
   */
  readonly sureScore?: number | undefined;
}

/** A picture whose class is known, with a value for each class. */
export interface Judged {
  /** One value for each class. */
  readonly logits: ArrayLike<number>;
  /** Index of the true class. */
  readonly label: number;
}

/** Part of the pictures of no class that may reach the score that is sure. */
const FOREIGN_MOST = 0.1;
/** Part of the pictures that reach it that has to be right, by {@linkcode likely}. */
const RIGHT_LEAST = 0.9;
/** Between the inverses of these the temperature is looked for. */
const INVERSE_RANGE = [1 / 64, 64] as const;
/** Halvings of that range: to a relative error of 1e-7 at its lower end. */
const HALVINGS = 32;

/** Pictures besides those that show what the model knows. */
export interface ForeignPictures {
  /** Logits of pictures of none of the classes. */
  readonly foreign?: readonly ArrayLike<number>[] | undefined;
  /** The class of pictures of none of the others, where the model has one: it is never sure. */
  readonly none?: number | undefined;
}

/**
 * Calibrates logits on pictures that nothing was learned from.
 *
 * @param known Pictures of the model's classes.
 */
export function calibrateLogits(
  known: readonly Judged[],
  { foreign = [], none }: ForeignPictures = {},
): Calibration {
  const temperature = temperatureOf(known);
  const best = (logits: ArrayLike<number>): Best => bestOf(logits, temperature, none);
  const shown = known.filter(({ label }) => label !== none);
  const strangers = [
    ...foreign,
    ...known.filter(({ label }) => label === none).map(({ logits }) => logits),
  ];
  const sureScore = sureScoreOf(
    shown.map(({ logits, label }) => {
      const { index, score } = best(logits);
      return { score, isRight: index === label };
    }),
    strangers.map((logits) => best(logits).score),
  );
  return { temperature, ...sureScore === undefined ? {} : { sureScore } };
}

/** The part to expect after `count` of `total`: Laplace's rule of succession. */
const likely = (count: number, total: number): number => (count + 1) / (total + 2);

/**
 * The temperature of the least cross-entropy (Guo et al., 2017, arXiv 1706.04599, section 4.2).
 *
 * The true class's share of the target is not 1, but what is {@linkcode likely} after all pictures were
 * right, as in Platt's scaling (1999, section 2.2): a handful of them does not make all scores 1. Without any
 * picture it is 1.
 */
export function temperatureOf(known: readonly Judged[]): number {
  if (known.length === 0) return 1;
  const share = likely(known.length, known.length);
  let [low, high]: readonly [number, number] = INVERSE_RANGE;
  // The cross-entropy is convex in the inverse: its slope changes its sign once.
  for (let n = 0; n < HALVINGS; n++) {
    const middle = Math.sqrt(low * high);
    if (slope(known, middle, share) < 0) low = middle;
    else high = middle;
  }
  return 1 / Math.sqrt(low * high);
}

/** How the cross-entropy changes with the inverse temperature: expected minus wanted logit. */
function slope(known: readonly Judged[], inverse: number, share: number): number {
  let total = 0;
  for (const { logits, label } of known) {
    const max = maxOf(logits);
    let sum = 0, weighted = 0, all = 0;
    for (let i = 0; i < logits.length; i++) {
      const logit = logits[i]! - max, e = Math.exp(logit * inverse);
      sum += e;
      weighted += e * logit;
      all += logit;
    }
    const own = logits[label]! - max, others = (all - own) / Math.max(1, logits.length - 1);
    total += weighted / sum - share * own - (1 - share) * others;
  }
  return total;
}

/** A class, and its soft-max score. */
interface Best {
  readonly index: number;
  readonly score: number;
}

/** The best class; of `none` no score is worth anything. */
function bestOf(logits: ArrayLike<number>, temperature: number, none?: number): Best {
  const scores = softmax(logits, 1 / temperature), index = bestClass(scores);
  return { index, score: index === none ? 0 : scores[index]! };
}

function maxOf(values: ArrayLike<number>): number {
  let max = -Infinity;
  for (let i = 0; i < values.length; i++) max = Math.max(max, values[i]!);
  return max;
}

/**
 * The least score that at most a tenth of the pictures of no class reach, and from which on nine tenths of
 * the others are right; undefined where no score is, as where fewer than eight pictures are right.
 *
 * @param known Best score of each picture, and whether it is right.
 * @param foreign Best scores of pictures of no class.
 */
export function sureScoreOf(
  known: readonly { readonly score: number; readonly isRight: boolean }[],
  foreign: readonly number[],
): number | undefined {
  const falling = known.toSorted((a, b) => b.score - a.score);
  const strangers = foreign.toSorted((a, b) => b - a);
  let found: number | undefined, right = 0, passed = 0;
  for (const [n, { score, isRight }] of falling.entries()) {
    right += Number(isRight);
    if (falling[n + 1]?.score === score) continue; // Equal scores pass together.
    while (passed < strangers.length && strangers[passed]! >= score) passed++;
    if (passed > FOREIGN_MOST * strangers.length) break;
    if (likely(right, n + 1) >= RIGHT_LEAST) found = score;
  }
  return found;
}

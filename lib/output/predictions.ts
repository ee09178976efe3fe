/** Logits -> predictions: the model's head, then the labels that a caller wants to see. */

import type { Activations } from "../engine/engine.ts";
import { ScoresNotFiniteError } from "../errors.ts";
import type { Architecture } from "../model/architecture.ts";
import { type ClassInfo, type ClassName, findClass, isNoneOfThese } from "../model/classes.ts";
import type { ViewShare } from "../model/readout.ts";
import { completeOptions, SELECTION_OPTIONS } from "../options.ts";
import { exp } from "./exponential.ts";

/** One label for an image. */
export interface Prediction<Label extends string = string> {
  /** The class's label. */
  readonly label: Label;
  /**
   * Probability, 0…1, never rescaled by what is left out. Those of all classes add up to 1, but where
   * `info.multiLabel` says that each label has its own.
   */
  readonly score: number;
  /** Index of the class in the model's outputs. */
  readonly index: number;
  /** The class's WordNet id, where the model has one. */
  readonly id?: string | undefined;
  /**
   * Whether to rely on it: only of the best of all classes, if its score reaches the model's `sureScore`
   * and it is not `"none of these"`; `allow`, `deny`, `topK` and `scoreThreshold` change nothing about it.
   * Where each label has a score of its own, it says that the picture surely shows this one, and nothing of
   * the others. Not there where the model has no `sureScore`.
   */
  readonly sure?: boolean | undefined;
}

/**
 * Whether people are to be told that a first prediction is not sure. That a picture shows none of the classes
 * is no doubt, but the answer.
 */
export function isUnsure(first: Prediction | undefined): boolean {
  return first?.sure === false && !isNoneOfThese(first.label);
}

/** What predictions are chosen from, and when the best one is sure. */
export interface PredictedClasses<Label extends string = string> {
  readonly classes: readonly ClassInfo<Label>[];
  readonly sureScore?: number | undefined;
}

/** What makes scores of logits: a model, or what is known of one. */
export interface Scoring {
  readonly architecture: Pick<Architecture, "head">;
  /** What the logits are divided by first. Default: 1. */
  readonly temperature?: number | undefined;
}

/** Predictions of which there is one at least: those that no threshold is asked of. */
export type Predictions<Label extends string = string> = [
  Prediction<Label>,
  ...Prediction<Label>[],
];

/** Which predictions to return. */
export interface SelectionOptions {
  /** At most this many, best first; `Infinity` for all. Default: 5. */
  readonly topK?: number | undefined;
  /** Only scores of at least this, 0…1. Default: 0. */
  readonly scoreThreshold?: number | undefined;
  /** Only these classes. Not together with `deny`. */
  readonly allow?: readonly ClassName[] | undefined;
  /** All but these classes. Not together with `allow`. */
  readonly deny?: readonly ClassName[] | undefined;
}

/** Checked options, ready for any number of images. */
export interface Selection {
  readonly topK: number;
  readonly scoreThreshold: number;
  /** By class index: whether the class may appear. */
  readonly wanted: readonly boolean[];
}

/**
 * Checks options against a model's classes.
 *
 * @throws {TypeError} If `allow` and `deny` are both given.
 * @throws {RangeError} If `topK` or `scoreThreshold` is out of range, a class is unknown or its name
 *   ambiguous, or no class is left.
 */
export function checkSelection(
  options: SelectionOptions,
  classes: readonly ClassInfo[],
): Selection {
  const { topK, scoreThreshold, allow, deny } = completeOptions(SELECTION_OPTIONS, options);
  if (allow !== undefined && deny !== undefined) {
    throw new TypeError("allow and deny exclude each other: give one of them");
  }
  if (classes.length === 0) {
    throw new RangeError("A model without dense layers has no class to predict");
  }
  const named = new Set((allow ?? deny)?.map((name) => findClass(name, classes).index));
  const wanted = classes.map(({ index }) => named.has(index) === (allow !== undefined));
  if (!wanted.includes(true)) {
    const which = allow === undefined ? "deny names all classes" : "allow names no class";
    throw new RangeError(`${which}: none is left to predict`);
  }
  return { topK, scoreThreshold, wanted };
}

/**
 * Returns scores as they are: NaN would pass no threshold, and so give no prediction without a word.
 *
 * @throws {ScoresNotFiniteError} If one is not finite.
 */
export function checkScores<T extends ArrayLike<number>>(scores: T): T {
  for (let i = 0; i < scores.length; i++) {
    if (!Number.isFinite(scores[i])) throw new ScoresNotFiniteError(i, scores[i]);
  }
  return scores;
}

/**
 * Soft-max of `logits[i] * scale`, in float64.
 *
 * @throws {ScoresNotFiniteError} If one of them is not finite.
 */
export function softmax(logits: ArrayLike<number>, scale: number = 1): Float64Array {
  const scores = new Float64Array(logits.length);
  let max = -Infinity, sum = 0;
  for (let i = 0; i < scores.length; i++) max = Math.max(max, logits[i]);
  for (let i = 0; i < scores.length; i++) {
    scores[i] = exp((logits[i] - max) * scale);
    sum += scores[i];
  }
  for (let i = 0; i < scores.length; i++) scores[i] /= sum;
  return checkScores(scores);
}

/** A logit for each class: one that stands for two classes speaks for the second, against the first. */
export function classLogits(logits: ArrayLike<number>, head: Architecture["head"]): Float64Array {
  const isOfTwo = head === "sigmoid" && logits.length === 1;
  return isOfTwo ? Float64Array.of(-logits[0], logits[0]) : Float64Array.from(logits);
}

/**
 * Sigmoid of each `logits[i] * scale`, in float64.
 *
 * @throws {ScoresNotFiniteError} If one of them is not finite.
 */
export function sigmoid(logits: ArrayLike<number>, scale: number = 1): Float64Array {
  const scaled = checkScores(Float64Array.from(logits, (logit) => logit * scale));
  return scaled.map((logit) => {
    const e = exp(-Math.abs(logit)); // At most 1: nothing overflows.
    return (logit < 0 ? e : 1) / (1 + e);
  });
}

/**
 * What a model's head makes of `logits[i] * scale / temperature`: a score for each class, in float64.
 *
 * @throws {ScoresNotFiniteError} If one of them is not finite.
 */
export function headScores(
  logits: ArrayLike<number>,
  scale: number,
  { architecture: { head }, temperature = 1 }: Scoring,
): Float64Array {
  const divided = scale / temperature;
  return head === "sigmoid"
    ? sigmoid(classLogits(logits, head), divided)
    : softmax(logits, divided);
}

/** The scores of image `n`: of its logits, averaged over the positions of its score map. */
export function scoresOfMean(
  { data, shape, scale }: Activations,
  n: number,
  scoring: Scoring,
): Float64Array {
  const [, height, width, channels] = shape;
  const positions = height * width, first = n * positions * channels;
  const mean = new Float64Array(channels);
  for (let i = 0; i < positions * channels; i++) mean[i % channels] += data[first + i];
  return headScores(mean.map((sum) => sum / positions), scale[n], scoring);
}

/** The class with the best score; of equal ones, that of the lower index. */
export function bestClass(scores: Float64Array): number {
  return scores.reduce((best, score, index) => score > scores[best] ? index : best, 0);
}

/** The scores of one image: those of its views, averaged by their weights. */
export class ScoresMean {
  readonly #scoring: Scoring;
  readonly #sums: Float64Array;

  constructor(classes: number, scoring: Scoring) {
    this.#scoring = scoring;
    this.#sums = new Float64Array(classes);
  }

  /**
   * Adds view `n` of a batch.
   *
   * @throws {ScoresNotFiniteError} If a score is not finite.
   */
  add([logits]: readonly Activations[], n: number, { weight }: ViewShare): void {
    const own = scoresOfMean(logits, n, this.#scoring);
    for (let c = 0; c < own.length; c++) this.#sums[c]! += weight * own[c]!;
  }

  /** The scores, once all views were added. */
  result(): Float64Array {
    return this.#sums;
  }
}

/** Whether the best prediction of all is one to rely on. */
export function isSure(
  { label, score }: Pick<Prediction, "label" | "score">,
  sureScore: number,
): boolean {
  return score >= sureScore && !isNoneOfThese(label);
}

/**
 * The wanted predictions, best first; of equal scores, the lower index first.
 *
 * @throws {ScoresNotFiniteError} If a score is not finite.
 */
export function selectPredictions<Label extends string>(
  scores: Float64Array,
  { topK, scoreThreshold, wanted }: Selection,
  { classes, sureScore }: PredictedClasses<Label>,
): Prediction<Label>[] {
  checkScores(scores);
  const best = bestClass(scores);
  return classes
    .filter(({ index }) => wanted[index] && scores[index] >= scoreThreshold)
    .map(({ label, index, id }) => ({
      label,
      score: scores[index],
      index,
      ...id === undefined ? {} : { id },
      ...sureScore === undefined ? {} : {
        sure: index === best && isSure({ label, score: scores[index] }, sureScore),
      },
    }))
    .sort((a, b) => b.score - a.score || a.index - b.index)
    .slice(0, topK);
}

/** Logits -> predictions: soft-max, then the labels that a caller wants to see. */

import type { Activations } from "../engine/engine.ts";
import { ScoresNotFiniteError } from "../errors.ts";
import { indexOfLabel } from "../model/find_label.ts";
import { completeOptions, type Option, SELECTION_OPTIONS } from "../options.ts";

/** One label for an image. */
export interface Prediction {
  /** The class's name. */
  readonly label: string;
  /** Probability, 0…1: the soft-max over all classes, never rescaled by what is left out. */
  readonly score: number;
  /** Index of the class in the model's labels. */
  readonly index: number;
}

/** Which predictions to return. */
export interface SelectionOptions {
  /** At most this many, best first: 1 … number of classes. Default: 5, or all if there are fewer. */
  readonly topK?: number;
  /** Only scores of at least this, 0…1. Default: 0. */
  readonly scoreThreshold?: number;
  /** Only these labels. Not together with `deny`. */
  readonly allow?: readonly string[];
  /** All but these labels. Not together with `allow`. */
  readonly deny?: readonly string[];
}

/** Checked options, ready for any number of images. */
export interface Selection {
  readonly topK: number;
  readonly scoreThreshold: number;
  /** By class index: whether the class may appear. */
  readonly wanted: readonly boolean[];
}

/** The option `topK` for a model with so many classes. */
export function topKOf(
  classes: number,
): Extract<Option, { kind: "integer" }> & { default: number } {
  const { topK } = SELECTION_OPTIONS, fallback = Math.min(topK.default, classes);
  return { ...topK, default: fallback, max: classes, why: "the number of classes" };
}

/**
 * Checks options against a model's labels.
 *
 * @throws {TypeError} If `allow` and `deny` are both given.
 * @throws {RangeError} If `topK` or `scoreThreshold` is out of range, or a label is unknown.
 */
export function checkSelection(options: SelectionOptions, labels: readonly string[]): Selection {
  const table = { ...SELECTION_OPTIONS, topK: topKOf(labels.length) };
  const { topK, scoreThreshold, allow, deny } = completeOptions(table, options);
  if (allow !== undefined && deny !== undefined) {
    throw new TypeError("allow and deny exclude each other: give one of them");
  }
  const named = new Set((allow ?? deny)?.map((label) => indexOfLabel(label, labels)));
  const wanted = labels.map((_, index) =>
    allow !== undefined ? named.has(index) : !named.has(index)
  );
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
    scores[i] = Math.exp((logits[i] - max) * scale);
    sum += scores[i];
  }
  for (let i = 0; i < scores.length; i++) scores[i] /= sum;
  return checkScores(scores);
}

/** Soft-max of the logits of image `n`, averaged over the positions of its score map. */
export function softmaxOfMean({ data, shape, scale }: Activations, n: number): Float64Array {
  const [, height, width, classes] = shape;
  const positions = height * width, first = n * positions * classes;
  const mean = new Float64Array(classes);
  for (let i = 0; i < positions * classes; i++) mean[i % classes] += data[first + i];
  return softmax(mean.map((sum) => sum / positions), scale[n]);
}

/**
 * The wanted predictions, best first; of equal scores, the lower index first.
 *
 * @throws {ScoresNotFiniteError} If a score is not finite.
 */
export function selectPredictions(
  scores: Float64Array,
  selection: Selection,
  labels: readonly string[],
): Prediction[] {
  const { topK, scoreThreshold, wanted } = selection;
  checkScores(scores);
  return labels
    .map((label, index) => ({ label, score: scores[index], index }))
    .filter(({ index, score }) => wanted[index] && score >= scoreThreshold)
    .sort((a, b) => b.score - a.score || a.index - b.index)
    .slice(0, topK);
}

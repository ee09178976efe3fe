/**
 * What predictions are worth: accuracy, confusion, calibration; and where each label has a score of its own,
 * what each of these is worth.
 */

import { isSure } from "../output/predictions.ts";

/** How one image was classified. */
export interface EvaluationRecord {
  /** The name of its sample. */
  readonly file: string;
  /** Index of the true class. */
  readonly label: number;
  /** The best classes, best first, at most five. */
  readonly top: readonly { readonly index: number; readonly score: number }[];
  /** The probability that was given to the true class. */
  readonly score: number;
  /** Those of all classes, where each has its own. */
  readonly scores?: readonly number[] | undefined;
}

/**
 * Results of one class. An image is given the label with the best score; where each label has a score of its
 * own, every label with at least 0.5.
 */
export interface ClassMetrics {
  /** The class. */
  readonly label: string;
  /** Images of this class. */
  readonly images: number;
  /** Part of the class's images that were given the label, 0…1; `NaN` if there are none. */
  readonly recall: number;
  /** Part of the images given this label that have it, 0…1; `NaN` if there are none. */
  readonly precision: number;
  /** Part of the class's images with it among the best five. */
  readonly top5: number;
  /**
   * Where each label has a score of its own: the mean, over the class's images, of the precision among the
   * images with at least their score, 0…1; `NaN` if there are none.
   */
  readonly averagePrecision?: number | undefined;
}

/**
 * One bin of the reliability diagram: images whose best score is in `[from, to)`. Where each label has a score
 * of its own, these are labels of images instead, right where the image has the label.
 */
export interface ReliabilityBin {
  /** Least score. */
  readonly from: number;
  /** Scores are below this, or equal in the last bin. */
  readonly to: number;
  /** Images in this bin, or labels of images. */
  readonly images: number;
  /** Mean of their scores. */
  readonly confidence: number;
  /** Part of them that was right. */
  readonly accuracy: number;
}

/** What sure predictions are worth. */
export interface SureMetrics {
  /** The score from which on a prediction is sure, 0…1. */
  readonly score: number;
  /** Part of the images whose best prediction is sure, 0…1. */
  readonly share: number;
  /** Part of these images whose label is right, 0…1; `NaN` if there are none. */
  readonly accuracy: number;
}

/** Results of all images. */
export interface Metrics {
  /** Images that were classified. */
  readonly images: number;
  /** Part of the images whose best label is right, 0…1. */
  readonly top1: number;
  /** Part of the images with the right label among the best five, 0…1. */
  readonly top5: number;
  /**
   * Mean of `-ln` of the true class's probability; where each label has its own, of the probability that was
   * given to what is true of each label and image: that the image has it, or has not.
   */
  readonly crossEntropy: number;
  /** Where each label has a score of its own: the mean over the classes that have images. */
  readonly meanAveragePrecision?: number | undefined;
  /** Expected calibration error (Guo et al., 2017, arXiv 1706.04599, equation 3), 15 bins, 0…1. */
  readonly calibrationError: number;
  /** Where the classifier says from which score on it is sure. */
  readonly sure?: SureMetrics | undefined;
  /** The bins of the calibration error. */
  readonly reliability: readonly ReliabilityBin[];
  /** In the order of the labels. */
  readonly classes: readonly ClassMetrics[];
  /** `[true][predicted]`: number of images; the predicted label is that with the best score. */
  readonly confusion: readonly (readonly number[])[];
}

const BINS = 15;
/** A probability below this is counted as this, so that one image cannot make the mean infinite. */
const LEAST = 1e-12;
/** From which score on an image is given a label, where each has a score of its own. */
const GIVEN = 0.5;

/**
 * Counts records together.
 *
 * @param multiLabel Whether each label has a score of its own.
 * @param sureScore The score from which on a best prediction is sure, if the classifier has one.
 * @throws {RangeError} If a record is of other classes than `labels`, or of another kind of scores.
 */
export function metricsOf(
  records: readonly EvaluationRecord[],
  labels: readonly string[],
  multiLabel: boolean = false,
  sureScore?: number,
): Metrics {
  const images = records.length;
  const confusion = labels.map(() => new Array<number>(labels.length).fill(0));
  const found5 = labels.map(() => 0);
  for (const { file, label, top, scores } of records) {
    const row = confusion[label], best = top[0]?.index ?? -1;
    const isOfThese = multiLabel ? scores?.length === labels.length : scores === undefined;
    if (row?.[best] === undefined || !isOfThese) {
      const kind = multiLabel ? ", each with a score of its own" : "";
      throw new RangeError(
        `The record of ${file} is of another model: expected one of ${labels.length} classes${kind}`,
      );
    }
    row[best]!++;
    if (top.some(({ index }) => index === label)) found5[label]!++;
  }
  const reliability = reliabilityOf(judgedOf(records, multiLabel));
  const judged = sum(reliability.map(({ images }) => images));
  const classes = labels.map((label, c) => {
    const images = sum(confusion[c]!);
    const own = { label, images, top5: found5[c]! / images };
    if (multiLabel) return { ...own, ...ownMetrics(records, c) };
    const right = confusion[c]![c]!, given = sum(confusion.map((row) => row[c]!));
    return { ...own, recall: right / images, precision: right / given };
  });
  return {
    images,
    top1: sum(confusion.map((row, c) => row[c]!)) / images,
    top5: sum(found5) / images,
    crossEntropy: crossEntropyOf(records, multiLabel),
    ...multiLabel ? { meanAveragePrecision: meanOf(classes) } : {},
    calibrationError: sum(
      reliability.map((bin) =>
        bin.images === 0 ? 0 : bin.images / judged * Math.abs(bin.accuracy - bin.confidence)
      ),
    ),
    reliability,
    ...sureScore === undefined ? {} : { sure: sureMetrics(records, labels, sureScore) },
    classes,
    confusion,
  };
}

function sureMetrics(
  records: readonly EvaluationRecord[],
  labels: readonly string[],
  score: number,
): SureMetrics {
  const sure = records.filter(({ top: [best] }) =>
    best !== undefined && isSure({ label: labels[best.index]!, score: best.score }, score)
  );
  const right = sure.filter(({ label, top: [best] }) => best!.index === label);
  return {
    score,
    share: sure.length / records.length,
    accuracy: right.length / sure.length,
  };
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** A score, and whether what it is for is true of the image. */
interface Judged {
  readonly score: number;
  readonly isRight: boolean;
}

/** The best label of each image, or each of its labels, where they have their own scores. */
function* judgedOf(records: readonly EvaluationRecord[], multiLabel: boolean): Generator<Judged> {
  for (const { label, top, scores } of records) {
    const ranked = multiLabel ? scores!.map((score, index) => ({ score, index })) : [top[0]!];
    for (const { score, index } of ranked) yield { score, isRight: index === label };
  }
}

function crossEntropyOf(records: readonly EvaluationRecord[], multiLabel: boolean): number {
  let total = 0, count = 0;
  const add = (truth: number): void => {
    total -= Math.log(Math.max(truth, LEAST));
    count++;
  };
  for (const { label, score, scores } of records) {
    if (!multiLabel) add(score);
    else scores!.forEach((own, index) => add(index === label ? own : 1 - own));
  }
  return total / count;
}

/** What a class's own scores are worth, by themselves. */
function ownMetrics(
  records: readonly EvaluationRecord[],
  c: number,
): Pick<ClassMetrics, "recall" | "precision" | "averagePrecision"> {
  const judged = records
    .map(({ label, scores }): Judged => ({ score: scores![c]!, isRight: label === c }))
    .sort((a, b) => b.score - a.score);
  const given = judged.filter(({ score }) => score >= GIVEN);
  const right = given.filter(({ isRight }) => isRight).length;
  const images = judged.filter(({ isRight }) => isRight).length;
  return {
    recall: right / images,
    precision: right / given.length,
    averagePrecision: averagePrecision(judged) / images,
  };
}

/** The sum of the precisions at each image that has the label; equal scores are taken together. */
function averagePrecision(judged: readonly Judged[]): number {
  let right = 0, total = 0, waiting = 0;
  judged.forEach(({ score, isRight }, n) => {
    if (isRight) waiting++;
    if (judged[n + 1]?.score === score) return;
    right += waiting;
    total += waiting * right / (n + 1);
    waiting = 0;
  });
  return total;
}

function meanOf(classes: readonly ClassMetrics[]): number {
  const known = classes.filter(({ images }) => images > 0);
  return sum(known.map(({ averagePrecision = NaN }) => averagePrecision)) / known.length;
}

function reliabilityOf(judged: Iterable<Judged>): ReliabilityBin[] {
  const bins = Array.from({ length: BINS }, () => ({ images: 0, scores: 0, right: 0 }));
  for (const { score, isRight } of judged) {
    const bin = bins[Math.min(BINS - 1, Math.floor(score * BINS))]!;
    bin.images++;
    bin.scores += score;
    if (isRight) bin.right++;
  }
  return bins.map(({ images, scores, right }, i) => ({
    from: i / BINS,
    to: (i + 1) / BINS,
    images,
    confidence: scores / images,
    accuracy: right / images,
  }));
}

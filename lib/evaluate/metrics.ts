/** What predictions are worth: accuracy, confusion, calibration. */

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
}

/** Results of one class. */
export interface ClassMetrics {
  /** The class. */
  readonly label: string;
  /** Images of this class. */
  readonly images: number;
  /** Part of the class's images that were found, 0…1; `NaN` if there are none. */
  readonly recall: number;
  /** Part of the images given this label that have it, 0…1; `NaN` if there are none. */
  readonly precision: number;
  /** Part of the class's images with it among the best five. */
  readonly top5: number;
}

/** One bin of the reliability diagram: images whose best score is in `[from, to)`. */
export interface ReliabilityBin {
  /** Least score. */
  readonly from: number;
  /** Scores are below this, or equal in the last bin. */
  readonly to: number;
  /** Images in this bin. */
  readonly images: number;
  /** Mean of the best scores. */
  readonly confidence: number;
  /** Part of the images that was right. */
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
  /** Mean of `-ln` of the true class's probability. */
  readonly crossEntropy: number;
  /** Expected calibration error (Guo et al., 2017, arXiv 1706.04599, equation 3), 15 bins, 0…1. */
  readonly calibrationError: number;
  /** The bins of the calibration error. */
  readonly reliability: readonly ReliabilityBin[];
  /** In the order of the labels. */
  readonly classes: readonly ClassMetrics[];
  /** `[true][predicted]`: number of images. */
  readonly confusion: readonly (readonly number[])[];
}

const BINS = 15;
/** A probability below this is counted as this, so that one image cannot make the mean infinite. */
const LEAST = 1e-12;

/**
 * Counts records together.
 *
 * @throws {RangeError} If a record is of other classes than `labels`.
 */
export function metricsOf(
  records: readonly EvaluationRecord[],
  labels: readonly string[],
): Metrics {
  const counts = labels.map((label) => {
    return { label, predicted: new Array<number>(labels.length).fill(0), found5: 0 };
  });
  let crossEntropy = 0;
  for (const { file, label, top, score } of records) {
    const count = counts[label], best = top[0]?.index ?? -1;
    if (count?.predicted[best] === undefined) {
      throw new RangeError(`The record of ${file} is of other classes: expected ${labels.length}`);
    }
    count.predicted[best]++;
    if (top.some(({ index }) => index === label)) count.found5++;
    crossEntropy -= Math.log(Math.max(score, LEAST));
  }
  const images = records.length;
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const classes = counts.map(({ label, predicted, found5 }, c) => {
    const images = sum(predicted), right = predicted[c]!;
    const given = sum(counts.map(({ predicted }) => predicted[c]!));
    return {
      label,
      images,
      recall: right / images,
      precision: right / given,
      top5: found5 / images,
    };
  });
  const reliability = reliabilityOf(records);
  return {
    images,
    top1: sum(counts.map(({ predicted }, c) => predicted[c]!)) / images,
    top5: sum(counts.map(({ found5 }) => found5)) / images,
    crossEntropy: crossEntropy / images,
    calibrationError: sum(
      reliability.map((bin) =>
        bin.images === 0 ? 0 : bin.images / images * Math.abs(bin.accuracy - bin.confidence)
      ),
    ),
    reliability,
    classes,
    confusion: counts.map(({ predicted }) => predicted),
  };
}

function reliabilityOf(records: readonly EvaluationRecord[]): ReliabilityBin[] {
  const bins = Array.from({ length: BINS }, () => ({ images: 0, scores: 0, right: 0 }));
  for (const { label, top } of records) {
    const { index, score } = top[0]!;
    const bin = bins[Math.min(BINS - 1, Math.floor(score * BINS))]!;
    bin.images++;
    bin.scores += score;
    if (index === label) bin.right++;
  }
  return bins.map(({ images, scores, right }, i) => ({
    from: i / BINS,
    to: (i + 1) / BINS,
    images,
    confidence: scores / images,
    accuracy: right / images,
  }));
}

/**
 * Classifies labeled images, and keeps what was found, so that work which was interrupted goes on where
 * it stopped.
 */

import type { ImageClassifier } from "../classifier.ts";
import type { ImageOptions, LazyImage } from "../image/image.ts";
import { checkOptions, EVALUATE_OPTIONS, pickOptions, PREPARE_OPTIONS } from "../options.ts";
import { stoppable } from "../input/batches.ts";
import {
  classOf,
  type IndexedSample,
  type LabeledImages,
  namedSamples,
  type Sample,
} from "../input/dataset.ts";
import { imageError } from "../input/image_error.ts";
import { type SkippedSample, SkippedSamples } from "../input/skipped_samples.ts";
import type { NamedImage } from "../input/prepared_image.ts";
import { type ProgressOptions, ProgressTeller } from "../progress.ts";
import type { Prediction } from "../output/predictions.ts";
import { publicText } from "../public_url.ts";
import { type EvaluationRecord, type Metrics, metricsOf } from "./metrics.ts";
import type { ViewOptions } from "../input/views.ts";

/** Options of {@linkcode evaluate}. */
export interface EvaluateOptions extends ViewOptions, ImageOptions, ProgressOptions {
  /**
   * Records of an earlier run of the same classifier: their images are not classified again, unless they have another
   * class now. Those of images that are not among the samples do not count.
   */
  readonly known?: readonly EvaluationRecord[] | undefined;
  /** Called with new records as they come, and waited for. */
  readonly onRecords?: ((records: readonly EvaluationRecord[]) => void | Promise<void>) | undefined;
  /** Called when an image cannot be read; it is left out. Default: the error is thrown, with its place. */
  readonly onError?: ((file: string, error: unknown) => void) | undefined;
}

/** What an evaluation found. */
export interface Evaluation {
  /** What the indices of the records stand for. */
  readonly labels: readonly string[];
  /** One per image that could be read, in the order of the samples. */
  readonly records: readonly EvaluationRecord[];
  /** All records, counted together. */
  readonly metrics: Metrics;
  /** What the classifier's logits were divided by before they became scores, where it says so. */
  readonly temperature?: number | undefined;
  /** How many images could not be read. */
  readonly failed: number;
  /** These images, and why. */
  readonly skipped: readonly SkippedSample[];
  /** Images a second, with decoding, over what was classified now; `NaN` if nothing was. */
  readonly imagesPerSecond: number;
}

const TOP = 5;

/**
 * Evaluates a classifier on labeled images, each of which is read once; several together by `fuse()`.
 *
 * A sample has one class. Where each label of the classifier has a score of its own, an image may well show
 * more: whatever a sample does not name counts as not there.
 *
 * Where a sample tells its class by an index, that is one of the classifier's classes; in a dataset, which
 * `listSamples()` gives, one of its own labels.
 *
 * @throws {RangeError} If an option is unknown or out of range, a sample's label is no class of the
 *   classifier's, or there is nothing to evaluate: no sample, or none that could be read.
 * @throws {ImageDecodeError} If an image cannot be read and there is no `onError`.
 */
export async function evaluate(
  classifier: ImageClassifier,
  data: Iterable<Sample> | AsyncIterable<Sample> | LabeledImages,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  checkOptions(EVALUATE_OPTIONS, options);
  const { classes, multiLabel, temperature, sureScore } = classifier.info;
  const labels = classes.map(({ label }) => label);
  const known = new Map(options.known?.map((record) => [record.file, record]));
  const records: EvaluationRecord[] = [];
  // Sums of floats depend on the order of the records, whoever found them.
  const position = new Map<string, number>();
  const samples = "labels" in data ? namedSamples(data, classes, options.signal) : data;
  const listed = "labels" in data ? data.samples : data;
  const left = new SkippedSamples(labels);
  let seen = 0;
  const waiting: IndexedSample[] = [];
  const images = async function* (): AsyncGenerator<NamedImage<LazyImage>> {
    for await (const sample of stoppable(samples, options.signal)) {
      position.set(sample.file, seen++);
      const label = classOf(sample, classes), record = known.get(sample.file);
      if (record?.label === label) {
        records.push(record);
        continue;
      }
      waiting.push({ ...sample, label });
      yield { name: publicText(sample.file), image: sample.image ?? sample.file };
    }
  };
  const start = performance.now();
  let found = 0;
  const about = { stage: "evaluate", unit: "images" } as const;
  const total = Array.isArray(listed) ? listed.length : undefined;
  const progress = new ProgressTeller(options, about, total);
  progress.reach(0);
  const looking = { ...pickOptions(PREPARE_OPTIONS, options), topK: Infinity };
  for await (const { predictions, error } of classifier.stream(images(), looking)) {
    const sample = waiting.shift()!;
    if (error === undefined) {
      const record = recordOf(sample, predictions, multiLabel);
      records.push(record);
      found++;
      await options.onRecords?.([record]);
    } else {
      const index = position.get(sample.file)!, name = error.image;
      if (options.onError === undefined) throw imageError(error.cause, { index, name });
      left.add(sample, error.cause);
      options.onError(sample.file, error.cause);
    }
    progress.reach(position.get(sample.file)! + 1);
  }
  progress.reach(seen);
  progress.end();
  const skipped = left.list, failed = skipped.length;
  if (records.length === 0) {
    throw new RangeError(
      failed === 0 ? "There are no images to evaluate" : `None of ${failed} images could be read`,
    );
  }
  const seconds = (performance.now() - start) / 1000;
  records.sort((a, b) => position.get(a.file)! - position.get(b.file)!);
  return {
    labels,
    records,
    metrics: metricsOf(records, labels, multiLabel, sureScore),
    ...temperature === undefined ? {} : { temperature },
    ...{ failed, skipped },
    imagesPerSecond: found === 0 ? NaN : found / seconds,
  };
}

/**
 * What a record holds of an image.
 *
 * @param predictions Those of all classes, best first.
 */
export function recordOf(
  { file, label }: Pick<IndexedSample, "file" | "label">,
  predictions: readonly Prediction[],
  multiLabel: boolean | undefined,
): EvaluationRecord {
  const top = predictions.slice(0, TOP).map(({ index, score }) => ({ index, score }));
  const scores: number[] = [];
  for (const { index, score } of predictions) scores[index] = score;
  const record = { file, label, top, score: scores[label]! };
  return multiLabel ? { ...record, scores } : record;
}

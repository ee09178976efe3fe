/**
 * Classifies labeled images, and keeps what was found, so that work which was interrupted goes on where
 * it stopped.
 */

import type { ImageClassifier } from "../classifier.ts";
import type { ImageOptions, Pixels, ReadImageOptions } from "../image/image.ts";
import { readImage } from "../image/read.ts";
import { checkOptions, EVALUATE_OPTIONS, pickOptions, PREPARE_OPTIONS } from "../options.ts";
import { inBatches, stoppable } from "../input/batches.ts";
import {
  classOf,
  type IndexedSample,
  type LabeledImages,
  namedSamples,
  openSample,
  type Sample,
} from "../input/dataset.ts";
import { readingFor } from "../input/prepared_image.ts";
import { type ProgressOptions, ProgressTeller } from "../progress.ts";
import { checkScores } from "../output/predictions.ts";
import { type EvaluationRecord, type Metrics, metricsOf } from "./metrics.ts";
import type { ViewOptions } from "../input/views.ts";

/** Options of {@linkcode evaluate}. */
export interface EvaluateOptions extends ViewOptions, ImageOptions, ProgressOptions {
  /** Records of an earlier run: their images are not classified again. */
  readonly known?: readonly EvaluationRecord[] | undefined;
  /** Called with each new batch of records, before the next one begins. */
  readonly onRecords?: ((records: readonly EvaluationRecord[]) => void | Promise<void>) | undefined;
  /** Called when an image cannot be read; it is left out. Default: the error is thrown. */
  readonly onError?: ((file: string, error: unknown) => void) | undefined;
}

/** What an evaluation found. */
export interface Evaluation {
  /** What the indices of the records stand for. */
  readonly labels: readonly string[];
  /** One per image that could be read, known ones first. */
  readonly records: readonly EvaluationRecord[];
  /** All records, counted together. */
  readonly metrics: Metrics;
  /** What the classifier's logits were divided by before they became scores, where it says so. */
  readonly temperature?: number | undefined;
  /** Images that could not be read. */
  readonly failed: number;
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
 * @throws {RangeError} If an option is unknown or out of range, or a sample's label is no class of the
 *   classifier's.
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
  const records = [...options.known ?? []];
  const known = new Set(records.map(({ file }) => file));
  // By name: sums of floats depend on the order of the records, whoever found them.
  const position = new Map<string, number>();
  const samples = "labels" in data ? namedSamples(data, classes, options.signal) : data;
  const listed = "labels" in data ? data.samples : data;
  let seen = 0, failed = 0;
  const left = async function* (): AsyncGenerator<IndexedSample> {
    for await (const sample of stoppable(samples, options.signal)) {
      position.set(sample.file, seen++);
      if (!known.has(sample.file)) yield { ...sample, label: classOf(sample, classes) };
    }
  };
  const start = performance.now(), before = records.length;
  const about = { stage: "evaluate", unit: "images" } as const;
  const total = Array.isArray(listed) ? listed.length : undefined;
  const progress = new ProgressTeller(options, about, total);
  progress.reach(0);
  const onError = options.onError && ((file: string, error: unknown): void => {
    failed++;
    options.onError?.(file, error);
  });
  const images = readSamples(left(), readingFor(classifier, options), onError);
  const looking = pickOptions(PREPARE_OPTIONS, options);
  for await (const batch of inBatches(images, ({ image }) => image.data.length)) {
    const scores = await classifier.scores(batch.map(({ image }) => image), looking);
    const found = batch.map(({ sample }, n) =>
      recordOf(sample, checkScores(scores[n]!), multiLabel)
    );
    records.push(...found);
    await options.onRecords?.(found);
    progress.reach(seen);
  }
  progress.reach(seen);
  progress.end();
  const seconds = (performance.now() - start) / 1000, now = records.length - before;
  records.sort((a, b) => (position.get(a.file) ?? -1) - (position.get(b.file) ?? -1));
  return {
    labels,
    records,
    metrics: metricsOf(records, labels, multiLabel, sureScore),
    ...temperature === undefined ? {} : { temperature },
    failed,
    imagesPerSecond: now === 0 ? NaN : now / seconds,
  };
}

function recordOf(
  { file, label }: IndexedSample,
  scores: Float64Array,
  multiLabel: boolean | undefined,
): EvaluationRecord {
  const ranked = Array.from(scores, (score, index) => ({ index, score }))
    .sort((a, b) => b.score - a.score || a.index - b.index);
  const record = { file, label, top: ranked.slice(0, TOP), score: scores[label]! };
  return multiLabel ? { ...record, scores: [...scores] } : record;
}

interface OpenSample {
  readonly sample: IndexedSample;
  readonly image: Pixels;
}

async function* readSamples(
  samples: AsyncIterable<IndexedSample>,
  reading: ReadImageOptions,
  onError: EvaluateOptions["onError"],
): AsyncGenerator<OpenSample> {
  const { signal } = reading;
  for await (const sample of samples) {
    signal?.throwIfAborted();
    let image: Pixels;
    try {
      image = await readImage(await openSample(sample, signal), reading);
    } catch (error) {
      signal?.throwIfAborted();
      if (onError === undefined) throw error;
      onError(sample.file, error);
      continue;
    }
    yield { sample, image };
  }
}

/** Classifiers that are made of something that gives scores. */

import { Calls } from "../calls.ts";
import type {
  ClassifyOptions,
  ImageClassifier,
  PrepareOptions,
  StreamOptions,
} from "../classifier.ts";
import type { VggError } from "../errors.ts";
import { holdDecoders } from "../image/decode.ts";
import type { Pixels } from "../image/image.ts";
import { readImage } from "../image/read.ts";
import { MAX_IMAGES } from "../input/batches.ts";
import { andThen, resultsOf, settled, streamOf, type Work } from "../input/each_image.ts";
import type { ManyOptions } from "../input/image_error.ts";
import { type Images, type Input, PreparedImage, readingFor } from "../input/prepared_image.ts";
import { classesOf, type ClassInfo } from "../model/classes.ts";
import {
  checkOptions,
  CLASSIFIER_PARTS,
  IMAGE_OPTIONS,
  MANY_OPTIONS,
  pickOptions,
  PROGRESS_OPTION,
  SELECTION_OPTIONS,
  type Table,
} from "../options.ts";
import {
  checkScores,
  checkSelection,
  type Prediction,
  selectPredictions,
} from "../output/predictions.ts";

/** What {@linkcode classifierFrom} makes a classifier of. */
export interface ClassifierParts<Label extends string = string> {
  /** Of its classes, in the order of the scores. */
  readonly labels: readonly Label[];
  /**
   * Gives a row of scores for each of some images, which are RGB: for each label its probability, 0…1.
   * There are at most 32 images at a time.
   */
  readonly scores: (
    images: readonly Pixels[],
    options: ScoresOptions,
  ) => ScoreRows | Promise<ScoreRows>;
  /** What it is called. Default: `custom`. */
  readonly model?: string | undefined;
  /** Whether each label has a score of its own, as more than one may be right. Default: `false`. */
  readonly multiLabel?: boolean | undefined;
  /** The score from which on a first prediction is sure, 0…1. Default: none says whether it is. */
  readonly sureScore?: number | undefined;
  /** Frees what `scores` uses; called once, by `close()`, when nothing runs any more. */
  readonly close?: (() => void | Promise<void>) | undefined;
  /** Settles once `scores` can no longer succeed. Default: never. */
  readonly lost?: Promise<VggError> | undefined;
}

/** What {@linkcode ClassifierParts.scores} gets beside the images. */
export interface ScoresOptions {
  /** Aborts once nobody waits for the scores. */
  readonly signal?: AbortSignal | undefined;
}

/** A row for each image: a score for each class, in their order. */
export type ScoreRows = readonly ArrayLike<number>[];

/**
 * Makes a classifier of a function that gives scores: another network, or what a test wants to hear. It
 * can be served, evaluated and fused as a `Classifier` can.
 *
 * It takes the options of images and of predictions; how an image is looked at (`crops`, `scales`,
 * `flip`) is the function's own matter, and refused.
 *
 * @example
 * ```ts
 * import { classifierFrom } from "@edge/vgg16";
 *
 * const classifier = classifierFrom({
 *   labels: ["day", "night"],
 *   scores: (images) =>
 *     images.map(({ data }) => {
 *       const brightness = data.reduce((sum, value) => sum + value, 0) / data.length / 255;
 *       return [brightness, 1 - brightness];
 *     }),
 * });
 * const [best] = await classifier.classify("tests/data/photos/rocket.jpg");
 * console.log(best.label); // night
 * ```
 *
 * @throws {TypeError} If there are no labels or no function.
 * @throws {RangeError} If a name is unknown, or `sureScore` is out of range. Calls throw one if the rows are
 *   not one per image, or not a score per label, 0…1.
 */
export function classifierFrom<const Label extends string>(
  parts: ClassifierParts<Label>,
): ImageClassifier<Label> {
  checkOptions(CLASSIFIER_PARTS, parts);
  const { labels, scores, model = "custom", multiLabel = false, sureScore, close, lost } = parts;
  if (labels === undefined || scores === undefined) {
    throw new TypeError("Expected a classifier of { labels, scores }");
  }
  return composed<Label>({
    model,
    classes: classesOf({ labels }) as ClassInfo<Label>[], // Their labels are these.
    multiLabel,
    sureScore,
    table: IMAGE_OPTIONS,
    scores: async (images, { signal }) => {
      const rows = await scores(images, { signal });
      checkRows(rows, images.length, labels.length);
      for (const row of rows) checkProbabilities(row);
      return rows.map((row) => settled(() => checkScores(Float64Array.from(row))));
    },
    close,
    lost,
  });
}

function checkRows(rows: ScoreRows, images: number, classes: number): void {
  const isRow = (row: unknown): boolean =>
    typeof row === "object" && row !== null && "length" in row && row.length === classes;
  if (Array.isArray(rows) && rows.length === images && rows.every(isRow)) return;
  const found = Array.isArray(rows)
    ? `${rows.length} of lengths ${[...new Set(rows.map((row) => row?.length))].join(", ")}`
    : typeof rows;
  throw new RangeError(
    `scores() must give a row for each of ${images} images, of ${classes} scores: found ${found}`,
  );
}

/** How far above 1 a probability may come out as sums are rounded, in float32. */
const ROUNDING = 1e-6;

/** What is not finite is another error, which says so. */
function checkProbabilities(row: ArrayLike<number>): void {
  const index = Array.from(row).findIndex((p) => Number.isFinite(p) && (p < 0 || p > 1 + ROUNDING));
  if (index < 0) return;
  throw new RangeError(
    `scores() must give probabilities, 0 to 1: found ${
      row[index]
    } for class ${index}. Logits go through ` +
      "a soft-max or a sigmoid first",
  );
}

/** What a classifier that gives scores is made of. */
interface Composition<Label extends string> {
  readonly model: string;
  readonly classes: readonly ClassInfo<Label>[];
  readonly multiLabel: boolean;
  readonly sureScore: number | undefined;
  /** The options that its `scores()` takes. */
  readonly table: Table;
  /** Probabilities of all classes of each of some images, or why it has none. */
  readonly scores: (
    images: readonly Pixels[],
    options: PrepareOptions,
  ) => Promise<readonly PromiseSettledResult<Float64Array>[]>;
  readonly close?: (() => void | Promise<void>) | undefined;
  /** Whose scores it gives: closed by somebody else, they end it. */
  readonly members?: readonly ImageClassifier[];
  readonly lost?: Promise<VggError> | undefined;
}

/** Makes a classifier that decodes images, a few at a time, and has them scored. */
export function composed<Label extends string>(
  { model, classes, multiLabel, sureScore, table, scores, close, members, lost }: Composition<
    Label
  >,
): ImageClassifier<Label> {
  const calls = new Calls("classifier"), decoders = holdDecoders();
  const scoresTable: Table = { ...table, ...MANY_OPTIONS };
  const classifyTable: Table = { ...SELECTION_OPTIONS, ...scoresTable };
  const streamTable: Table = { ...SELECTION_OPTIONS, ...table, ...PROGRESS_OPTION };

  function scoring(options: PrepareOptions): Work<Pixels, Float64Array> {
    const reading = readingFor(classifier, options);
    return {
      prepare: (image, signal) => {
        if (!(image instanceof PreparedImage)) return readImage(image, { ...reading, signal });
        throw new RangeError(
          `The image was prepared for the model ${image.model}: give ${model} the image itself`,
        );
      },
      compute: (images, signal) => scores(images, { ...pickOptions(table, options), signal }),
      most: MAX_IMAGES,
      bytesOf: ({ data }) => data.length,
    };
  }

  function predicting(options: ClassifyOptions): Work<Pixels, Prediction<Label>[]> {
    const selection = checkSelection(options, classes);
    return andThen(scoring(options), (row) => selectPredictions(row, selection, classifier.info));
  }

  async function classify(images: Input | Images, options: ClassifyOptions & ManyOptions = {}) {
    checkOptions<object>(classifyTable, options);
    const work = predicting(options);
    return await calls.run(() => resultsOf(images, work, options));
  }

  async function scoresOf(images: Input | Images, options: PrepareOptions & ManyOptions = {}) {
    checkOptions<object>(scoresTable, options);
    const work = scoring(options);
    return await calls.run(() => resultsOf(images, work, options));
  }

  function stream(images: Images, options: StreamOptions = {}) {
    checkOptions<object>(streamTable, options);
    return streamOf(images, "predictions", predicting(options), calls, options, "classify");
  }

  const classifier: ImageClassifier<Label> = {
    info: { model, classes, multiLabel, ...sureScore === undefined ? {} : { sureScore } },
    members,
    // As overloads have it: one result of one image, and many of many.
    classify: classify as unknown as ImageClassifier<Label>["classify"],
    scores: scoresOf as ImageClassifier<Label>["scores"],
    stream: stream as ImageClassifier<Label>["stream"],
    lost: lost ?? new Promise<never>(() => {}),
    get closed() {
      return calls.closed || members?.some(({ closed }) => closed) === true;
    },
    async close() {
      await calls.close(async () => {
        await decoders[Symbol.asyncDispose]();
        await close?.();
      });
    },
    [Symbol.asyncDispose]: () => classifier.close(),
  };
  return classifier;
}

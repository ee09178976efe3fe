/** Several models as one: their soft-maxes are averaged (arXiv 1409.1556, section 4.4). */

import type { ImageInput, ImageOptions } from "../image/image.ts";
import { readImage } from "../image/read.ts";
import {
  checkOptions,
  CLASSIFY_OPTIONS,
  IMAGE_OPTIONS,
  pickOptions,
  PREPARE_OPTIONS,
} from "../options.ts";
import {
  checkSelection,
  type Prediction,
  type SelectionOptions,
  selectPredictions,
} from "../output/predictions.ts";
import type { ClassInfo } from "../model/classes.ts";
import type { Architecture } from "../model/architecture.ts";
import type { Preprocessing } from "../model/model.ts";
import { scalesOf, type ViewOptions } from "../input/views.ts";

/** What gives images probabilities: a `Classifier`. */
export interface Scorer {
  /** The model, and its classes in the order of the probabilities. */
  readonly info: {
    readonly model: string;
    readonly classes: readonly ClassInfo[];
    readonly architecture: Architecture;
    readonly preprocessing: Preprocessing;
  };
  /** Probabilities of all classes, of each image. */
  scores(
    images: readonly ImageInput[],
    options?: ViewOptions & ImageOptions,
  ): Promise<Float64Array[]>;
}

/**
 * Classifies images with several models together, each image decoded once.
 *
 * @throws {TypeError} If there is no classifier, or `allow` and `deny` are both given.
 * @throws {RangeError} If the models differ in their labels, or an option is out of range.
 * @throws {ImageDecodeError} If an image is damaged or of an unknown format.
 * @throws {ImageTooLargeError} If an image has more pixels than allowed.
 *
 * @example
 * ```ts
 * import { fuse, loadClassifier } from "@edge/vgg16";
 *
 * await using a = await loadClassifier({ backend: "wasm" });
 * await using b = await loadClassifier({ backend: "wasm", precision: "float" });
 * const [[best]] = await fuse([a, b], ["tests/data/photos/cat.png"]);
 * console.log(best.label); // cat
 * ```
 */
export async function fuse(
  classifiers: readonly Scorer[],
  images: readonly ImageInput[],
  options: SelectionOptions & ViewOptions & ImageOptions = {},
): Promise<Prediction[][]> {
  checkOptions(CLASSIFY_OPTIONS, options);
  const classes = fusedClasses(classifiers);
  const selection = checkSelection(options, classes);
  const scores = await fusedScores(classifiers, images, options);
  return scores.map((row) => selectPredictions(row, selection, classes));
}

/** The classes that all models share. */
export function fusedClasses(classifiers: readonly Scorer[]): readonly ClassInfo[] {
  const [first, ...others] = classifiers.map(({ info }) => info);
  if (first === undefined) throw new TypeError("Expected at least one classifier: found none");
  for (const info of others) {
    const index = first.classes.findIndex(({ label }, i) => info.classes[i]?.label !== label);
    if (index >= 0 || info.classes.length !== first.classes.length) {
      const label = (classes: readonly ClassInfo[]): string => `"${classes[index]?.label}"`;
      throw new RangeError(
        `Only models with the same labels can be fused: ${first.model} has ${first.classes.length}, ` +
          `${info.model} has ${info.classes.length}` +
          (index >= 0
            ? `; number ${index} is ${label(first.classes)} and ${label(info.classes)}`
            : ""),
      );
    }
  }
  return first.classes;
}

/** The shorter side in pixels that the largest scale of the models needs. */
export function shorterSideOf(classifiers: readonly Scorer[], options: ViewOptions): number {
  return Math.max(...classifiers.flatMap(({ info }) => scalesOf(info, options)));
}

/** Probabilities of all classes, of each image. What else is in the options is left out. */
export async function fusedScores(
  classifiers: readonly Scorer[],
  images: readonly ImageInput[],
  given: ViewOptions & ImageOptions,
): Promise<Float64Array[]> {
  const options = pickOptions(PREPARE_OPTIONS, given);
  const [only, ...others] = classifiers;
  if (only !== undefined && others.length === 0) return await only.scores(images, options);
  const shorterSide = shorterSideOf(classifiers, options);
  const decoded = await Promise.all(
    images.map((image) =>
      readImage(image, { ...pickOptions(IMAGE_OPTIONS, options), shorterSide })
    ),
  );
  let sums: Float64Array[] = [];
  for (const classifier of classifiers) {
    const scores = await classifier.scores(decoded, options);
    sums = scores.map((row, n) => row.map((p, c) => (sums[n]?.[c] ?? 0) + p));
  }
  return sums.map((row) => row.map((sum) => sum / classifiers.length));
}

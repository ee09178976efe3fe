/** Several models as one: their scores are averaged (arXiv 1409.1556, section 4.4). */

import type { ImageClassifier } from "../classifier.ts";
import { settled } from "../input/each_image.ts";
import { type ImageError, withoutPlace } from "../input/image_error.ts";
import { readingFor, tellNeeds } from "../input/prepared_image.ts";
import { PREPARE_OPTIONS } from "../options.ts";
import { composed } from "./classifier_from.ts";

/**
 * Makes one classifier of several: each image is decoded once, all of them look at it, and their
 * probabilities are averaged, each made at its own temperature. They stay the caller's: closing the result
 * closes none of them. A first prediction is sure from the highest `sureScore` of theirs on, if all have one.
 *
 * @throws {TypeError} If there is no classifier.
 * @throws {RangeError} If they differ in their labels, or in whether each of these has a score of its own.
 *
 * @example
 * ```ts
 * import { fuse, loadClassifier } from "@edge/vgg16";
 *
 * await using a = await loadClassifier({ backend: "wasm" });
 * await using b = await loadClassifier({ backend: "wasm", precision: "float" });
 * const [best] = await fuse([a, b]).classify("tests/data/photos/cat.png");
 * console.log(best.label); // tabby cat
 * ```
 */
export function fuse<Label extends string>(
  classifiers: readonly ImageClassifier<Label>[],
): ImageClassifier<Label> {
  const [first, ...others] = classifiers;
  if (first === undefined) throw new TypeError("Expected at least one classifier: found none");
  for (const other of others) {
    checkSameLabels(first, other);
    checkSameScores(first, other);
  }
  const fused = composed<Label>({
    model: classifiers.map(({ info }) => info.model).join(" + "),
    classes: first.info.classes,
    multiLabel: first.info.multiLabel === true,
    sureScore: sureScoreOf(classifiers),
    table: PREPARE_OPTIONS,
    scores: async (images, options) => {
      const found: (Float64Array | ImageError)[][] = [];
      for (const classifier of classifiers) {
        found.push(await classifier.scores(images, { ...options, onError: "return" }));
      }
      return images.map((_, n) => settled(() => meanOf(found.map((rows) => rows[n]!))));
    },
    members: classifiers,
    lost: Promise.race(classifiers.map(({ lost }) => lost)),
  });
  tellNeeds(fused, (views) => {
    const needs = classifiers.map((classifier) => readingFor(classifier, views));
    const shorterSide = Math.max(...needs.map(({ shorterSide = Infinity }) => shorterSide));
    return {
      shorterSide: Number.isFinite(shorterSide) ? shorterSide : undefined,
      offline: needs.some(({ offline }) => offline),
    };
  });
  return fused;
}

/** The mean of what the members say of one image. */
function meanOf(rows: readonly (Float64Array | ImageError)[]): Float64Array {
  const sums: number[] = [];
  for (const row of rows) {
    if (row instanceof Error) throw withoutPlace(row); // That in the batch, which nobody knows.
    row.forEach((score, c) => sums[c] = (sums[c] ?? 0) + score);
  }
  return Float64Array.from(sums, (sum) => sum / rows.length);
}

/**
 * The highest of the members', if all have one: where the mean of their scores reaches it, so does the score
 * of one member at least, and with it that member's own `sureScore`.
 */
function sureScoreOf(classifiers: readonly ImageClassifier[]): number | undefined {
  const scores = classifiers.map(({ info }) => info.sureScore);
  return scores.every((score) => score !== undefined) ? Math.max(...scores) : undefined;
}

function checkSameLabels({ info: a }: ImageClassifier, { info: b }: ImageClassifier): void {
  const index = a.classes.findIndex(({ label }, i) => b.classes[i]?.label !== label);
  if (index < 0 && a.classes.length === b.classes.length) return;
  throw new RangeError(
    `Only models with the same labels can be fused: ${a.model} has ${a.classes.length}, ` +
      `${b.model} has ${b.classes.length}` +
      (index < 0
        ? ""
        : `; number ${index} is "${a.classes[index]?.label}" and "${b.classes[index]?.label}"`),
  );
}

/** Of scores that add up to 1 and others that do not, a mean would be neither. */
function checkSameScores({ info: a }: ImageClassifier, { info: b }: ImageClassifier): void {
  const [one = false, other = false] = [a.multiLabel, b.multiLabel];
  if (one === other) return;
  const [own, shared] = one ? [a, b] : [b, a];
  throw new RangeError(
    `Only models with the same kind of scores can be fused: each label of ${own.model} has its own, ` +
      `those of ${shared.model} exclude each other`,
  );
}

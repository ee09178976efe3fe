/** Which pictures are learned from, and which are kept to see whether it worked. */

import { randomFrom, shuffled } from "./random.ts";

/** Positions in a list. */
export interface Split {
  /** Pictures to learn from. */
  readonly train: readonly number[];
  /** Pictures to see whether it worked. */
  readonly validation: readonly number[];
}

/**
 * Splits pictures so that each class has the same part in both.
 *
 * @param labels The class of each picture.
 * @param part Of each class that is kept for validation, above 0 and below 1; at least one picture.
 * @throws {RangeError} If a class has fewer than two pictures, or a picture is of none.
 */
export function stratifiedSplit(
  labels: ArrayLike<number>,
  classes: readonly string[],
  part: number,
  seed: number,
): Split {
  const byClass: number[][] = Array.from({ length: classes.length }, () => []);
  for (const [n, label] of Array.from(labels).entries()) {
    const members = byClass[label];
    if (members === undefined) {
      throw new RangeError(`Picture ${n} has class ${label}: there are ${classes.length}`);
    }
    members.push(n);
  }
  const next = randomFrom(seed);
  const train: number[] = [], validation: number[] = [];
  byClass.forEach((members, label) => {
    if (members.length < 2) {
      throw new RangeError(
        `Class "${
          classes[label]
        }" has ${members.length} picture(s): each needs at least 2, one to learn from and ` +
          "one to validate with",
      );
    }
    const kept = Math.min(members.length - 1, Math.max(1, Math.round(members.length * part)));
    shuffled(members.length, next).forEach((position, rank) =>
      (rank < kept ? validation : train).push(members[position]!)
    );
  });
  return { train: train.sort((a, b) => a - b), validation: validation.sort((a, b) => a - b) };
}

/**
 * The weight of each class in the loss, `[classes]`. Balanced ones let each class count the same,
 * whatever its number of pictures; their mean over all pictures is 1.
 */
export function classWeightsOf(
  balance: "balanced" | "none",
  labels: ArrayLike<number>,
  classes: number,
): Float32Array {
  if (balance === "none") return new Float32Array(classes).fill(1);
  const counts = new Float32Array(classes);
  for (const label of Array.from(labels)) counts[label]!++;
  return counts.map((count) => labels.length / (classes * count));
}

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
 * Splits pictures so that each class has the same part in both, as far as it goes: those that show the same are
 * learned from together or kept together, and learned from if they are said to be of several classes.
 *
 * @param labels The class of each picture.
 * @param part Of each class that is kept for validation, above 0 and below 1; at least one picture.
 * @param together The same number for pictures that show the same, `[N]`. Default: each has its own.
 * @throws {RangeError} If a class has fewer than two pictures, a picture is of none, or none can be kept.
 */
export function stratifiedSplit(
  labels: ArrayLike<number>,
  classes: readonly string[],
  part: number,
  seed: number,
  together?: ArrayLike<number>,
): Split {
  const byClass: number[][] = Array.from({ length: classes.length }, () => []);
  for (const [n, label] of Array.from(labels).entries()) {
    const members = byClass[label];
    if (members === undefined) {
      throw new RangeError(`Picture ${n} has class ${label}: there are ${classes.length}`);
    }
    members.push(n);
  }
  const units = Map.groupBy(Array.from(labels).keys(), (n) => together?.[n] ?? n);
  const next = randomFrom(seed), keptUnits = new Set<readonly number[]>();
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
    const own = new Set(
      Array.from(shuffled(members.length, next), (rank) => {
        const position = members[rank]!;
        return units.get(together?.[position] ?? position)!;
      }),
    );
    // Something must be left to learn from.
    const possible = [...own].filter((unit) =>
      unit.every((n) => labels[n] === label) && unit.length < members.length
    );
    let count = 0;
    for (const unit of possible) {
      if (count + unit.length > kept) continue;
      keptUnits.add(unit);
      count += unit.length;
    }
    const [smallest] = possible.toSorted((a, b) => a.length - b.length);
    if (count === 0 && smallest !== undefined) keptUnits.add(smallest);
  });
  const validation = [...keptUnits].flat().sort((a, b) => a - b), isKept = new Set(validation);
  if (validation.length === 0) {
    throw new RangeError("No picture can be kept for validation: all of a class show the same");
  }
  return { train: [...Array(labels.length).keys()].filter((n) => !isKept.has(n)), validation };
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
  const counts = countsOf(labels, classes);
  return Float32Array.from(counts, (count) => labels.length / (classes * count));
}

/** How many pictures there are of each class, `[classes]`. */
export function countsOf(labels: ArrayLike<number>, classes: number): Float64Array {
  const counts = new Float64Array(classes);
  for (let n = 0; n < labels.length; n++) counts[labels[n]!]!++;
  return counts;
}

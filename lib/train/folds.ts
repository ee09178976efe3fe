/** Which pictures are kept back together, so that each is judged by what learned from the others. */

import { randomFrom, shuffled } from "./random.ts";

/** The fold of what is learned from every time, and never judged. */
export const NEVER = -1;

/** How pictures are divided. */
export interface FoldOptions {
  /** At most so many folds. Default: 5. */
  readonly folds?: number | undefined;
  /** Pictures of the same number, such as duplicates, get the same fold, `[N]`. Default: each has its own. */
  readonly together?: ArrayLike<number> | undefined;
  readonly seed?: number | undefined;
}

/**
 * The fold of each picture, from 0 on, so that each class has the same part in all, as far as it goes. Whichever
 * is kept back, every class has a picture left to learn from: what would be the last one is {@linkcode NEVER} kept
 * back, as the only picture of a class is.
 *
 * @param labels The class of each picture, `[N]`.
 */
export function stratifiedFolds(
  labels: ArrayLike<number>,
  classes: number,
  { folds = 5, together, seed = 0 }: FoldOptions = {},
): Int32Array {
  const byNumber = Map.groupBy(
    Array.from({ length: labels.length }, (_, n) => n),
    (n) => together?.[n] ?? n,
  );
  const units = [...byNumber.values()];
  const order = [...shuffled(units.length, randomFrom(seed))].map((n) => units[n]!)
    .sort((a, b) => b.length - a.length);
  const counts = Array.from({ length: folds }, () => ({ all: 0, own: new Uint32Array(classes) }));
  const result = new Int32Array(labels.length);
  for (const unit of order) {
    // Where there are fewest of its classes, and of all.
    const ranked = counts.map(({ all, own }, fold) => ({
      fold,
      all,
      own: unit.reduce((sum, n) => sum + own[labels[n]!]!, 0),
    })).sort((a, b) => a.own - b.own || a.all - b.all || a.fold - b.fold);
    const { fold } = ranked[0]!;
    for (const n of unit) {
      result[n] = fold;
      counts[fold]!.all++;
      counts[fold]!.own[labels[n]!]!++;
    }
  }
  for (let c = 0; c < classes; c++) {
    const own = order.filter((unit) => unit.some((n) => labels[n] === c));
    const isLeft = new Set(own.map(([n]) => result[n!])).size > 1;
    if (!isLeft) { for (const n of own[0] ?? []) result[n] = NEVER; }
  }
  return result;
}

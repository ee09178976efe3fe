/** Which pictures are copies of each other. */

import type { ProgressTeller } from "../progress.ts";
import { takeTurn } from "../threads/turn.ts";
import { copySimilarity, LEAST_LOOK } from "./copies.ts";
import type { Picture, Pictures } from "./pictures.ts";

/** A picture, and how similar it is to another. */
export interface Copy extends Picture {
  /** How surely it is a copy of the one to keep, 0…1: below the threshold where only others lead to it. */
  readonly similarity: number;
}

/** Pictures that are copies of each other, or of copies. */
export interface Duplicates {
  /** The one with the most pixels; of these the largest file. */
  readonly keep: Picture;
  /** The others, most similar first; one at least. */
  readonly copies: readonly Copy[];
}

/**
 * Finds them: every pair is compared once, and none is remembered.
 *
 * @returns Those with the most copies first.
 */
export async function findDuplicates(
  pictures: Pictures,
  threshold: number,
  signal: AbortSignal | undefined,
  progress: ProgressTeller,
): Promise<Duplicates[]> {
  const { count } = pictures, sets = new Sets(count);
  const similarities = new Float64Array(count), least = Math.min(threshold, LEAST_LOOK);
  for (let n = 0; n < count; n++) {
    progress.reach(n);
    await takeTurn(signal);
    const looks = similarities.subarray(n + 1), own = pictures.describe(n);
    pictures.compare(own, "look", n + 1, looks);
    for (let i = 0; i < looks.length; i++) {
      if (looks[i]! < least) continue;
      const other = n + 1 + i;
      const similarity = copySimilarity(own, pictures.describe(other), looks[i]!);
      if (similarity >= threshold) sets.join(n, other);
    }
  }
  progress.reach(count);
  return sets.larger().map((members) => duplicatesOf(pictures, members))
    .sort((a, b) => b.copies.length - a.copies.length || byName(a.keep, b.keep));
}

function duplicatesOf(pictures: Pictures, members: readonly number[]): Duplicates {
  const best = members.reduce((best, n) => isBetter(pictures.at(n), pictures.at(best)) ? n : best);
  const own = pictures.describe(best), look = new Float64Array(1);
  const copies = members.filter((n) => n !== best).map((n) => {
    pictures.compare(own, "look", n, look);
    return { ...pictures.at(n), similarity: copySimilarity(own, pictures.describe(n), look[0]!) };
  });
  copies.sort((a, b) => b.similarity - a.similarity || byName(a, b));
  return { keep: pictures.at(best), copies };
}

function isBetter(a: Picture, b: Picture): boolean {
  const more = a.width * a.height - b.width * b.height || a.bytes - b.bytes || byName(b, a);
  return more > 0;
}

/** Of pictures that are alike in all else: the same order everywhere. */
export function byName(a: Picture, b: Picture): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/** Disjoint sets of the numbers below a count. */
class Sets {
  /** A member of the same set, or itself. */
  readonly #parents: Int32Array;

  constructor(count: number) {
    this.#parents = Int32Array.from({ length: count }, (_, n) => n);
  }

  join(a: number, b: number): void {
    this.#parents[this.#first(a)] = this.#first(b);
  }

  /** The sets of more than one member. */
  larger(): number[][] {
    const sets = Map.groupBy(this.#parents.keys(), (n) => this.#first(n));
    return [...sets.values()].filter((members) => members.length > 1);
  }

  #first(n: number): number {
    let first = n;
    while (this.#parents[first] !== first) first = this.#parents[first]!;
    // The next look from here is short.
    while (this.#parents[n] !== first) [this.#parents[n], n] = [first, this.#parents[n]!];
    return first;
  }
}

/** Pictures that show the same: copies, copies that were altered, and pictures of one moment. */

import { membersOf } from "../output/nearest.ts";
import type { Judgement } from "./cross_validation.ts";
import { innerProducts } from "./inner_products.ts";
import type { TrainingKernels } from "./kernels.ts";
import { randomFrom } from "./random.ts";

/** What is compared. */
export interface ComparedPictures extends Pick<Judgement, "labels" | "classes"> {
  /** A hash of each picture's pixels, `[N]`. */
  readonly fingerprints: readonly string[];
  /** Features as `directionsOf()` gives them, `[N, D]`. */
  readonly directions: Float32Array;
}

/**
 * Part of the distance that two pictures of a class usually have below which they are taken for the same. Distance
 * is 1 minus the similarity of `nearestLogits()`; of VGG16's pool4 and pool5, averaged, at 160 pixels, it is usually
 * 0.17 for flowers of a kind, 0.25 for ants or bees and 0.05 for pages of text. JPEG of quality 40 changes it by
 * 0.007 at most, 15 % more light by 0.015, half of the size by 0.04. Of 720 flowers, the different ones that are most
 * alike are 0.036 apart, eleven pairs that show the same one 0.007 to 0.031; of 40 pages 0.014.
 */
const SAME = 1 / 6;
/** Pairs that tell what is usual. */
const PAIRS = 2000;

/**
 * A number for each picture, `[N]`, the same for those that show the same: the position of the first of them. What
 * is the same as one of several is the same as all of them.
 *
 * The arrays of `kernels` are overwritten.
 */
export async function duplicatesOf(
  kernels: TrainingKernels,
  { fingerprints, directions, labels, classes }: ComparedPictures,
  signal?: AbortSignal,
): Promise<Int32Array> {
  const size = directions.length / fingerprints.length;
  const least = 1 - SAME * usualDistance(directions, size, membersOf(labels, classes));
  const firsts = Int32Array.from(fingerprints, (_, n) => n), seen = new Map<string, number>();
  const firstOf = (n: number): number => {
    while (firsts[n] !== n) n = firsts[n]!;
    return n;
  };
  const join = (a: number, b: number): void => {
    const [first, second] = [firstOf(a), firstOf(b)];
    firsts[Math.max(first, second)] = Math.min(first, second);
  };
  let n = 0;
  for await (const alike of innerProducts(kernels, directions, directions, size, signal)) {
    for (let other = 0; other < n; other++) if (alike[other]! >= least) join(n, other);
    join(n, seen.get(fingerprints[n]!) ?? n);
    seen.set(fingerprints[n]!, n++);
  }
  return firsts.map((_, n) => firstOf(n));
}

/** The median distance of two pictures of a class; 0 if no class has two. */
function usualDistance(
  rows: Float32Array,
  size: number,
  members: readonly (readonly number[])[],
): number {
  const several = members.filter(({ length }) => length > 1);
  const pictures = several.flatMap((own) => own.map((_, at) => ({ own, at })));
  const next = randomFrom(0), distances: number[] = [];
  for (let pair = 0; pair < PAIRS && pictures.length > 0; pair++) {
    const { own, at } = pictures[Math.floor(next() * pictures.length)]!;
    const away = 1 + Math.floor(next() * (own.length - 1));
    const a = own[at]!, b = own[(at + away) % own.length]!;
    let sum = 0;
    for (let i = 0; i < size; i++) sum += rows[a * size + i]! * rows[b * size + i]!;
    distances.push(1 - sum);
  }
  return distances.sort((a, b) => a - b)[distances.length >> 1] ?? 0;
}

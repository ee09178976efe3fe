/** Pictures that show the same: copies, copies that were altered, and pictures of one moment. */

import { membersOf } from "../output/nearest.ts";
import type { Judgement } from "./cross_validation.ts";
import { innerProducts } from "./inner_products.ts";
import type { TrainingKernels } from "./kernels.ts";
import { randomFrom } from "./random.ts";
import { type Rows, RowsInMemory } from "./rows.ts";

/** What is compared. */
export interface ComparedPictures extends Pick<Judgement, "labels" | "classes"> {
  /** A hash of each picture's pixels, `[N]`. */
  readonly fingerprints: readonly string[];
  /** Averaged features as `directionsOf()` gives them, `[N, D]`. */
  readonly directions: Float32Array;
}

/**
 * What of rows of features is compared: of layers with positions the average of each channel, as it was measured of
 * averages which distances copies have.
 *
 * @param lengths Of the blocks of a row, in order.
 * @param channels Of each block; its positions are one after the other.
 */
export function averagedRows(
  rows: Rows,
  lengths: readonly number[],
  channels: readonly number[],
): Rows {
  if (lengths.every((length, b) => length === channels[b])) return rows;
  const row = new Float32Array(rows.length), length = channels.reduce((sum, own) => sum + own, 0);
  const read = (n: number, into: Float32Array): void => {
    rows.read(n, row);
    let from = 0, to = 0;
    channels.forEach((own, b) => {
      const positions = lengths[b]! / own;
      for (let c = 0; c < own; c++) {
        let sum = 0;
        for (let p = 0; p < positions; p++) sum += row[from + p * own + c]!;
        into[to++] = sum / positions;
      }
      from += lengths[b]!;
    });
  };
  return { count: rows.count, length, read };
}

/**
 * Part of the distance that each of two pictures usually has to others of its class below which they are taken for
 * the same: pictures that are all much alike, as pages are, or of a class that the layers know, are no copies. Distance
 * is 1 minus the similarity of `nearestLogits()`; of VGG16's pool4 and pool5, averaged, at 160 pixels, it is usually
 * 0.17 for flowers of a kind, 0.25 for ants or bees and 0.05 for pages of text. JPEG of quality 40 changes it by
 * 0.007 at most, 15 % more light by 0.015, half of the size by 0.04. Of 720 flowers, the different ones that are most
 * alike are 0.036 apart, eleven pairs that show the same one 0.007 to 0.031; of 40 pages 0.014.
 */
const SAME = 1 / 6;
/** Distances of the same features, as float32 rounds them, are below this. */
const ROUNDING = 1e-6;
/** Pictures of its class that a picture is compared with to tell what is usual. */
const OTHERS = 64;
/** Pictures from which on a class tells what is usual of it: of fewer, most may be copies. */
const TELLING = 10;

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
  const size = directions.length / labels.length, rows = new RowsInMemory(directions, size);
  const usual = usualDistances(directions, size, membersOf(labels, classes));
  const firsts = Int32Array.from(labels, (_, n) => n), seen = new Map<string, number>();
  const firstOf = (n: number): number => {
    while (firsts[n] !== n) n = firsts[n]!;
    return n;
  };
  const join = (a: number, b: number): void => {
    const [first, second] = [firstOf(a), firstOf(b)];
    firsts[Math.max(first, second)] = Math.min(first, second);
  };
  let n = 0;
  for await (const alike of innerProducts(kernels, rows, rows, signal)) {
    for (let other = 0; other < n; other++) {
      const most = SAME * Math.min(usual[n]!, usual[other]!);
      if (1 - alike[other]! <= Math.max(most, ROUNDING)) join(n, other);
    }
    join(n, seen.get(fingerprints[n]!) ?? n);
    seen.set(fingerprints[n]!, n++);
  }
  return firsts.map((_, n) => firstOf(n));
}

/**
 * The median distance of each picture to others of its class, `[N]`, at most that of any two of a class; that one,
 * too, where its own class has few, and 0 if none has two.
 */
function usualDistances(
  rows: Float32Array,
  size: number,
  members: readonly (readonly number[])[],
): Float64Array {
  const next = randomFrom(0), distances: number[][] = [];
  for (const own of members) {
    own.forEach((n, at) => {
      distances[n] = Array.from({ length: Math.min(own.length - 1, OTHERS) }, (_, i) => {
        const away = own.length <= OTHERS ? i + 1 : 1 + Math.floor(next() * (own.length - 1));
        const other = own[(at + away) % own.length]!;
        let sum = 0;
        for (let i = 0; i < size; i++) sum += rows[n * size + i]! * rows[other * size + i]!;
        return 1 - sum;
      });
    });
  }
  const all = median(distances.flat());
  return Float64Array.from(
    distances,
    (own) => own.length < TELLING - 1 ? all : Math.min(all, median(own)),
  );
}

/** The upper one of two; 0 of none. */
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

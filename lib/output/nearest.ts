/** A head of examples: a class is as likely as the most similar of its examples are like the image. */

import type { NearestReadout } from "../model/readout.ts";
import { gradientByRow, rootsOf } from "./roots.ts";

/** What similarities are multiplied by: a temperature of about 1 makes them probabilities. */
const SHARPNESS = 100;

/**
 * A row of features as it is compared: their roots, each block of the same length, the whole of length 1. The
 * product of two is the mean, over the blocks, of how much their activations overlap (Bhattacharyya's
 * coefficient).
 *
 * @param lengths Of the blocks, in order.
 */
export function directionOf(row: ArrayLike<number>, lengths: readonly number[]): Float64Array {
  const direction = rootsOf(row);
  forBlocks(direction, lengths, (block, length) => {
    const factor = 1 / ((length || 1) * Math.sqrt(lengths.length));
    for (let i = 0; i < block.length; i++) block[i]! *= factor;
  });
  return direction;
}

/** Calls back for each block with its values, and how long they are. */
function forBlocks(
  row: Float64Array,
  lengths: readonly number[],
  call: (block: Float64Array, length: number, first: number) => void,
): void {
  let first = 0;
  for (const length of lengths) {
    const block = row.subarray(first, first + length);
    let squares = 0;
    for (let i = 0; i < length; i++) squares += block[i]! * block[i]!;
    call(block, Math.sqrt(squares), first);
    first += length;
  }
}

/** A logit for each class, of a row of features. */
export function nearestLogits(
  head: NearestReadout,
  row: ArrayLike<number>,
  classes: number,
): Float64Array {
  const similarities = similaritiesOf(head, directionOf(row, head.lengths));
  return similarityLogits(similarities, membersOf(head.classes, classes), head.neighbors);
}

/**
 * A logit for each class: the mean similarity of those of its examples that speak for it. A class without examples
 * is as unlikely as can be.
 *
 * @param similarities Of all examples, `[examples]`.
 * @param members The positions of each class's examples.
 */
export function similarityLogits(
  similarities: Float64Array,
  members: readonly (readonly number[])[],
  neighbors: number,
): Float64Array {
  return Float64Array.from(members, (own) => {
    const speakers = speakersOf(similarities, own, neighbors), count = speakers.length;
    return SHARPNESS *
      (count === 0 ? -1 : speakers.reduce((sum, n) => sum + similarities[n]!, 0) / count);
  });
}

/** The positions of each class's examples. */
export function membersOf(labels: ArrayLike<number>, classes: number): number[][] {
  const members: number[][] = Array.from({ length: classes }, () => []);
  for (let n = 0; n < labels.length; n++) members[labels[n]!]!.push(n);
  return members;
}

/**
 * How a class's logit changes with each feature, `[D]`; 0 for a feature that is 0, where a root has no slope.
 */
export function nearestGradient(
  head: NearestReadout,
  row: ArrayLike<number>,
  index: number,
): Float64Array {
  const { lengths, examples, neighbors } = head, size = row.length;
  const direction = directionOf(row, lengths);
  const members = [...head.classes.keys()].filter((n) => head.classes[n] === index);
  const speakers = speakersOf(similaritiesOf(head, direction), members, neighbors);
  const gradient = new Float64Array(size), factor = SHARPNESS / speakers.length;
  for (const n of speakers) {
    for (let i = 0; i < size; i++) gradient[i]! += factor * examples[n * size + i]!;
  }
  // What changes only the length of a block changes nothing.
  forBlocks(rootsOf(row), lengths, (block, length, first) => {
    const own = gradient.subarray(first, first + block.length);
    const along = block.reduce((sum, value, i) => sum + value * own[i]!, 0) / length ** 2;
    for (let i = 0; i < block.length; i++) {
      own[i] = (own[i]! - along * block[i]!) / (length * Math.sqrt(lengths.length));
    }
  });
  return gradientByRow(gradient, row);
}

function similaritiesOf(
  { examples, classes }: NearestReadout,
  direction: Float64Array,
): Float64Array {
  const size = direction.length;
  return Float64Array.from(classes, (_, n) => {
    let sum = 0;
    for (let i = 0; i < size; i++) sum += examples[n * size + i]! * direction[i]!;
    return sum;
  });
}

/** The positions of the most similar examples, falling; of equal ones the first. */
function speakersOf(
  similarities: Float64Array,
  members: readonly number[],
  count: number,
): number[] {
  const best: number[] = [];
  for (const n of members) {
    let at = best.length;
    while (at > 0 && similarities[best[at - 1]!]! < similarities[n]!) at--;
    if (at === count) continue;
    best.splice(at, 0, n);
    if (best.length > count) best.pop();
  }
  return best;
}

/** A head of examples: a class is as likely as its examples are like the image, the most similar ones above all. */

import { exp, log } from "./exponential.ts";
import type { NearestReadout } from "../model/readout.ts";
import { gradientByRow, rootsOf } from "./roots.ts";

/**
 * How much more an example counts that is more similar. With VGG16's pool4 and pool5, averaged, 33 to 67 are about
 * as good, on flowers, on ants and bees, and on a shop's pictures with classes of 3 to 300.
 */
const SHARPNESS = 50;

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
  return similarityLogits(similarities, membersOf(head.classes, classes));
}

/**
 * A logit for each class: the logarithm of the mean, over its examples, of `exp(SHARPNESS * similarity)`. It is a
 * mean, as a class with more examples is not for that more likely. One without examples is as unlike as can be.
 *
 * @param similarities Of all examples, `[examples]`.
 * @param members The positions of each class's examples.
 */
export function similarityLogits(
  similarities: Float64Array,
  members: readonly (readonly number[])[],
): Float64Array {
  return Float64Array.from(members, (own) => {
    const { most, sum } = weightsOf(similarities, own);
    return own.length === 0 ? -SHARPNESS : SHARPNESS * most + log(sum / own.length);
  });
}

/** How much each example of a class counts: the most similar one 1. */
function weightsOf(
  similarities: Float64Array,
  members: readonly number[],
): { most: number; weights: number[]; sum: number } {
  const most = members.reduce((most, n) => Math.max(most, similarities[n]!), -Infinity);
  const weights = members.map((n) => exp(SHARPNESS * (similarities[n]! - most)));
  return { most, weights, sum: weights.reduce((a, b) => a + b, 0) };
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
  const { lengths, examples } = head, size = row.length, direction = directionOf(row, lengths);
  const members = [...head.classes.keys()].filter((n) => head.classes[n] === index);
  const { weights, sum } = weightsOf(similaritiesOf(head, direction), members);
  const gradient = new Float64Array(size);
  for (const [at, n] of members.entries()) {
    const factor = SHARPNESS * weights[at]! / sum;
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

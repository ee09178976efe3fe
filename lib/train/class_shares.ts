/** How frequent classes are among pictures that are learned from, and how frequent they are expected to be. */

import type { DenseLayer } from "./dense_layer.ts";

/** The part of the pictures at `positions` that is of each class, `[K]`. */
export function sharesOf(
  labels: ArrayLike<number>,
  positions: Uint32Array,
  classes: number,
): Float64Array {
  const shares = new Float64Array(classes);
  for (const n of positions) shares[labels[n]!]! += 1 / positions.length;
  return shares;
}

/** How often classes are expected: as often as among all pictures, whatever they are among those that are known. */
export function expectedAs(
  classWeights: ArrayLike<number>,
  shares: Float64Array,
  known: Float64Array,
): number[] {
  return Array.from(classWeights, (weight, c) => weight * shares[c]! / known[c]!);
}

/**
 * The layer for pictures of which each class is so many times more frequent (Bayes' rule). Where classes can be
 * told apart, weights in the loss move little; this does what they are for.
 */
export function expecting(
  { weight, bias }: DenseLayer,
  classWeights: ArrayLike<number>,
): DenseLayer {
  return { weight, bias: bias.map((value, c) => value + Math.log(classWeights[c]!)) };
}

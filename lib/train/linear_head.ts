/**
 * A linear head: logistic regression on the roots of features, whitened block by block, its strength chosen by
 * cross-validation.
 */

import { rootOf } from "../output/roots.ts";
import { foldBlocks, layerLogits, transformBlocks, whitenBlocks } from "./blocks.ts";
import { crossValidate, type CrossValidated, type Judgement } from "./cross_validation.ts";
import type { DenseLayer } from "./dense.ts";
import type { TrainingKernels } from "./kernels.ts";
import { logisticPath } from "./logistic.ts";
import type { Whitening } from "./statistics.ts";

/** What a linear head learns from. */
export interface LinearTask extends Judgement {
  /** `[N, D]`. */
  readonly rows: Float32Array;
  /** Of the blocks of a row, in order; their sum is D. */
  readonly lengths: readonly number[];
  readonly whitening: Whitening;
  /** How much each class counts, `[K]`: how much more often it is expected than it is among the pictures. */
  readonly classWeights: ArrayLike<number>;
}

/** What was learned. */
export interface LinearHead {
  /** Of the roots of rows, learned from all of them. */
  readonly layer: DenseLayer;
  /** The strength that was chosen, one of {@linkcode STRENGTHS}. */
  readonly C: number;
  readonly validation: CrossValidated;
}

/** Which strengths are tried. */
export const STRENGTHS = [1, 3, 10, 30, 100, 300, 1000, 3000];

/**
 * Learns a linear head. The arrays of `kernels` are overwritten.
 *
 * @param onStep Told how much is done, of how much.
 */
export async function learnLinear(
  kernels: TrainingKernels,
  task: LinearTask,
  { signal, onStep }: {
    readonly signal?: AbortSignal | undefined;
    readonly onStep?: ((done: number, total: number) => void) | undefined;
  } = {},
): Promise<LinearHead> {
  const { lengths, whitening, labels, classes, classWeights } = task;
  const rows = task.rows.map(rootOf);
  const everything = Uint32Array.from({ length: labels.length }, (_, n) => n);
  const prepared = async (positions: Uint32Array) => {
    const transforms = await whitenBlocks(rows, positions, lengths, whitening, signal);
    return {
      transforms,
      classes,
      labels: Array.from(positions, (n) => labels[n]!),
      rows: await transformBlocks(transforms, rows, positions, signal),
    };
  };
  const shares = sharesOf(labels, everything, classes);
  const validation = await crossValidate(task, STRENGTHS.length, async function* (train, held) {
    const { transforms, ...own } = await prepared(train), known = sharesOf(labels, train, classes);
    // As often as they are among all pictures, whatever they are among these.
    const expected = Array.from(classWeights, (weight, c) => weight * shares[c]! / known[c]!);
    const others = await transformBlocks(transforms, rows, held, signal);
    for await (const layer of logisticPath(kernels, own, STRENGTHS, { signal })) {
      yield layerLogits(expecting(layer, expected), others);
    }
  }, onStep);
  const all = await prepared(everything);
  const C = STRENGTHS[validation.best]!;
  const path = await Array.fromAsync(logisticPath(kernels, all, [C], { signal }));
  const layer = foldBlocks(all.transforms, expecting(path[0]!, classWeights));
  return { layer, C, validation };
}

/** The part of the pictures at `positions` that is of each class, `[K]`. */
function sharesOf(
  labels: ArrayLike<number>,
  positions: Uint32Array,
  classes: number,
): Float64Array {
  const shares = new Float64Array(classes);
  for (const n of positions) shares[labels[n]!]! += 1 / positions.length;
  return shares;
}

/**
 * The layer for pictures of which each class is so many times more frequent (Bayes' rule). Where classes can be
 * told apart, weights in the loss move little; this does what they are for.
 */
function expecting({ weight, bias }: DenseLayer, classWeights: ArrayLike<number>): DenseLayer {
  return { weight, bias: bias.map((value, c) => value + Math.log(classWeights[c]!)) };
}

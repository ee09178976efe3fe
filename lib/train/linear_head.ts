/** A linear head: logistic regression on whitened blocks, its strength chosen by cross-validation. */

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
  /** The weight of each class in the loss, `[K]`. */
  readonly classWeights: ArrayLike<number>;
}

/** What was learned. */
export interface LinearHead {
  /** Of the rows as they are, learned from all of them. */
  readonly layer: DenseLayer;
  /** The strength that was chosen, one of {@linkcode STRENGTHS}. */
  readonly C: number;
  readonly validation: CrossValidated;
}

/** Which strengths are tried. */
export const STRENGTHS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000];

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
  const { rows, lengths, whitening, labels, classes, classWeights } = task;
  const prepared = async (positions: Uint32Array) => {
    const transforms = await whitenBlocks(rows, positions, lengths, whitening, signal);
    return {
      transforms,
      classes,
      classWeights,
      labels: Array.from(positions, (n) => labels[n]!),
      rows: await transformBlocks(transforms, rows, positions, signal),
    };
  };
  const validation = await crossValidate(task, STRENGTHS.length, async function* (train, held) {
    const { transforms, ...own } = await prepared(train);
    const others = await transformBlocks(transforms, rows, held, signal);
    for await (const layer of logisticPath(kernels, own, STRENGTHS, { signal })) {
      yield layerLogits(layer, others);
    }
  }, onStep);
  const all = await prepared(Uint32Array.from({ length: labels.length }, (_, n) => n));
  const C = STRENGTHS[validation.best]!;
  const path = await Array.fromAsync(logisticPath(kernels, all, [C], { signal }));
  return { layer: foldBlocks(all.transforms, path[0]!), C, validation };
}

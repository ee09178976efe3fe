/** The nearest examples as a head: it learns from one picture a class, and takes others without training. */

import type { NearestReadout } from "../model/readout.ts";
import { directionOf, membersOf, similarityLogits } from "../output/nearest.ts";
import { crossValidate, type CrossValidated, type Judgement } from "./cross_validation.ts";
import { innerProducts } from "./inner_products.ts";
import type { TrainingKernels } from "./kernels.ts";

/** What is learned from. */
export interface NearestTask extends Judgement {
  /** Features, `[N, D]`. */
  readonly rows: Float32Array;
  /** Of the blocks of a row, in order; their sum is D. */
  readonly lengths: readonly number[];
}

/** What was learned. */
export interface NearestHead {
  readonly head: NearestReadout;
  readonly validation: CrossValidated;
}

/** Remembers all pictures, and judges each by those of the other folds. The arrays of `kernels` are overwritten. */
export async function learnNearest(
  kernels: TrainingKernels,
  task: NearestTask,
  { signal, onStep }: {
    readonly signal?: AbortSignal | undefined;
    readonly onStep?: ((done: number, total: number) => void) | undefined;
  } = {},
): Promise<NearestHead> {
  const { rows, lengths, labels, classes } = task, size = rows.length / labels.length;
  const examples = new Float32Array(rows.length);
  for (let at = 0; at < rows.length; at += size) {
    examples.set(directionOf(rows.subarray(at, at + size), lengths), at);
  }
  const validation = await crossValidate(task, 1, async function* (train, held) {
    const members = membersOf(Array.from(train, (n) => labels[n]!), classes);
    const own = rowsAt(examples, size, train), others = rowsAt(examples, size, held);
    const logits = new Float64Array(held.length * classes);
    let first = 0;
    for await (const similarities of innerProducts(kernels, own, others, size, signal)) {
      logits.set(similarityLogits(similarities, members), first);
      first += classes;
    }
    yield logits;
  }, onStep);
  return {
    head: {
      ...{ kind: "nearest", lengths, examples },
      classes: Float32Array.from(labels),
    },
    validation,
  };
}

/** The rows at `positions`, one after the other. */
function rowsAt(rows: Float32Array, size: number, positions: Uint32Array): Float32Array {
  const result = new Float32Array(positions.length * size);
  positions.forEach((n, at) => result.set(rows.subarray(n * size, (n + 1) * size), at * size));
  return result;
}

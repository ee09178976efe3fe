/** The nearest examples as a head: it learns from one picture a class, and takes others without training. */

import type { NearestReadout } from "../model/readout.ts";
import { directionOf, membersOf, similarityLogits } from "../output/nearest.ts";
import { crossValidate, type CrossValidated, type Judgement } from "./cross_validation.ts";
import { innerProducts } from "./inner_products.ts";
import type { TrainingKernels } from "./kernels.ts";

/** What is learned from. */
export interface NearestTask extends Judgement {
  /** Features as {@linkcode directionsOf} gives them, `[N, D]`. */
  readonly directions: Float32Array;
  /** Of the blocks of a row, in order; their sum is D. */
  readonly lengths: readonly number[];
}

/** What was learned. */
export interface NearestHead {
  readonly head: NearestReadout;
  readonly validation: CrossValidated;
}

interface NearestOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((done: number, total: number) => void) | undefined;
}

/** Remembers all pictures, and judges each by those of the other folds. The arrays of `kernels` are overwritten. */
export async function learnNearest(
  kernels: TrainingKernels,
  task: NearestTask,
  { signal, onStep }: NearestOptions = {},
): Promise<NearestHead> {
  const { directions: examples, lengths, labels } = task;
  const validation = await judgeExamples(kernels, examples, task, { signal, onStep });
  return {
    head: { kind: "nearest", lengths, examples, classes: Float32Array.from(labels) },
    validation,
  };
}

/** Rows as they are compared, `[N, D]`. */
export function directionsOf(rows: Float32Array, lengths: readonly number[]): Float32Array {
  const size = lengths.reduce((sum, length) => sum + length, 0);
  const directions = new Float32Array(rows.length);
  for (let at = 0; at < rows.length; at += size) {
    directions.set(directionOf(rows.subarray(at, at + size), lengths), at);
  }
  return directions;
}

/** Judges each example by those of the other folds. The arrays of `kernels` are overwritten. */
export async function judgeExamples(
  kernels: TrainingKernels,
  examples: Float32Array,
  task: Judgement,
  { signal, onStep }: NearestOptions = {},
): Promise<CrossValidated> {
  const { labels, classes } = task, size = examples.length / labels.length;
  return await crossValidate(task, 1, async function* (train, held) {
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
}

/** The rows at `positions`, one after the other. */
function rowsAt(rows: Float32Array, size: number, positions: Uint32Array): Float32Array {
  const result = new Float32Array(positions.length * size);
  positions.forEach((n, at) => result.set(rows.subarray(n * size, (n + 1) * size), at * size));
  return result;
}

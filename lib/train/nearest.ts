/** The nearest examples as a head: it learns from one picture a class, and takes others without training. */

import type { NearestReadout } from "../model/readout.ts";
import { directionOf, membersOf, similarityLogits } from "../output/nearest.ts";
import { crossValidate, type CrossValidated, type Judgement } from "./cross_validation.ts";
import { innerProducts } from "./inner_products.ts";
import type { TrainingKernels } from "./kernels.ts";
import { inOneArray, type Rows, rowsAt, RowsInMemory } from "./rows.ts";

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

/** Most bytes of examples: those of 65,536 pictures of 1,024 values. */
const MAX_EXAMPLES = 2 ** 28;

/** What is wrong with examples, in words: they are all in memory, more than once as they are judged. */
export function examplesProblem(count: number, length: number): string | undefined {
  const bytes = 4 * count * length;
  if (bytes <= MAX_EXAMPLES) return undefined;
  return `${count} examples of ${length} values are ${bytes} bytes, at most ${MAX_EXAMPLES}`;
}

/**
 * Rows as they are compared, `[N, D]`.
 *
 * @param lengths Of the blocks of a row, in order.
 */
export async function directionsOf(
  rows: Rows,
  lengths: readonly number[],
  signal?: AbortSignal,
): Promise<Float32Array> {
  const { count, length } = rows;
  const directions = {
    ...{ count, length },
    read: (n: number, into: Float32Array) => {
      rows.read(n, into);
      into.set(directionOf(into, lengths));
    },
  };
  return (await inOneArray(directions, signal)).values;
}

/** Judges each example by those of the other folds. The arrays of `kernels` are overwritten. */
export async function judgeExamples(
  kernels: TrainingKernels,
  examples: Float32Array,
  task: Judgement,
  { signal, onStep }: NearestOptions = {},
): Promise<CrossValidated> {
  const { labels, classes } = task;
  const all = new RowsInMemory(examples, examples.length / labels.length);
  return await crossValidate(task, 1, async function* (train, held) {
    const members = membersOf(Array.from(train, (n) => labels[n]!), classes);
    const own = rowsAt(all, train), others = rowsAt(all, held);
    const logits = new Float64Array(held.length * classes);
    let first = 0;
    for await (const similarities of innerProducts(kernels, own, others, signal)) {
      logits.set(similarityLogits(similarities, members), first);
      first += classes;
    }
    yield logits;
  }, onStep);
}

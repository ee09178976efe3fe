/** A head with a hidden layer, which learns in epochs, and is judged on the pictures of one fold. */

import { forwardDense, initialDense, trainedLayer } from "./dense.ts";
import { foldBlocks, layerLogits, rowLogits, transformedRows, whitenBlocks } from "./blocks.ts";
import { NEVER } from "./folds.ts";
import type { HeadTask, LearnedHead } from "./head.ts";
import { type Examples, type LoopOptions, trainLoop } from "./loop.ts";
import { atHand, rootRows, type Rows } from "./rows.ts";
import { type Tfjs, withTfjs } from "./tfjs.ts";

/**
 * Trains a head of two dense layers on the pictures that are in no fold, and keeps the epoch that does best on
 * the others. Its layers take features as they are: the whitening is folded into the first.
 *
 * @param hidden Units of the hidden layer.
 */
export async function learnHidden(
  task: HeadTask,
  hidden: number,
  options: LoopOptions,
): Promise<LearnedHead> {
  const { lengths, labels, classes, folds, classWeights, whitening } = task;
  const { signal } = options, all = Uint32Array.from(labels, (_, n) => n);
  const train = all.filter((n) => folds[n] === NEVER), held = all.filter((n) => folds[n] !== NEVER);
  const roots = rootRows(task.rows), { length } = roots;
  const transforms = await whitenBlocks(roots, train, lengths, whitening, signal);
  const rows = await atHand(transformedRows(transforms, roots), signal);

  return await withTfjs(async (tf) => {
    const examples = (pictures: Uint32Array): Examples => rowExamples(tf, rows, labels, pictures);
    const dense = initialDense(tf, [length, hidden, classes], options.seed);
    const variables = dense.flat();
    try {
      const { history, bestEpoch } = await trainLoop(tf, {
        ...{ variables, classes, classWeights },
        train: examples(train),
        validation: examples(held),
        forward: (inputs) => forwardDense(tf, inputs, dense),
      }, options);
      const layers = dense.map(([filter, bias]) => trainedLayer(filter!, bias!.dataSync()));
      const before = Float32Array.from(
        await rowLogits(layers[0]!, rows, signal),
        (value) => Math.max(0, value),
      );
      const logits = layerLogits(layers[1]!, before);
      for (const n of train) logits.fill(NaN, n * classes, (n + 1) * classes);
      layers[0] = foldBlocks(transforms, layers[0]!);
      return {
        ...{ head: { kind: "dense", layers }, logits, history, bestEpoch },
        settings: { hidden, whitening },
      };
    } finally {
      tf.dispose(variables);
    }
  });
}

/** Rows of some pictures, and their classes, as they are learned from. */
export function rowExamples(
  tf: Tfjs,
  rows: Rows,
  labels: ArrayLike<number>,
  pictures: ArrayLike<number>,
): Examples {
  const { length } = rows;
  return {
    labels: Int32Array.from(pictures, (n) => labels[n]!),
    batch: (positions) => {
      const batch = new Float32Array(positions.length * length);
      positions.forEach((position, n) => {
        rows.read(pictures[position]!, batch.subarray(n * length, (n + 1) * length));
      });
      return tf.tensor2d(batch, [positions.length, length]);
    },
  };
}

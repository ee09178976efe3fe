/**
 * A linear head: logistic regression on the roots of features, whitened block by block, its strength chosen by
 * cross-validation.
 */

import { foldBlocks, rowLogits, transformedRows, whitenBlocks } from "./blocks.ts";
import { expectedAs, expecting, sharesOf } from "./class_shares.ts";
import { crossValidate } from "./cross_validation.ts";
import { fitsGram, learnByGram } from "./gram_head.ts";
import type { TrainingKernels } from "./kernels.ts";
import type { LinearHead, LinearOptions, LinearTask } from "./linear_task.ts";
import { logisticPath } from "./logistic.ts";
import { areLarge, atHand, rootRows, rowsAt } from "./rows.ts";

export type { LinearHead, LinearOptions, LinearTask } from "./linear_task.ts";

/** What is said of a head whose features have a scale of more pictures than it is learned from. */
export function scalingOf(scaledByAll: boolean): { readonly scaledBy?: "all pictures" } {
  return scaledByAll ? { scaledBy: "all pictures" } : {};
}

/** Which strengths are tried. */
export const STRENGTHS = [1, 3, 10, 30, 100, 300, 1000, 3000];

/**
 * Learns a linear head. The arrays of `kernels` are overwritten.
 *
 * Rows that are large are never all in memory: up to some thousands of them are learned from by their inner products
 * (`gram_head.ts`), more are read again for each change of the weights.
 */
export async function learnLinear(
  kernels: TrainingKernels,
  task: LinearTask,
  options: LinearOptions = {},
): Promise<LinearHead> {
  if (areLarge(task.rows) && fitsGram(task.rows.count)) {
    return await learnByGram(kernels, task, STRENGTHS, options);
  }
  const { lengths, whitening, labels, classes, classWeights } = task, { signal, onStep } = options;
  const rows = await atHand(rootRows(task.rows), signal);
  const everything = Uint32Array.from({ length: labels.length }, (_, n) => n);
  const prepared = async (positions: Uint32Array) => {
    const transforms = await whitenBlocks(rows, positions, lengths, whitening, signal);
    return {
      transforms,
      classes,
      labels: Array.from(positions, (n) => labels[n]!),
      rows: await atHand(transformedRows(transforms, rowsAt(rows, positions)), signal),
    };
  };
  const shares = sharesOf(labels, everything, classes);
  const validation = await crossValidate(task, STRENGTHS.length, async function* (train, held) {
    const { transforms, ...own } = await prepared(train), known = sharesOf(labels, train, classes);
    const expected = expectedAs(classWeights, shares, known);
    const others = await atHand(transformedRows(transforms, rowsAt(rows, held)), signal);
    for await (const layer of logisticPath(kernels, own, STRENGTHS, { signal })) {
      yield await rowLogits(expecting(layer, expected), others, signal);
    }
  }, onStep);
  const all = await prepared(everything);
  const C = STRENGTHS[validation.best]!;
  const path = await Array.fromAsync(logisticPath(kernels, all, [C], { signal }));
  const layer = foldBlocks(all.transforms, expecting(path[0]!, classWeights));
  return { layer, transforms: all.transforms, C, validation, scaledByAll: false };
}

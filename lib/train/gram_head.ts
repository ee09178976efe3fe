/**
 * A linear head on rows that are too large for memory, from their inner products: they are read three times, however
 * often the weights change.
 */

import { expectedAs, expecting, sharesOf } from "./class_shares.ts";
import { foldBlocks, whitenBlocks } from "./blocks.ts";
import { crossValidate } from "./cross_validation.ts";
import { gramOf, sumsOfRows } from "./gram.ts";
import { gramPath } from "./gram_path.ts";
import type { TrainingKernels } from "./kernels.ts";
import type { LinearHead, LinearOptions, LinearTask } from "./linear_task.ts";
import { rootRows } from "./rows.ts";

/** Most rows: their inner products are 576 MiB. */
const MOST = 12_288;

/** Whether the inner products of so many rows fit in memory. */
export function fitsGram(count: number): boolean {
  return count <= MOST;
}

/**
 * Learns what `learnLinear()` does, but for rounding, and that features are brought to the scale that they have in all
 * pictures, also in those that judge: their inner products are computed once. The arrays of `kernels` are overwritten.
 *
 * @param strengths Which are tried.
 */
export async function learnByGram(
  kernels: TrainingKernels,
  task: LinearTask,
  strengths: readonly number[],
  { signal, onStep }: LinearOptions,
): Promise<LinearHead> {
  const { lengths, whitening, labels, classes, classWeights } = task;
  const rows = rootRows(task.rows),
    everything = Uint32Array.from({ length: rows.count }, (_, n) => n);
  const transforms = await whitenBlocks(rows, everything, lengths, whitening, signal);
  const gram = await gramOf(kernels, rows, transforms, signal);
  const shares = sharesOf(labels, everything, classes);
  const validation = await crossValidate(task, strengths.length, async function* (train, held) {
    const own = new Int32Array(rows.count).fill(-1);
    for (const n of train) own[n] = labels[n]!;
    const expected = expectedAs(classWeights, shares, sharesOf(labels, train, classes));
    for await (
      const { logits } of gramPath({ gram, labels: own, classes }, strengths, { signal })
    ) {
      const said = new Float64Array(held.length * classes);
      held.forEach((n, at) =>
        said.set(logits(n).map((value, c) => value + Math.log(expected[c]!)), at * classes)
      );
      yield said;
    }
  }, onStep);
  const C = strengths[validation.best]!;
  const [all] = await Array.fromAsync(gramPath({ gram, labels, classes }, [C], { signal }));
  const { coefficients, bias } = all!;
  const weight = await sumsOfRows(kernels, rows, transforms, coefficients, classes, signal);
  return {
    layer: foldBlocks(transforms, expecting({ weight, bias }, classWeights)),
    transforms,
    C,
    validation,
    scaledByAll: whitening !== "none",
  };
}

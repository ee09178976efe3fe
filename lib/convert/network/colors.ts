/** What a network does to the colors of its images by constants that lie beside its weights. */

import { type CheckpointTensor, readAll } from "../formats/checkpoint.ts";
import type { Layout, Operator } from "../formats/graph.ts";
import type { ColorTensors } from "./names.ts";

/** `(x - mean) / std`; `undefined` if that changes nothing, so that images are prepared before it. */
export async function colorStep(
  { mean, std }: ColorTensors,
  layout: Layout,
): Promise<Operator | undefined> {
  const means = mean === undefined ? [0] : [...await readAll(mean)];
  const stds = std === undefined ? [1] : [...await readAll(std)];
  if (means.every((value) => value === 0) && stds.every((value) => value === 1)) return undefined;
  const length = Math.max(means.length, stds.length);
  const shift = Array.from({ length }, (_, c) => -at(means, c) / at(stds, c));
  return {
    kind: "affine",
    scale: constant("scale", stds.map((value) => 1 / value), layout),
    shift: constant("shift", shift, layout),
  };
}

/** One number stands for all. */
function at(values: readonly number[], index: number): number {
  return values[values.length === 1 ? 0 : index]!;
}

/** One number a channel, in memory. */
function constant(name: string, values: readonly number[], layout: Layout): CheckpointTensor {
  return {
    name,
    shape: layout === "NCHW" ? [values.length, 1, 1] : [values.length],
    layout: { outputs: "first", inputs: "CHW" },
    read: ({ start }, into) => into.set(values.slice(start, start + into.length)),
  };
}

/** What a network does to the colors of its images by constants that lie beside its weights. */

import { type CheckpointTensor, type ImageHint, readAll } from "../formats/checkpoint.ts";
import type { Layout, Operator } from "../formats/graph.ts";
import type { ColorTensors } from "./names.ts";

/** `(x - mean) / std`, and the images that it is for. */
export interface ColorStep {
  readonly operator: Operator;
  readonly images: ImageHint;
}

/** Reads constants; images of 0…1 are for means of 0…1, as PyTorch's `ToTensor` makes them. */
export async function readColors(
  { mean, std }: ColorTensors,
  layout: Layout,
): Promise<ColorStep> {
  const means = mean === undefined ? [0] : [...await readAll(mean)];
  const stds = std === undefined ? [1] : [...await readAll(std)];
  const scale = stds.map((value) => 1 / value);
  const length = Math.max(means.length, stds.length);
  const shift = Array.from({ length }, (_, c) => -at(means, c) / at(stds, c));
  const isUnit = means.every((value) => Math.abs(value) <= 1);
  const names = [mean, std].flatMap((tensor) => tensor === undefined ? [] : [tensor.name]);
  return {
    operator: {
      kind: "affine",
      scale: constant("scale", scale, layout),
      shift: constant("shift", shift, layout),
    },
    images: {
      preprocessing: isUnit ? "unit" : "byte",
      isRead: true,
      because: `${names.join(" and ")} in the file`,
    },
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

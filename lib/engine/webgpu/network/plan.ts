/**
 * What a run of the network consists of: the kernel and the sizes of each layer.
 *
 * @module
 */

import type { Batch, Precision } from "../../engine.ts";
import { type LastLayer, lastLayer, type Program, type ProgramLayer } from "../../program.ts";
import { elements, imageVectors, padChannels, padded, type Size } from "../kernels/layout.ts";

/** One layer of a run. */
export interface LayerPlan {
  readonly layer: ProgramLayer;
  readonly kernel: "first" | "convolution" | "dense";
  /** Of what the layer reads, as it is stored. */
  readonly input: Size;
  /** Zeros around it that are not stored. */
  readonly padding: 0 | 1;
  /** Whether its max-pool is taken. */
  readonly pool: boolean;
  /** Of its values, after the max-pool. */
  readonly output: Size;
}

/** Plans the layers up to the last, for a batch of at least the network's input size. */
export function planLayers(
  program: Program,
  precision: Precision,
  { count: images, height, width }: Pick<Batch, "count" | "height" | "width">,
  last: LastLayer = lastLayer(program),
): LayerPlan[] {
  let size: Size = { images, height, width, channels: program.input.channels };
  return program.layers.slice(0, last.index + 1).map((layer, index) => {
    const pool = layer.pool !== undefined && (index < last.index || last.pooled);
    const step = planLayer(layer, index === 0, pool, precision, size);
    size = step.output;
    return step;
  });
}

function planLayer(
  layer: ProgramLayer,
  isFirst: boolean,
  pool: boolean,
  precision: Precision,
  size: Size,
): LayerPlan {
  const whole = padded(size, layer.padding);
  const [kernelHeight, kernelWidth] = layer.kernel;
  const shift = pool ? 1 : 0;
  const output: Size = {
    images: size.images,
    height: (whole.height - kernelHeight + 1) >> shift,
    width: (whole.width - kernelWidth + 1) >> shift,
    channels: padChannels(layer.outChannels),
  };
  const isDense = kernelHeight === whole.height && kernelWidth === whole.width;
  // With int8, the activations are stored with their zeros.
  const stored = !isFirst && precision === "int8";
  return {
    layer,
    kernel: isFirst ? "first" : isDense ? "dense" : "convolution",
    input: stored ? whole : size,
    padding: stored ? 0 : layer.padding,
    pool,
    output,
  };
}

/** Vectors that a run needs for each of its tensors, the result not among them. */
export interface RunVectors {
  readonly image: number;
  readonly activations: number;
  readonly values: number;
}

/** Adds up what a run needs. `maxima` gives the workgroups of a layer, which store a maximum each. */
export function runVectors(
  plan: readonly LayerPlan[],
  precision: Precision,
  maxima: (step: LayerPlan) => number,
): RunVectors {
  const perVector = precision === "int8" ? 16 : 4;
  const inner = plan.slice(0, -1);
  const largest = (counts: number[]): number => Math.max(0, ...counts);
  return {
    image: imageVectors(plan[0].input),
    activations: largest(plan.slice(1).map(({ input }) => elements(input) / perVector)),
    values: precision === "float"
      ? 0
      : largest(inner.map((step) => elements(step.output) / 4 + maxima(step))),
  };
}

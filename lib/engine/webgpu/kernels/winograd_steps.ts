/**
 * A layer by Winograd's algorithm, chunk after chunk.
 *
 * @module
 */

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { ConvolutionTensors } from "./convolution.ts";
import { winogradChunks, winogradGroups, type WinogradLayer } from "./winograd_chunks.ts";
import { transformFilters, transformInputs } from "./winograd_inputs.ts";
import { multiplyPoints } from "./winograd_multiply.ts";
import { transformOutputs } from "./winograd_outputs.ts";

/** The tensors between the kernels. */
export interface Scratch {
  readonly filters: TensorInfo;
  readonly inputs: TensorInfo;
  readonly products: TensorInfo;
}

/** One convolution. */
export interface WinogradAttributes extends WinogradLayer {
  /** Zeros around `x` that are not stored. */
  readonly padding: 0 | 1;
  readonly relu: boolean;
}

/** One dispatch, and what it does. */
export interface Step {
  readonly kernel: "convolution" | "filters" | "inputs" | "products" | "outputs";
  run(): void;
}

/** Lists the dispatches that give what `convolve` gives. */
export function winogradSteps(
  backend: WebGPUBackend,
  { x, weights, scales }: ConvolutionTensors,
  { filters, inputs, products }: Scratch,
  attributes: WinogradAttributes,
  gives: TensorInfo,
): Step[] {
  const { precision, relu, pool, padding, input, output, tile } = attributes;
  const { outputs } = tile;
  const { channels } = input;
  const groupsPerImage = winogradGroups(attributes);
  return winogradChunks(attributes).flatMap((chunk): Step[] => {
    const steps: Step[] = [];
    const step = (kernel: Step["kernel"], run: () => void): number => steps.push({ kernel, run });
    if (chunk.newFilters) {
      step(
        "filters",
        () => transformFilters(backend, { weights }, { outputs, channels, chunk }, filters),
      );
    }
    if (chunk.newInputs) {
      step(
        "inputs",
        () =>
          transformInputs(backend, { x }, { precision, outputs, input, padding, chunk }, inputs),
      );
    }
    step(
      "products",
      () =>
        multiplyPoints(
          backend,
          { inputs, filters },
          { precision, channels, tile, chunk },
          products,
        ),
    );
    step("outputs", () =>
      transformOutputs(
        backend,
        { products, scales },
        { precision, outputs, relu, pool, output, chunk, groupsPerImage },
        gives,
      ));
    return steps;
  });
}

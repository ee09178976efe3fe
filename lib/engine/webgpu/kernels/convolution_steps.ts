/**
 * A convolution by whichever algorithm its tile is of.
 *
 * @module
 */

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import {
  type ConvolutionAttributes,
  type ConvolutionTensors,
  convolutionWorkgroups,
  convolve,
} from "./convolution.ts";
import { isWinograd, type Tile } from "../tuning/tile.ts";
import { type ScratchVectors, scratchVectors, winogradGroups } from "./winograd_chunks.ts";
import { type Scratch, type Step, winogradSteps } from "./winograd_steps.ts";

/** One convolution, and how it is computed. */
export interface TiledConvolution extends Omit<ConvolutionAttributes, "tile"> {
  readonly tile: Tile;
}

type Shape = Pick<TiledConvolution, "precision" | "pool" | "input" | "output" | "tile">;

/** Workgroups that store a maximum, for each image. */
export function maximaGroups({ tile, ...shape }: Shape): number {
  if (isWinograd(tile)) return winogradGroups({ ...shape, tile });
  const [x, y] = convolutionWorkgroups({ ...shape, tile });
  return x * y;
}

/** What a convolution needs besides its tensors. */
export function scratchOf({ tile, ...shape }: Shape): ScratchVectors {
  return isWinograd(tile)
    ? scratchVectors({ ...shape, tile })
    : { filters: 0, inputs: 0, products: 0 };
}

/** Lists the dispatches of a convolution. */
export function convolutionSteps(
  backend: WebGPUBackend,
  tensors: ConvolutionTensors,
  { tile, ...convolution }: TiledConvolution,
  scratch: (role: keyof Scratch) => TensorInfo,
  gives: TensorInfo,
): Step[] {
  if (!isWinograd(tile)) {
    const run = (): void => convolve(backend, tensors, { ...convolution, tile }, gives);
    return [{ kernel: "convolution", run }];
  }
  const between = {
    filters: scratch("filters"),
    inputs: scratch("inputs"),
    products: scratch("products"),
  };
  return winogradSteps(backend, tensors, between, { ...convolution, tile }, gives);
}

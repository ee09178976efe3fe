/**
 * A convolution by whichever algorithm its tile is of: all layers but the first and the dense ones,
 * and those too on inputs larger than the training size.
 */

import type { Step, Tensor } from "../device/tfjs.ts";
import {
  convolve,
  type DirectAttributes,
  directName,
  type DirectTile,
  directWorkgroups,
} from "./direct_convolution.ts";
import {
  type ScratchVectors,
  scratchVectors,
  winogradChunks,
  winogradName,
  type WinogradTile,
  winogradWorkgroups,
} from "./winograd.ts";
import { multiplyPoints } from "./winograd_multiply.ts";
import { transformFilters, transformInputs, transformOutputs } from "./winograd_transforms.ts";

export type Tile = DirectTile | WinogradTile;

export function isWinograd(tile: Tile): tile is WinogradTile {
  return "outputs" in tile;
}

export function tileName(tile: Tile): string {
  return isWinograd(tile) ? winogradName(tile) : directName(tile);
}

export interface Convolution extends Omit<DirectAttributes, "tile"> {
  readonly tile: Tile;
}

/** What decides how a convolution is cut. */
type Cut = Pick<Convolution, "precision" | "pool" | "input" | "output" | "tile">;

/** Workgroups that store a maximum, for each image. */
export function workgroupsPerImage({ tile, ...cut }: Cut): number {
  if (isWinograd(tile)) return winogradWorkgroups({ ...cut, tile });
  const [x, y, z] = directWorkgroups({ ...cut, tile });
  return x * y * z / cut.output.images;
}

/** What a convolution needs besides its tensors. */
export function scratchOf({ tile, ...cut }: Cut): ScratchVectors {
  return isWinograd(tile)
    ? scratchVectors({ ...cut, tile })
    : { filters: 0, inputs: 0, products: 0 };
}

/** Activations, int8 weights, and the layer's state, or with float its constants. */
export interface ConvolutionTensors {
  readonly x: Tensor;
  readonly weights: Tensor;
  readonly scales: Tensor;
}

/** The steps of a convolution. `scratch` gives tensors of the sizes of {@linkcode scratchOf}. */
export function convolutionSteps(
  tensors: ConvolutionTensors,
  { tile, ...convolution }: Convolution,
  scratch: (role: keyof ScratchVectors) => Tensor,
  gives: Tensor,
): Step[] {
  return isWinograd(tile)
    ? winogradSteps(tensors, { ...convolution, tile }, scratch, gives)
    : [convolve({ ...tensors }, { ...convolution, tile }, gives)];
}

function winogradSteps(
  { x, weights, scales }: ConvolutionTensors,
  convolution: Convolution & { readonly tile: WinogradTile },
  scratch: (role: keyof ScratchVectors) => Tensor,
  gives: Tensor,
): Step[] {
  const { precision, relu, pool, padding, input, output, tile } = convolution;
  const { outputs } = tile;
  const { channels } = input;
  const filters = scratch("filters"), inputs = scratch("inputs"), products = scratch("products");
  const workgroupsPerImage = winogradWorkgroups(convolution);
  return winogradChunks(convolution).flatMap((chunk) => [
    ...chunk.newFilters
      ? [transformFilters({ weights }, { outputs, channels, chunk }, filters)]
      : [],
    ...chunk.newInputs
      ? [transformInputs({ x }, { precision, outputs, input, padding, chunk }, inputs)]
      : [],
    multiplyPoints({ inputs, filters }, { precision, channels, tile, chunk }, products),
    transformOutputs(
      { products, scales },
      { precision, outputs, relu, pool, output, chunk, workgroupsPerImage },
      gives,
    ),
  ]);
}

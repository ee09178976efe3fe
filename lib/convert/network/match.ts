/** Tells the network from the names and shapes of a checkpoint's tensors. */

import { CheckpointFormatError } from "../../errors.ts";
import {
  type Architecture,
  type Configuration,
  CONFIGURATIONS,
  type Layer,
  layersOf,
} from "../../model/architecture.ts";
import { type CheckpointTensor, type OldCheckpoint, sizeOf } from "../formats/checkpoint.ts";
import { checkGraph, checkPositions } from "./match_graph.ts";
import {
  isDense,
  isWeighted,
  type LayerTensors,
  tensorsByLayer,
  type WeightedLayer,
  weightSizes,
} from "./layer_tensors.ts";

/** Batch normalization: `(x - mean) / sqrt(variance + epsilon) * gamma + beta`. */
export interface NormTensors {
  readonly gamma?: CheckpointTensor;
  readonly beta?: CheckpointTensor;
  readonly mean: CheckpointTensor;
  readonly variance: CheckpointTensor;
}

/** A layer and its tensors. */
export interface MatchedLayer {
  readonly layer: Layer;
  readonly weight: CheckpointTensor;
  readonly bias?: CheckpointTensor;
  readonly norm?: NormTensors;
}

/** What a checkpoint turned out to be. */
export interface Match {
  readonly architecture: Architecture;
  readonly layers: readonly MatchedLayer[];
}

/**
 * Finds the configuration, its sizes, and which tensor is which.
 *
 * @param options.inputSize Height and width of the input, for a network without dense layers, or one
 *   whose first dense layer does not see a square map. Default there: 224.
 * @throws {CheckpointFormatError} If the tensors are not those of a VGG, naming the first that differs.
 */
export function matchArchitecture(
  checkpoint: OldCheckpoint,
  file: string,
  options: { inputSize?: number } = {},
): Match {
  const all = tensorsByLayer(checkpoint, file);
  const norms = all.filter((layer) => !isWeighted(layer));
  const weighted = all.filter(isWeighted);
  const dense = weighted.filter(isDense);
  const convolutions = weighted.filter((layer) => !isDense(layer));
  const configuration = findConfiguration(convolutions, file);
  const first = convolutions[0]!;
  if (norms.length !== 0 && norms.length !== convolutions.length) {
    throw new CheckpointFormatError(
      `Expected batch normalization after each of the ${convolutions.length} convolutions of ${file} or none: found ${norms.length}`,
      { code: "checkpoint-unsupported", file },
    );
  }
  if (!checkpoint.inGraphOrder) {
    checkPositions(convolutions, configuration, norms.length > 0, file);
  }

  const channels = convolutions.map((tensors) => weightSizes(tensors).outputs);
  const inputChannels = weightSizes(first).inputs;
  if (inputChannels !== 1 && inputChannels !== 3) {
    const { name, shape } = first.weight;
    throw new CheckpointFormatError(
      `Tensor ${name} of ${file} must take 1 or 3 channels, as conv1_1: found shape [${shape}]`,
      { code: "checkpoint-unsupported", file },
    );
  }
  const architecture: Architecture = {
    configuration,
    input: {
      ...inputOf(dense, channels.at(-1)!, file, options.inputSize),
      channels: inputChannels,
    },
    convolutions: channels,
    dense: dense.map((tensors) => weightSizes(tensors).outputs),
  };
  checkGraph(checkpoint.graph, architecture, file, options.inputSize);
  const layers = layersIn(architecture, file).map((layer, index): MatchedLayer => {
    const tensors = [...convolutions, ...dense][index]!;
    const norm = index < convolutions.length ? norms[index] : undefined;
    checkShapes(layer, tensors, norm, file);
    return {
      layer,
      weight: tensors.weight,
      bias: tensors.bias,
      norm: norm && {
        gamma: norm.gamma,
        beta: norm.beta,
        mean: norm.mean!,
        variance: norm.variance!,
      },
    };
  });
  return { architecture, layers };
}

function findConfiguration(convolutions: readonly WeightedLayer[], file: string): Configuration {
  const candidates = Object.keys(CONFIGURATIONS) as Configuration[];
  const sizes = convolutions.map((layer) => weightSizes(layer).filter.join("x"));
  const expected = (name: Configuration) =>
    CONFIGURATIONS[name].flat().map((size) => `${size}x${size}`);
  const same = candidates.find((name) => String(expected(name)) === String(sizes));
  if (same !== undefined) return same;

  const nearest = candidates.filter((name) => expected(name).length === sizes.length)
    .toSorted((a, b) => agreement(expected(b), sizes) - agreement(expected(a), sizes))[0];
  if (nearest === undefined) {
    throw new CheckpointFormatError(
      `Expected the 8, 10, 13 or 16 convolutions of a VGG in ${file}: found ${sizes.length}`,
      { code: "checkpoint-unsupported", file },
    );
  }
  const index = expected(nearest).findIndex((size, i) => size !== sizes[i]);
  const { name, shape } = convolutions[index]!.weight;
  throw new CheckpointFormatError(
    `Tensor ${name} of ${file} must have a ${expected(nearest)[index]} filter, as convolution ${
      index + 1
    } of configuration ${nearest}: found shape [${shape}]`,
    { code: "checkpoint-unsupported", file },
  );
}

function agreement(a: readonly string[], b: readonly string[]): number {
  return a.filter((size, i) => size === b[i]).length;
}

/** The input size that the first dense layer implies, five pools before it. */
function inputOf(
  dense: readonly WeightedLayer[],
  channels: number,
  file: string,
  size: number | undefined,
): { height: number; width: number } {
  const [first] = dense;
  if (first === undefined) return { height: size ?? 224, width: size ?? 224 };
  const { inputs, filter } = weightSizes(first);
  const { name, shape } = first.weight;
  const positions = inputs * filter[0] * filter[1] / channels;
  const side = Math.round(Math.sqrt(positions));
  if (filter[0] * filter[1] > 1) return { height: 32 * filter[0], width: 32 * filter[1] };
  if (side < 1 || side * side !== positions) {
    throw new CheckpointFormatError(
      `Tensor ${name} of ${file} must take a square map of ${channels} channels, so ${channels} * n * n inputs: found shape [${shape}]`,
      { code: "checkpoint-unsupported", file },
    );
  }
  if (size !== undefined && size >> 5 !== side) {
    throw new CheckpointFormatError(
      `Tensor ${name} of ${file} takes a map of ${side}x${side}, so inputs from ${32 * side} to ${
        32 * side + 31
      }: ${size} was asked for`,
      { code: "checkpoint-unsupported", file },
    );
  }
  return { height: size ?? 32 * side, width: size ?? 32 * side };
}

function checkShapes(
  layer: Layer,
  tensors: WeightedLayer,
  norm: LayerTensors | undefined,
  file: string,
): void {
  const { filterSize, inChannels, outChannels } = layer;
  const { outputs, inputs, filter: found } = weightSizes(tensors);
  const isSame = outputs === outChannels &&
    inputs * found[0] * found[1] === inChannels * filterSize[0] * filterSize[1];
  if (!isSame) {
    const { name, shape, layout } = tensors.weight;
    const expected = shape.length === 2
      ? [outChannels, inChannels * filterSize[0] * filterSize[1]]
      : [outChannels, inChannels, ...filterSize];
    const native = layout.outputs === "first"
      ? expected
      : shape.length === 2
      ? expected.toReversed()
      : [...filterSize, inChannels, outChannels];
    throw new CheckpointFormatError(
      `Tensor ${name} of ${file} must have shape [${native}] as ${layer.name}: found [${shape}]`,
      { code: "checkpoint-unsupported", file },
    );
  }
  for (const tensor of [tensors.bias, norm?.gamma, norm?.beta, norm?.mean, norm?.variance]) {
    if (tensor === undefined || sizeOf(tensor.shape) === outChannels) continue;
    throw new CheckpointFormatError(
      `Tensor ${tensor.name} of ${file} must have shape [${outChannels}], as ${layer.name} has so many outputs: found [${tensor.shape}]`,
      { code: "checkpoint-unsupported", file },
    );
  }
}

function layersIn(architecture: Architecture, file: string): Layer[] {
  try {
    return layersOf(architecture);
  } catch (cause) {
    const message = `${file} is no VGG for int8: ${(cause as Error).message}`;
    throw new CheckpointFormatError(message, { code: "checkpoint-unsupported", file, cause });
  }
}

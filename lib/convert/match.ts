/**
 * Tells the network from the names and shapes of a checkpoint's tensors.
 *
 * @module
 */

import { CheckpointFormatError } from "../errors.ts";
import {
  type Architecture,
  type Configuration,
  CONFIGURATIONS,
  type Layer,
  layersOf,
} from "../vgg/architecture.ts";
import { type Checkpoint, type CheckpointTensor, sizeOf } from "./checkpoint.ts";

/** Batch normalisation: `(x - mean) / sqrt(variance + epsilon) * gamma + beta`. */
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

type Role = "weight" | "bias" | "gamma" | "beta" | "mean" | "variance";

/** The last part of a name, in the words of PyTorch, Keras, Frossard and machrisaa. */
const ROLES: Readonly<Record<string, Role>> = {
  weight: "weight",
  weights: "weight",
  kernel: "weight",
  W: "weight",
  bias: "bias",
  biases: "bias",
  b: "bias",
  gamma: "gamma",
  beta: "beta",
  running_mean: "mean",
  moving_mean: "mean",
  mean: "mean",
  running_var: "variance",
  moving_variance: "variance",
  variance: "variance",
};

/** What precedes a role, as short as can be, so that `running_mean` is not a `mean`. */
const NAME = new RegExp(`^(?:(.*?)[./_])?(${Object.keys(ROLES).join("|")})$`);

type Group = { readonly name: string } & Partial<Record<Role, CheckpointTensor>>;

/**
 * Finds the configuration, its sizes, and which tensor is which.
 *
 * @param options.inputSize Height and width of the input, for a network without dense layers, or one
 *   whose first dense layer does not see a square map. Default there: 224.
 * @throws {CheckpointFormatError} If the tensors are not those of a VGG, naming the first that differs.
 */
export function matchArchitecture(
  checkpoint: Checkpoint,
  file: string,
  options: { inputSize?: number } = {},
): Match {
  const groups = groupTensors(checkpoint, file);
  for (const group of groups) checkGroup(group, file);
  const norms = groups.filter((group) => group.weight === undefined);
  const dense = groups.filter((group) => !norms.includes(group) && isDense(group));
  const convolutions = groups.filter((group) => !norms.includes(group) && !dense.includes(group));
  const configuration = findConfiguration(convolutions, file);
  if (norms.length !== 0 && norms.length !== convolutions.length) {
    throw new CheckpointFormatError(
      `Expected batch normalisation after each of the ${convolutions.length} convolutions of ${file} or none: found ${norms.length}`,
      { file },
    );
  }
  if (!checkpoint.inGraphOrder) {
    checkPositions(convolutions, configuration, norms.length > 0, file);
  }

  const channels = convolutions.map((group) => shapeOf(group).outputs);
  const inputChannels = shapeOf(convolutions[0]).inputs;
  if (inputChannels !== 1 && inputChannels !== 3) {
    const { name, shape } = convolutions[0].weight!;
    throw new CheckpointFormatError(
      `Tensor ${name} of ${file} must take 1 or 3 channels, as conv1_1: found shape [${shape}]`,
      { file },
    );
  }
  const architecture: Architecture = {
    configuration,
    input: {
      ...inputOf(dense, channels.at(-1)!, file, options.inputSize),
      channels: inputChannels,
    },
    convolutions: channels,
    dense: dense.map((group) => shapeOf(group).outputs),
  };
  const layers = layersOf(architecture).map((layer, index): MatchedLayer => {
    const group = [...convolutions, ...dense][index];
    const norm = index < convolutions.length ? norms[index] : undefined;
    checkShapes(layer, group, norm, file);
    return {
      layer,
      weight: group.weight!,
      bias: group.bias,
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

/** Groups tensors by what precedes the role in their names, in the order of the network. */
function groupTensors(checkpoint: Checkpoint, file: string): Group[] {
  const groups = new Map<string, { name: string } & Partial<Record<Role, CheckpointTensor>>>();
  for (const tensor of checkpoint.tensors) {
    const [, name = "", last] = NAME.exec(tensor.name) ?? [];
    if (last === undefined) continue;
    const role = ROLES[last];
    const group = groups.get(name) ?? { name };
    if (group[role] !== undefined) {
      throw new CheckpointFormatError(`Layer ${name} of ${file} has more than one ${role}`, {
        file,
      });
    }
    group[role] = tensor;
    groups.set(group.name, group);
  }
  const all = [...groups.values()].map(normalise).filter((group) =>
    group.weight !== undefined || group.mean !== undefined || group.variance !== undefined
  );
  return checkpoint.inGraphOrder ? all : all.sort((a, b) => compareNames(a.name, b.name));
}

function checkGroup({ name, weight, mean, variance }: Group, file: string): void {
  if (weight === undefined && (mean === undefined || variance === undefined)) {
    throw new CheckpointFormatError(
      `Batch normalisation ${name} of ${file} must have a mean and a variance: found only one`,
      { file },
    );
  }
  if (weight !== undefined && weight.shape.length !== 2 && weight.shape.length !== 4) {
    throw new CheckpointFormatError(
      `Tensor ${weight.name} of ${file} must have 2 or 4 dimensions: found shape [${weight.shape}]`,
      { file },
    );
  }
}

/** PyTorch calls the scale and offset of a batch normalisation weight and bias. */
function normalise(group: Group): Group {
  if (group.mean === undefined && group.variance === undefined) return group;
  const { weight, bias, ...rest } = group;
  return { ...rest, gamma: group.gamma ?? weight, beta: group.beta ?? bias };
}

const NAMES = new Intl.Collator("en", { numeric: true });

function compareNames(a: string, b: string): number {
  // timm's last layer is the one whose name would be sorted first.
  const last = Number(/(^|\.)head\./.test(a + ".")) - Number(/(^|\.)head\./.test(b + "."));
  return last !== 0 ? last : NAMES.compare(a, b);
}

/** timm and Caffe store dense layers as convolutions. */
function isDense({ name, weight }: Group): boolean {
  return weight!.shape.length === 2 || /(^|[./])(pre_logits|head|fc)/.test(name);
}

interface Sizes {
  readonly outputs: number;
  /** Input channels; for a dense layer all its inputs. */
  readonly inputs: number;
  readonly kernel: readonly [height: number, width: number];
}

function shapeOf({ weight }: Group): Sizes {
  const { shape, layout } = weight!;
  if (shape.length !== 4) {
    const [outputs, inputs] = layout.outputs === "first" ? shape : [shape[1], shape[0]];
    return { outputs, inputs, kernel: [1, 1] };
  }
  if (layout.outputs === "first") {
    return { outputs: shape[0], inputs: shape[1], kernel: [shape[2], shape[3]] };
  }
  return { outputs: shape[3], inputs: shape[2], kernel: [shape[0], shape[1]] };
}

function findConfiguration(convolutions: readonly Group[], file: string): Configuration {
  const candidates = Object.keys(CONFIGURATIONS) as Configuration[];
  const sizes = convolutions.map((group) => shapeOf(group).kernel.join("x"));
  const expected = (name: Configuration) =>
    CONFIGURATIONS[name].flat().map((size) => `${size}x${size}`);
  const same = candidates.find((name) => String(expected(name)) === String(sizes));
  if (same !== undefined) return same;

  const nearest = candidates.filter((name) => expected(name).length === sizes.length)
    .toSorted((a, b) => agreement(expected(b), sizes) - agreement(expected(a), sizes))[0];
  if (nearest === undefined) {
    throw new CheckpointFormatError(
      `Expected the 8, 10, 13 or 16 convolutions of a VGG in ${file}: found ${sizes.length}`,
      { file },
    );
  }
  const index = expected(nearest).findIndex((size, i) => size !== sizes[i]);
  const { name, shape } = convolutions[index].weight!;
  throw new CheckpointFormatError(
    `Tensor ${name} of ${file} must have a ${expected(nearest)[index]} kernel, as convolution ${
      index + 1
    } of configuration ${nearest}: found shape [${shape}]`,
    { file },
  );
}

function agreement(a: readonly string[], b: readonly string[]): number {
  return a.filter((size, i) => size === b[i]).length;
}

/**
 * In a `features.N` of PyTorch the gaps show where the pools are: they must be at the ends of the
 * blocks.
 */
function checkPositions(
  convolutions: readonly Group[],
  configuration: Configuration,
  norm: boolean,
  file: string,
): void {
  const positions = convolutions.map(({ name }) => /(^|\.)features\.(\d+)$/.exec(name)?.[2]);
  if (positions.includes(undefined)) return;
  let expected = 0;
  let index = 0;
  for (const kernels of CONFIGURATIONS[configuration]) {
    for (let i = 0; i < kernels.length; i++) {
      if (Number(positions[index]) !== expected) {
        throw new CheckpointFormatError(
          `Tensor ${
            convolutions[index].weight!.name
          } of ${file} must be features.${expected}, as convolution ${
            index + 1
          } of configuration ${configuration}: the pools of this network are elsewhere`,
          { file },
        );
      }
      expected += norm ? 3 : 2;
      index++;
    }
    expected++;
  }
}

/** The input size that the first dense layer implies, five pools before it. */
function inputOf(
  dense: readonly Group[],
  channels: number,
  file: string,
  size: number | undefined,
): { height: number; width: number } {
  if (dense.length === 0) return { height: size ?? 224, width: size ?? 224 };
  const { inputs, kernel } = shapeOf(dense[0]);
  const { name, shape } = dense[0].weight!;
  const positions = inputs * kernel[0] * kernel[1] / channels;
  const side = Math.round(Math.sqrt(positions));
  if (kernel[0] * kernel[1] > 1) return { height: 32 * kernel[0], width: 32 * kernel[1] };
  if (side < 1 || side * side !== positions) {
    throw new CheckpointFormatError(
      `Tensor ${name} of ${file} must take a square map of ${channels} channels, so ${channels} * n * n inputs: found shape [${shape}]`,
      { file },
    );
  }
  if (size !== undefined && size >> 5 !== side) {
    throw new CheckpointFormatError(
      `Tensor ${name} of ${file} takes a map of ${side}x${side}, so inputs from ${32 * side} to ${
        32 * side + 31
      }: ${size} was asked for`,
      { file },
    );
  }
  return { height: size ?? 32 * side, width: size ?? 32 * side };
}

function checkShapes(layer: Layer, group: Group, norm: Group | undefined, file: string): void {
  const { kernel, inChannels, outChannels } = layer;
  const { outputs, inputs, kernel: found } = shapeOf(group);
  const isSame = outputs === outChannels &&
    inputs * found[0] * found[1] === inChannels * kernel[0] * kernel[1];
  if (!isSame) {
    const { name, shape, layout } = group.weight!;
    const expected = shape.length === 2
      ? [outChannels, inChannels * kernel[0] * kernel[1]]
      : [outChannels, inChannels, ...kernel];
    const native = layout.outputs === "first"
      ? expected
      : shape.length === 2
      ? expected.toReversed()
      : [...kernel, inChannels, outChannels];
    throw new CheckpointFormatError(
      `Tensor ${name} of ${file} must have shape [${native}] as ${layer.name}: found [${shape}]`,
      { file },
    );
  }
  for (const vector of [group.bias, norm?.gamma, norm?.beta, norm?.mean, norm?.variance]) {
    if (vector === undefined || sizeOf(vector.shape) === outChannels) continue;
    throw new CheckpointFormatError(
      `Tensor ${vector.name} of ${file} must have shape [${outChannels}], as ${layer.name} has so many outputs: found [${vector.shape}]`,
      { file },
    );
  }
}

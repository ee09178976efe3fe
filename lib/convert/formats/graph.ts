/**
 * What every reader of a file that describes its network gives: a graph of a closed set of operators.
 *
 * A reader translates and does not judge: what it does not understand becomes `unsupported` with the
 * name that the file has for it, and `network/` refuses it where it lies on the way from the input to
 * the output.
 */

import type { CheckpointTensor } from "./tensor.ts";

/** The order of a map's axes. */
export type Layout = "NCHW" | "NHWC";

/** Vertical and horizontal. */
export type Pair = readonly [vertical: number, horizontal: number];

/**
 * What is around a map: `"same"` is TensorFlow's, which pads as much as is needed for `ceil(size / stride)`
 * outputs, the odd one at the end; `"valid"` is nothing.
 */
export type Padding =
  | "same"
  | "valid"
  | readonly [top: number, left: number, bottom: number, right: number];

/** Constants of an `affine`: one number, or a tensor that is broadcast over the value as numpy does it. */
export type Constant = number | CheckpointTensor;

/** What a node does with the values that it takes. */
export type Operator =
  /** The images; what the file does not say, or leaves open, is `undefined`. */
  | {
    readonly kind: "input";
    readonly layout: Layout | undefined;
    readonly height: number | undefined;
    readonly width: number | undefined;
    readonly channels: number | undefined;
  }
  /**
   * `x * scale + shift`: a normalization of the input, a bias, Gemm's alpha, a temperature of the logits.
   * Default: `scale` 1, `shift` 0.
   */
  | { readonly kind: "affine"; readonly scale?: Constant; readonly shift?: Constant }
  /** `(x - mean) / sqrt(variance + epsilon) * gamma + beta`, each `[C]`. Default: `gamma` 1, `beta` 0. */
  | {
    readonly kind: "batchNorm";
    readonly gamma?: CheckpointTensor | undefined;
    readonly beta?: CheckpointTensor | undefined;
    readonly mean: CheckpointTensor;
    readonly variance: CheckpointTensor;
    readonly epsilon: number;
  }
  /** `weight` is `[O, I, H, W]`, `[O, H, W, I]` or `[H, W, I, O]`, as its layout says; `layout` is the map's. */
  | {
    readonly kind: "conv";
    readonly weight: CheckpointTensor;
    readonly bias?: CheckpointTensor | undefined;
    readonly stride: Pair;
    readonly padding: Padding;
    readonly dilation: Pair;
    readonly groups: number;
    readonly layout: Layout;
  }
  /** `weight` is `[O, I]` or `[I, O]`, as its layout says. The order of its inputs is the map's. */
  | {
    readonly kind: "dense";
    readonly weight: CheckpointTensor;
    readonly bias?: CheckpointTensor | undefined;
  }
  | { readonly kind: "relu" }
  /** `roundsUp`: whether a last odd row or column makes an output of its own (`ceil_mode`). */
  | {
    readonly kind: "maxPool" | "averagePool";
    readonly window: Pair;
    readonly stride: Pair;
    readonly padding: Padding;
    readonly roundsUp: boolean;
    readonly layout: Layout;
  }
  /** The average of all positions, whether the axes stay with one element or are dropped. */
  | { readonly kind: "globalAverage" }
  /** PyTorch's: as many windows as are asked for, which may overlap. */
  | { readonly kind: "adaptiveAverage"; readonly size: Pair }
  /** To a vector, in the order of the axes (or of `order`, where the operator turns them round first). */
  | { readonly kind: "flatten"; readonly order?: Layout | undefined }
  /** Zeros around a map. */
  | { readonly kind: "pad"; readonly padding: Padding; readonly layout: Layout }
  /** `order[i]` is the axis that becomes the `i`th, the images' included. */
  | { readonly kind: "transpose"; readonly order: readonly number[] }
  /** Red, green, blue to blue, green, red, or back. */
  | { readonly kind: "reverseColors" }
  | { readonly kind: "softmax" | "sigmoid" }
  /** Dropout and the like. */
  | { readonly kind: "identity" }
  /** `type` is the file's own word: `LeakyRelu`, `Lambda`; `because` says more, where more is known. */
  | { readonly kind: "unsupported"; readonly type: string; readonly because?: string | undefined };

/** One operator in its place. */
export interface GraphNode {
  /** As the file has it, for messages. */
  readonly name: string;
  /** The values that it takes, but for constants, by their names; of an `input` none. */
  readonly inputs: readonly string[];
  /** The value that it gives. */
  readonly output: string;
  readonly operator: Operator;
}

/** A network as its file describes it. */
export interface Graph {
  /** In any order; those that lead to no output do not matter. */
  readonly nodes: readonly GraphNode[];
  /** The values that the network gives. */
  readonly outputs: readonly string[];
}

/** Chains operators, each taking what the one before it gives: a network without branches. */
export function chainOf(
  operators: readonly { readonly name: string; readonly operator: Operator }[],
): Graph {
  const nodes = operators.map(({ name, operator }, index): GraphNode => ({
    name,
    operator,
    inputs: index === 0 ? [] : [`${index - 1}`],
    output: `${index}`,
  }));
  return { nodes, outputs: [`${nodes.length - 1}`] };
}

/** What every reader gives: named float tensors that are read in parts. */

import type { ByteSource } from "../../io/byte_source.ts";

/**
 * How a weight lies: whether the output channels are the first axis (PyTorch, Caffe) or the last
 * (TensorFlow), and how the input side is ordered, which matters where a dense layer follows a map.
 */
export interface WeightLayout {
  readonly outputs: "first" | "last";
  readonly inputs: "CHW" | "HWC";
}

/** PyTorch's, Caffe's and ONNX's layout: filters `[O, I, H, W]`, dense `[O, C * H * W]`. */
export const OUTPUTS_FIRST: WeightLayout = { outputs: "first", inputs: "CHW" };

/** TensorFlow's: filters `[H, W, I, O]`, dense `[H * W * C, O]`. */
export const OUTPUTS_LAST: WeightLayout = { outputs: "last", inputs: "HWC" };

/** Evenly spaced runs of elements, counted in row-major order. */
export interface Runs {
  /** First element of the first run. */
  readonly start: number;
  /** Elements of each run. */
  readonly length: number;
  /** Elements from the start of one run to the start of the next. */
  readonly stride: number;
  readonly count: number;
}

/** One tensor of a checkpoint. */
export interface CheckpointTensor {
  /** As the checkpoint has it. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly layout: WeightLayout;
  /** Reads runs of elements as float32, one after the other, into `into`, which they fill. */
  read(runs: Runs, into: Float32Array): Promise<void> | void;
}

/** A convolution or a pool of a network whose graph the checkpoint holds. */
export interface GraphLayer {
  /** As the checkpoint has it. */
  readonly name: string;
  readonly kind:
    | "convolution"
    | "max pool"
    | "average pool"
    | "global max pool"
    | "global average pool";
  /** Height and width that an output sees. Of a convolution its weights tell them. */
  readonly window: readonly number[];
  /** Vertical and horizontal. */
  readonly stride: readonly number[];
}

/** An open checkpoint. */
export interface Checkpoint {
  /** Such as `"safetensors"`, for people. */
  readonly format: string;
  /** In the order in which they lie in the file: reading them in this order reads it once, forwards. */
  readonly tensors: readonly CheckpointTensor[];
  /** Whether {@linkcode tensors} are in the order in which the network runs. Otherwise names decide. */
  readonly inGraphOrder: boolean;
  /** The convolutions and pools in order; `undefined` where the file has tensors alone. */
  readonly graph?: readonly GraphLayer[];
  /** What images the format's well-known weights are trained on; see `preprocessing.ts`. */
  readonly preprocessing: "torch" | "caffe";
  /** Added to the variance by batch normalization. */
  readonly epsilon: number;
  /** Gives back what it opened itself; its source belongs to whoever opened that. */
  close(): void;
}

/** Opens a file beside the checkpoint, by its name. */
export type OpenSibling = (name: string) => Promise<ByteSource>;

/** The number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Reads a whole, small tensor. */
export async function readAll(tensor: CheckpointTensor): Promise<Float32Array> {
  const length = sizeOf(tensor.shape);
  const values = new Float32Array(length);
  await tensor.read({ start: 0, length, stride: length, count: 1 }, values);
  return values;
}

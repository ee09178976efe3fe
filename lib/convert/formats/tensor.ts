/** Named float tensors that are read in parts. */

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
  /** Where it lies in its file, in bytes: layers are read in this order, so that a file is read forwards. */
  readonly position?: number | undefined;
  /** Reads runs of elements as float32, one after the other, into `into`, which they fill. */
  read(runs: Runs, into: Float32Array): Promise<void> | void;
}

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

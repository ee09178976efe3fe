/**
 * Tensors of integers that stand for floats.
 *
 * @module
 */

import type { CheckpointTensor, Runs } from "./checkpoint.ts";

/** `(q - zeroPoint) * scale`, for the whole tensor or for each index of one axis. */
export interface Quantization {
  readonly scale: ArrayLike<number>;
  /** As many as scales. */
  readonly zeroPoint: ArrayLike<number>;
  /** The axis that the scales go with, if there are several. */
  readonly axis: number;
}

/**
 * Makes floats of a tensor of integers.
 *
 * @throws {RangeError} If the numbers of scales and zero points do not fit the tensor.
 */
export function dequantizedTensor(
  tensor: CheckpointTensor,
  { scale, zeroPoint, axis }: Quantization,
): CheckpointTensor {
  const { shape } = tensor;
  const size = shape[axis < 0 ? axis + shape.length : axis] ?? 1;
  if (zeroPoint.length !== scale.length || (scale.length !== 1 && scale.length !== size)) {
    throw new RangeError(
      `${scale.length} scales and ${zeroPoint.length} zero points do not fit axis ${axis} of [${shape}]`,
    );
  }
  const inner = shape.slice((axis < 0 ? axis + shape.length : axis) + 1).reduce((a, b) => a * b, 1);
  return {
    ...tensor,
    async read(runs: Runs, into: Float32Array): Promise<void> {
      await tensor.read(runs, into);
      if (scale.length === 1) {
        for (let i = 0; i < into.length; i++) into[i] = (into[i] - zeroPoint[0]) * scale[0];
        return;
      }
      const { start, length, stride } = runs;
      for (let i = 0; i < into.length; i++) {
        const element = start + Math.floor(i / length) * stride + i % length;
        const index = Math.floor(element / inner) % size;
        into[i] = (into[i] - zeroPoint[index]) * scale[index];
      }
    },
  };
}

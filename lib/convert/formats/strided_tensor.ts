/**
 * Tensors whose elements lie in another order than that of their axes.
 *
 * @module
 */

import { type CheckpointTensor, type Runs, sizeOf } from "./checkpoint.ts";

/** Elements that a tensor in another order may have: it is held as a whole. That of fc6 is 103 M. */
const MAX_ELEMENTS = 1 << 27;

/** The strides of a tensor in row-major order. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = strides[axis + 1] * shape[axis + 1];
  }
  return strides;
}

/** Whether strides are those of row-major order; those of axes of one element do not matter. */
export function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  const expected = rowMajorStrides(shape);
  return shape.every((size, axis) => size <= 1 || strides[axis] === expected[axis]);
}

/**
 * Views the elements of `flat` with other strides, as PyTorch's `as_strided` does.
 *
 * @param flat All elements that the strides reach, from the first one on.
 * @throws {RangeError} If the strides reach beyond `flat`, or it is too large to be held.
 */
export function stridedTensor(
  flat: CheckpointTensor,
  shape: readonly number[],
  strides: readonly number[],
): CheckpointTensor {
  const length = sizeOf(flat.shape);
  const last = shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis], 0);
  if (strides.some((stride) => stride < 0) || last >= length || length > MAX_ELEMENTS) {
    throw new RangeError(`Strides [${strides}] of shape [${shape}] do not fit ${length} elements`);
  }
  let values: Float32Array | undefined;
  return {
    ...flat,
    shape,
    async read({ start, length: runLength, stride, count }: Runs, into: Float32Array) {
      if (values === undefined) {
        values = new Float32Array(length);
        await flat.read({ start: 0, length, stride: length, count: 1 }, values);
      }
      for (let run = 0, at = 0; run < count; run++) {
        for (let i = 0; i < runLength; i++) {
          into[at++] = values[place(start + run * stride + i, shape, strides)];
        }
      }
      // Read from its first element to its last one, and then not needed any more.
      if (start + (count - 1) * stride + runLength >= sizeOf(shape)) values = undefined;
    },
  };
}

function place(index: number, shape: readonly number[], strides: readonly number[]): number {
  let offset = 0;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    offset += index % shape[axis] * strides[axis];
    index = Math.floor(index / shape[axis]);
  }
  return offset;
}

/** Tensors whose elements are computed from another's as they are read. */

import { type CheckpointTensor, sizeOf } from "../checkpoint.ts";
import { mappedTensor, rowMajorStrides } from "../tensors.ts";

/**
 * Each element with one of a few numbers, which are spread over the tensor as numpy does it.
 *
 * @returns `undefined` if their shapes do not fit.
 */
export function combinedTensor(
  tensor: CheckpointTensor,
  { shape, values }: { readonly shape: readonly number[]; readonly values: readonly number[] },
  compute: (value: number, other: number) => number,
): CheckpointTensor | undefined {
  const offset = tensor.shape.length - shape.length;
  const fits = offset >= 0 &&
    shape.every((size, axis) => size === 1 || size === tensor.shape[axis + offset]);
  if (!fits) return undefined;
  const [from, to] = [rowMajorStrides(tensor.shape), rowMajorStrides(shape)];
  const axes = shape.flatMap((size, axis) =>
    size === 1 ? [] : [{ size, from: from[axis + offset]!, to: to[axis]! }]
  );
  return mappedTensor(tensor, (value, index) => {
    let at = 0;
    for (const { size, from, to } of axes) at += Math.floor(index / from) % size * to;
    return compute(value, values[at]!);
  });
}

/** The integers that floats are rounded to, the nearest even one if there are two. */
export function quantizedTensor(
  tensor: CheckpointTensor,
  { scale, zeroPoint }: { readonly scale: Float32Array; readonly zeroPoint: Float32Array },
  axis: number,
  [low, high]: readonly [low: number, high: number],
): CheckpointTensor {
  const inner = sizeOf(tensor.shape.slice(axis + 1));
  return mappedTensor(tensor, (value, index) => {
    const channel = scale.length === 1 ? 0 : Math.floor(index / inner) % scale.length;
    const integer = roundHalfEven(value / scale[channel]!) + zeroPoint[channel]!;
    return Math.min(Math.max(integer, low), high);
  });
}

function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

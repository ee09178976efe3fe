/** What a graph computes of constants alone: batch normalization that is written out, weights of another shape. */

import { type CheckpointTensor, readAll, type Runs, sizeOf } from "../checkpoint.ts";
import { rowMajorStrides } from "../tensors.ts";

/** Elements of a tensor that is held as a whole. */
const MAX_HELD = 1 << 20;
/** Numbers that are kept from one read to the next; channels have fewer. */
const MAX_KEPT = 1 << 15;

/** The numbers of a small constant; `undefined` if it is none. */
export async function numbersOf(tensor: CheckpointTensor): Promise<number[] | undefined> {
  return sizeOf(tensor.shape) > MAX_HELD ? undefined : Array.from(await readAll(tensor));
}

/** Another shape of the same elements. */
export function reshapedTensor(
  tensor: CheckpointTensor,
  shape: readonly number[],
): CheckpointTensor {
  return { ...tensor, shape };
}

/**
 * Applies a function to the elements of two tensors, one of which is broadcast over the other as numpy does
 * it.
 *
 * @returns `undefined` if the shapes do not fit, or the smaller one is too large to be held.
 */
export function combinedTensor(
  a: CheckpointTensor,
  b: CheckpointTensor,
  change: (x: number, y: number) => number,
): CheckpointTensor | undefined {
  if (!isBroadcastTo(b.shape, a.shape)) {
    return isBroadcastTo(a.shape, b.shape)
      ? combinedTensor(b, a, (y, x) => change(x, y))
      : undefined;
  }
  const { shape } = a;
  if (sizeOf(b.shape) > MAX_HELD) return undefined;
  const missing = shape.length - b.shape.length;
  const own = rowMajorStrides(b.shape);
  const strides = shape.map((_, axis) =>
    (b.shape[axis - missing] ?? 1) > 1 ? own[axis - missing]! : 0
  );
  let kept: Float32Array | undefined;
  return {
    ...a,
    async read(runs: Runs, into: Float32Array): Promise<void> {
      // First: of a long chain no more than one constant is held at a time, but for small ones.
      await a.read(runs, into);
      const small = kept ?? await readAll(b);
      if (small.length <= MAX_KEPT) kept = small;
      const { start, length, stride } = runs;
      for (let i = 0; i < into.length; i++) {
        let element = start + Math.floor(i / length) * stride + i % length;
        let at = 0;
        for (let axis = shape.length - 1; axis >= 0; axis--) {
          at += element % shape[axis]! * strides[axis]!;
          element = Math.floor(element / shape[axis]!);
        }
        into[i] = change(into[i]!, small[at]!);
      }
    },
  };
}

function isBroadcastTo(shape: readonly number[], large: readonly number[]): boolean {
  const missing = large.length - shape.length;
  return missing >= 0 &&
    shape.every((size, axis) => size === 1 || size === large[axis + missing]);
}

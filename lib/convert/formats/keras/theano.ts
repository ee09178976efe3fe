/**
 * Kernels as Theano has them: its convolution turns them by half a turn, so that files that were made with it
 * hold them turned, and Keras turns them back where a file says that it was.
 */

import {
  type CheckpointTensor,
  OUTPUTS_FIRST,
  OUTPUTS_LAST,
  readAll,
  sizeOf,
} from "../checkpoint.ts";

/**
 * Whether the kernels of a file are turned, as its name says or its attribute `backend`, and which of them.
 *
 * @param file A path or a URL.
 */
export function saysTurned(
  file: string,
  backend: unknown,
): { readonly isTurned: boolean; readonly because: string } | undefined {
  const [, said] = /_(th|tf)_kernels[^/\\]*$/.exec(file) ?? [];
  if (said !== undefined) {
    return { isTurned: said === "th", because: `its name says ${said}_kernels` };
  }
  if (typeof backend !== "string") return undefined;
  return { isTurned: backend === "theano", because: `it says that it was made with ${backend}` };
}

/** Turns the kernel of a convolution by half a turn. */
export function turned(tensor: CheckpointTensor): CheckpointTensor {
  const { shape, layout } = tensor;
  if (shape.length !== 4) return tensor;
  const isFirst = layout.outputs === "first";
  const [height, width] = (isFirst ? shape.slice(2) : shape) as [number, number];
  // Elements of one position, which stay together.
  const inner = isFirst ? 1 : sizeOf(shape.slice(2));
  const positions = height * width;
  return {
    ...tensor,
    async read({ start, length, stride, count }, into): Promise<void> {
      const values = await readAll(tensor);
      for (let run = 0, at = 0; run < count; run++) {
        for (let i = 0; i < length; i++) {
          const element = start + run * stride + i;
          const position = Math.floor(element / inner) % positions;
          into[at++] = values[element + (positions - 1 - 2 * position) * inner]!;
        }
      }
    },
  };
}

/** Whether kernels are `[O, I, H, W]`: those of Keras 1 with its `dim_ordering` `th`. */
export function haveOutputsFirst(kernels: readonly CheckpointTensor[]): boolean {
  const first = kernels.filter(({ shape: [a, b, c, d] }) => c === d && a !== b).length;
  const last = kernels.filter(({ shape: [a, b, c, d] }) => a === b && c !== d).length;
  return first > last;
}

/** A tensor whose axes are in the order of Keras 1's `th`: a kernel's, and the inputs of a dense layer's. */
export function outputsFirst(tensor: CheckpointTensor): CheckpointTensor {
  const layout = tensor.shape.length === 4
    ? OUTPUTS_FIRST
    : { ...OUTPUTS_LAST, inputs: "CHW" } as const;
  return { ...tensor, layout };
}

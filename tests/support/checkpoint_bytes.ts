/**
 * Checkpoints of tensors alone.
 *
 * @module
 */

import { encodeSafetensorsHeader } from "../../lib/model/safetensors.ts";

/** Names and shapes, in the order of the file. */
export type Shapes = Record<string, readonly number[]>;

/** A safetensors file of ones. */
export function checkpointOf(shapes: Shapes): Uint8Array<ArrayBuffer> {
  const tensors = Object.entries(shapes).map(([name, shape]) => ({
    name,
    dtype: "F32" as const,
    shape,
  }));
  const header = encodeSafetensorsHeader(tensors, {});
  const elements = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const file = new Uint8Array(header.length + 4 * elements);
  file.set(header);
  new Float32Array(file.buffer, header.length).fill(1);
  return file;
}

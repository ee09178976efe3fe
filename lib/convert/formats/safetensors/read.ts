/** Reads safetensors checkpoints with the names of torchvision or timm. */

import type { ByteSource } from "../../../io/byte_source.ts";
import { readSafetensorsHeader } from "../../../model/safetensors.ts";
import { type OldCheckpoint, OUTPUTS_FIRST } from "../checkpoint.ts";
import { storedTensor, weightsOf } from "../stored.ts";

/** Opens a checkpoint whose file begins with a safetensors header. */
export async function readSafetensors(source: ByteSource): Promise<OldCheckpoint> {
  const { tensors } = await readSafetensorsHeader(source);
  const stored = tensors.map(({ name, shape, dtype, begin }) =>
    storedTensor(source, { name, shape, layout: OUTPUTS_FIRST, position: begin }, dtype, begin)
  );
  return {
    format: "safetensors",
    tensors: weightsOf(stored, source.name),
    inGraphOrder: false,
    preprocessing: "torch",
    epsilon: 1e-5,
    close: () => {},
  };
}

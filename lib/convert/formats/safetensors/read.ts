/** Reads safetensors checkpoints with the names of torchvision or timm. */

import type { ByteSource } from "../../../io/byte_source.ts";
import { readSafetensorsHeader } from "../../../model/safetensors.ts";
import { type OldCheckpoint, OUTPUTS_FIRST } from "../checkpoint.ts";
import { isElementType, rawTensor } from "../tensors.ts";

/** Opens a checkpoint whose file begins with a safetensors header. */
export async function readSafetensors(source: ByteSource): Promise<OldCheckpoint> {
  const { tensors } = await readSafetensorsHeader(source);
  return {
    format: "safetensors",
    tensors: tensors
      // 64-bit integers count batches; they are no weights.
      .flatMap(({ name, shape, dtype, begin }) =>
        isElementType(dtype)
          ? [rawTensor(source, { name, shape, layout: OUTPUTS_FIRST }, dtype, begin)]
          : []
      ),
    inGraphOrder: false,
    preprocessing: "torch",
    epsilon: 1e-5,
    close: () => {},
  };
}

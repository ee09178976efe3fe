/** Reads safetensors checkpoints: names, shapes and elements, in no order. */

import type { ByteSource } from "../../../io/byte_source.ts";
import { readSafetensorsHeader } from "../../../model/safetensors.ts";
import { type Checkpoint, OUTPUTS_FIRST } from "../checkpoint.ts";
import { withLayouts } from "../layouts.ts";
import { usualImages } from "../usual_images.ts";
import { storedTensor, weightsOf } from "../stored.ts";

/** Opens a checkpoint whose file begins with a safetensors header. */
export async function readSafetensors(source: ByteSource): Promise<Checkpoint> {
  const { tensors: ranges } = await readSafetensorsHeader(source);
  const stored = ranges.map(({ name, shape, dtype, begin }) =>
    storedTensor(source, { name, shape, layout: OUTPUTS_FIRST, position: begin }, dtype, begin)
  );
  const tensors = withLayouts(weightsOf(stored, source.name), OUTPUTS_FIRST);
  return {
    format: "safetensors",
    tensors,
    order: "none",
    images: usualImages(tensors),
    epsilon: 1e-5,
    close: () => {},
  };
}

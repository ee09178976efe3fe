/**
 * A Model as its file.
 *
 * @module
 */

import { MemoryFile } from "../../lib/io/atomic_file.ts";
import type { Model } from "../../lib/model/model.ts";
import { ModelWriter } from "../../lib/model/writer.ts";

/** The bytes of a model's file. */
export async function modelBytes(model: Model): Promise<Uint8Array<ArrayBuffer>> {
  const file = new MemoryFile(), writer = new ModelWriter(file, model);
  for (const { name, scale, bias } of model.parameters) writer.setParameters(name, scale, bias);
  for await (const { layer, first, data } of model.weights()) {
    writer.setWeights(layer, first, data);
  }
  await writer.finish(model.provenance);
  return file.bytes;
}

/**
 * A trained model as an int8 model file.
 *
 * @module
 */

import { type Architecture, layersOf } from "../model/architecture.ts";
import type { Model } from "../model/model.ts";
import { MemoryFile } from "../io/atomic_file.ts";
import { type ModelDescription, ModelWriter } from "../model/writer.ts";
import { type QuantizedFilter, quantizeFilter } from "../convert/quantize/channels.ts";
import type { DenseLayer } from "./head.ts";

/**
 * Writes a model file.
 *
 * @param trained The layers that were trained, the last ones of the architecture; the weights are
 *   `[O, filterHeight, filterWidth, I]`.
 * @param base The model that gives all layers before them.
 */
export async function writeModel(
  description: ModelDescription,
  trained: readonly DenseLayer[],
  base?: Model,
): Promise<Uint8Array<ArrayBuffer>> {
  const file = new MemoryFile();
  const writer = new ModelWriter(file, description);
  const layers = layersOf(description.architecture);
  const frozen = layers.length - trained.length;
  if (base !== undefined) await copyLayers(writer, base, description.architecture, frozen);
  trained.forEach(({ weight, bias }, n) => {
    const { name } = layers[frozen + n];
    const { data, scale } = quantize(weight, bias.length);
    writer.setWeights(name, 0, data);
    writer.setParameters(name, scale, bias);
  });
  await writer.finish(description.provenance);
  return file.bytes;
}

/** Copies the first `count` layers; a dense one may have another name in the new model. */
async function copyLayers(
  writer: ModelWriter,
  base: Model,
  architecture: Architecture,
  count: number,
): Promise<void> {
  const names = new Map<string, string>();
  const layers = layersOf(architecture);
  layersOf(base.architecture).slice(0, count).forEach(({ name }, i) => {
    names.set(name, layers[i].name);
  });
  for (const { name, scale, bias } of base.parameters) {
    const copy = names.get(name);
    if (copy !== undefined) writer.setParameters(copy, scale, bias);
  }
  for await (const { layer, first, data } of base.weights()) {
    const copy = names.get(layer);
    if (copy !== undefined) writer.setWeights(copy, first, data);
  }
}

/** Int8 per output channel. */
function quantize(
  weight: Float32Array,
  channels: number,
): { data: Int8Array; scale: Float32Array } {
  const inner = weight.length / channels;
  const data = new Int8Array(weight.length), scale = new Float32Array(channels);
  const found: QuantizedFilter = { scale: 0, min: 0, max: 0, energy: 0, error: 0 };
  for (let o = 0; o < channels; o++) {
    const row = weight.subarray(o * inner, (o + 1) * inner);
    quantizeFilter(row, data.subarray(o * inner, (o + 1) * inner), found);
    scale[o] = found.scale;
  }
  return { data, scale };
}

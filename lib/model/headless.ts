/** A model's convolutions, without what follows them. */

import { type Architecture, layersOf } from "./architecture.ts";
import type { Model } from "./model.ts";

/**
 * The convolutions of a model, for inputs of another size. What follows them is not even read.
 *
 * @param size Height and width in pixels.
 */
export function headless(base: Model, size: number): Model {
  const { id, preprocessing, provenance } = base;
  const architecture: Architecture = {
    ...base.architecture,
    input: { ...base.architecture.input, height: size, width: size },
    pooling: undefined,
    dense: [],
    head: undefined,
  };
  const layers = layersOf(architecture), kept = new Set(layers.map(({ name }) => name));
  const weightBytes = layers.reduce(
    (sum, { filterSize: [h, w], inChannels, outChannels }) =>
      sum + h * w * inChannels * outChannels,
    0,
  );
  return {
    ...{ id, architecture, preprocessing: { ...preprocessing, size }, labels: [], provenance },
    parameters: base.parameters.filter(({ name }) => kept.has(name)),
    weightBytes,
    async *weights(options) {
      let left = weightBytes;
      for await (const piece of base.weights(options)) {
        if (!kept.has(piece.layer)) continue;
        yield piece;
        if ((left -= piece.data.length) === 0) return;
      }
    },
  };
}

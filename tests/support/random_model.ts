/**
 * Small VGGs with weights drawn from a seed, for tests that need shapes rather than accuracy.
 *
 * @module
 */

import { type Architecture, classCount, layersOf } from "../../lib/model/architecture.ts";
import type { LayerParameters, Model, WeightPiece } from "../../lib/model/model.ts";
import type { Weights } from "./reference.ts";

/** xorshift32: numbers in `[0, 1)` from a seed other than 0. */
export function random(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** A Model of the given shape, and its weights as the reference wants them. */
export function randomModel(
  architecture: Architecture,
  seed: number = 1,
): { model: Model; weights: Weights } {
  const next = random(seed);
  const weights = new Map<string, Int8Array>();
  const parameters: LayerParameters[] = [];
  const layers = layersOf(architecture);
  for (const { name, filterSize, inChannels, outChannels } of layers) {
    const inner = filterSize[0] * filterSize[1] * inChannels;
    // He initialization, so that activations neither vanish nor explode over 19 layers.
    const limit = Math.sqrt(6 / inner);
    weights.set(
      name,
      Int8Array.from({ length: outChannels * inner }, () => Math.floor(next() * 255) - 127),
    );
    parameters.push({
      name,
      scale: Float32Array.from({ length: outChannels }, () => (0.5 + next()) * limit / 127),
      bias: Float32Array.from({ length: outChannels }, () => (next() - 0.5) * 0.2),
    });
  }
  const channels = architecture.input.channels;
  const model: Model = {
    id: `random-${seed}`,
    architecture,
    preprocessing: {
      resize: "shorter-side",
      size: Math.max(architecture.input.height, architecture.input.width),
      filter: "bilinear",
      scale: 1 / 255,
      mean: [0.4914, 0.4822, 0.4465].slice(0, channels),
      std: [0.247, 0.2435, 0.2616].slice(0, channels),
    },
    labels: Array.from({ length: classCount(architecture) }, (_, i) => `class ${i}`),
    provenance: {},
    parameters,
    weightBytes: [...weights.values()].reduce((sum, data) => sum + data.length, 0),
    async *weights(): AsyncGenerator<WeightPiece> {
      for (const { name, outChannels } of layers) {
        const data = weights.get(name)!;
        const inner = data.length / outChannels;
        for (let first = 0; first < outChannels; first += 32) {
          const count = Math.min(32, outChannels - first);
          yield {
            layer: name,
            first,
            count,
            data: data.slice(first * inner, (first + count) * inner),
          };
        }
      }
    },
  };
  return { model, weights };
}

/** A batch of noise. */
export function randomBatch(
  count: number,
  height: number,
  width: number,
  channels: number,
  seed: number = 7,
): { data: Uint8Array; count: number; height: number; width: number } {
  const next = random(seed);
  const data = Uint8Array.from(
    { length: count * height * width * channels },
    () => Math.floor(next() * 256),
  );
  return { data, count, height, width };
}

/**
 * VGG16 at full size (configuration D, 224x224, 138 million int8 weights) with random weights.
 *
 * @module
 */

import { type Architecture, layersOf } from "../lib/model/architecture.ts";
import type { Model, WeightPiece } from "../lib/model/model.ts";
import type { Batch } from "../lib/engine/engine.ts";

/** The paper's configuration D for ImageNet. */
export const VGG16: Architecture = {
  configuration: "D",
  input: { height: 224, width: 224, channels: 3 },
  convolutions: [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512],
  dense: [4096, 4096, 1000],
};

/** Bytes of a piece of weights, as a file would give them. */
const PIECE_BYTES = 1 << 20;

/** A Model whose weights are drawn as they are streamed: nothing is held. */
export function randomVgg16(architecture: Architecture = VGG16): Model {
  const layers = layersOf(architecture).map((layer) => ({
    ...layer,
    inner: layer.filterSize[0] * layer.filterSize[1] * layer.inChannels,
  }));
  const next = xorshift(1);
  return {
    id: "vgg16-random",
    architecture,
    preprocessing: {
      resize: "shorter-side",
      size: 256,
      filter: "bilinear",
      scale: 1 / 255,
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    },
    labels: Array.from({ length: architecture.dense.at(-1) ?? 0 }, (_, i) => `class ${i}`),
    provenance: {},
    parameters: layers.map(({ name, outChannels, inner }) => ({
      name,
      // He initialization, so that activations neither vanish nor explode.
      scale: Float32Array.from(
        { length: outChannels },
        () => (0.8 + 0.4 * next() / 2 ** 32) * Math.sqrt(6 / inner) / 127,
      ),
      bias: Float32Array.from({ length: outChannels }, () => (next() / 2 ** 32 - 0.5) * 0.1),
    })),
    weightBytes: layers.reduce((sum, { outChannels, inner }) => sum + outChannels * inner, 0),
    async *weights({ signal } = {}): AsyncGenerator<WeightPiece> {
      const next = xorshift(2);
      for (const { name: layer, outChannels, inner } of layers) {
        const rows = Math.max(16, Math.floor(PIECE_BYTES / inner / 16) * 16);
        const words = new Int32Array(Math.ceil(Math.min(rows, outChannels) * inner / 4));
        for (let first = 0; first < outChannels; first += rows) {
          signal?.throwIfAborted();
          const count = Math.min(rows, outChannels - first);
          // No byte is -128: its sign bit alone would have to be set.
          for (let i = 0; i < words.length; i++) words[i] = next() | 0x01010101;
          yield { layer, first, count, data: new Int8Array(words.buffer, 0, count * inner) };
        }
      }
    },
  };
}

/** A batch of noise at the size that the model was "trained" for. */
export function randomImages(count: number, architecture: Architecture = VGG16): Batch {
  const { height, width, channels } = architecture.input;
  const next = xorshift(3);
  const data = Uint8Array.from({ length: count * height * width * channels }, () => next() & 255);
  return { data, count, height, width };
}

/** Marsaglia's xorshift32: words from a seed other than 0. */
function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

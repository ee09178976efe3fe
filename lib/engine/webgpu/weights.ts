/**
 * Brings int8 weights into the order in which the kernels read them.
 *
 * @module
 */

import type { Layer } from "../../vgg/architecture.ts";
import { CHANNELS_PER_VECTOR, padChannels } from "./layout.ts";

/** Words of a layer's weights on the GPU. */
export function weightWords(layer: Layer, isFirst: boolean): number {
  return padChannels(layer.outChannels) * wordsPerChannel(layer, isFirst);
}

/** Words of one output channel. In the first layer, the 1 or 3 channels of a tap share a word. */
export function wordsPerChannel(layer: Layer, isFirst: boolean): number {
  const taps = layer.kernel[0] * layer.kernel[1];
  return taps * (isFirst ? 1 : padChannels(layer.inChannels) / 4);
}

/**
 * Packs the filters of some output channels, `[count, taps, I]`, as the kernels read them:
 * `[ceil(count / 16), taps, ceil(I / 16), 16, 16]` bytes, or `[ceil(count / 16) * 16, taps, 4]` in the first layer.
 * What is not there is 0.
 */
export function packWeights(
  layer: Layer,
  isFirst: boolean,
  filters: Int8Array,
  count: number,
): Int32Array<ArrayBuffer> {
  const { inChannels } = layer;
  const taps = layer.kernel[0] * layer.kernel[1];
  const packed = new Int8Array(padChannels(count) * wordsPerChannel(layer, isFirst) * 4);
  const vectors = padChannels(inChannels) / CHANNELS_PER_VECTOR;
  let from = 0;
  for (let o = 0; o < count; o++) {
    for (let tap = 0; tap < taps; tap++) {
      if (isFirst) {
        packed.set(filters.subarray(from, from + inChannels), (o * taps + tap) * 4);
      } else {
        const block = (o >> 4) * taps + tap;
        for (let c = 0; c < inChannels; c += CHANNELS_PER_VECTOR) {
          const end = Math.min(c + CHANNELS_PER_VECTOR, inChannels);
          const to = ((block * vectors + (c >> 4)) * 16 + (o & 15)) * 16;
          packed.set(filters.subarray(from + c, from + end), to);
        }
      }
      from += inChannels;
    }
  }
  return new Int32Array(packed.buffer);
}

/**
 * Brings int8 weights into the order in which the kernels read them.
 *
 * @module
 */

import type { Layer } from "../../../model/architecture.ts";
import { CHANNEL_STEP, padChannels } from "../kernels/layout.ts";
import { VECTOR_WORDS } from "../device/memory.ts";

/** Vectors that sixteen output channels of a layer take. */
export function blockVectors(layer: Layer, isFirst: boolean): number {
  const taps = layer.kernel[0] * layer.kernel[1];
  return taps * (isFirst ? 4 : padChannels(layer.inChannels));
}

/** Vectors of a layer's weights. */
export function weightVectors(layer: Layer, isFirst: boolean): number {
  return padChannels(layer.outChannels) / CHANNEL_STEP * blockVectors(layer, isFirst);
}

/**
 * Packs the filters of some output channels, `[count, taps, I]`, as `layout.ts` says. The first of them is a multiple of
 * 16; what is not there is 0.
 */
export function packWeights(
  layer: Layer,
  isFirst: boolean,
  filters: Int8Array,
  count: number,
): Int32Array<ArrayBuffer> {
  const blocks = padChannels(count) / CHANNEL_STEP;
  const packed = new Int32Array(blocks * blockVectors(layer, isFirst) * VECTOR_WORDS);
  if (isFirst) packFirst(layer, filters, count, new Int8Array(packed.buffer));
  else if (layer.inChannels % CHANNEL_STEP === 0 && filters.byteOffset % 4 === 0) {
    packWords(layer, filters, count, packed);
  } else packBytes(layer, filters, count, new Int8Array(packed.buffer));
  return packed;
}

function packFirst(
  { kernel, inChannels }: Layer,
  filters: Int8Array,
  count: number,
  packed: Int8Array,
): void {
  const taps = kernel[0] * kernel[1];
  for (let o = 0, from = 0; o < count; o++) {
    for (let tap = 0; tap < taps; tap++, from += inChannels) {
      const to = ((o >> 2) * taps + tap) * 16 + (o & 3) * 4;
      packed.set(filters.subarray(from, from + inChannels), to);
    }
  }
}

/** Where, within its sixteen, the vectors of an output channel lie. */
function placeInBlock(o: number): number {
  return (o & 3) * 4 + ((o >> 2) & 3);
}

function packWords(
  { kernel, inChannels }: Layer,
  filters: Int8Array,
  count: number,
  packed: Int32Array,
): void {
  const words = new Int32Array(filters.buffer, filters.byteOffset, filters.length / 4);
  // Vectors of one filter: taps, and for each its sixteens of input channels.
  const vectors = kernel[0] * kernel[1] * inChannels / CHANNEL_STEP;
  for (let o = 0, from = 0; o < count; o++) {
    let to = ((o >> 4) * vectors * 16 + placeInBlock(o)) * VECTOR_WORDS;
    for (let v = 0; v < vectors; v++, to += 16 * VECTOR_WORDS) {
      packed[to] = words[from++];
      packed[to + 1] = words[from++];
      packed[to + 2] = words[from++];
      packed[to + 3] = words[from++];
    }
  }
}

function packBytes(
  { kernel, inChannels }: Layer,
  filters: Int8Array,
  count: number,
  packed: Int8Array,
): void {
  const taps = kernel[0] * kernel[1];
  const groups = padChannels(inChannels) / CHANNEL_STEP;
  for (let o = 0, from = 0; o < count; o++) {
    for (let tap = 0; tap < taps; tap++, from += inChannels) {
      for (let c = 0; c < inChannels; c += CHANNEL_STEP) {
        const vector = ((o >> 4) * taps + tap) * groups + c / CHANNEL_STEP;
        const end = Math.min(c + CHANNEL_STEP, inChannels);
        packed.set(filters.subarray(from + c, from + end), (vector * 16 + placeInBlock(o)) * 16);
      }
    }
  }
}

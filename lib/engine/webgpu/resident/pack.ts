/**
 * Brings int8 weights, constants, the table and images into the order in which the kernels read
 * them (`../kernels/kernel.ts`), and what they give out of it.
 */

import type { Layer } from "../../../model/architecture.ts";
import type { LayerParameters, Preprocessing } from "../../../model/model.ts";
import type { Activations, Precision } from "../../engine.ts";
import type { Program, ProgramLayer } from "../../program.ts";
import { VECTOR_WORDS } from "../device/memory.ts";
import {
  CHANNEL_MULTIPLE,
  elements,
  padChannels,
  type Shape,
  stateVectors,
} from "../kernels/kernel.ts";

/** Vectors that sixteen output channels of a layer take. */
export function blockVectors(layer: Layer, isFirst: boolean): number {
  const taps = layer.filterSize[0] * layer.filterSize[1];
  return taps * (isFirst ? 4 : padChannels(layer.inChannels));
}

export function weightVectors(layer: Layer, isFirst: boolean): number {
  return padChannels(layer.outChannels) / CHANNEL_MULTIPLE * blockVectors(layer, isFirst);
}

/**
 * Packs the filters of some output channels, `[count, taps, I]`. The first of them is a multiple of
 * 16; what is not there is 0.
 */
export function packWeights(
  layer: Layer,
  isFirst: boolean,
  filters: Int8Array,
  count: number,
): Int32Array<ArrayBuffer> {
  const blocks = padChannels(count) / CHANNEL_MULTIPLE;
  const packed = new Int32Array(blocks * blockVectors(layer, isFirst) * VECTOR_WORDS);
  if (isFirst) packFirst(layer, filters, count, new Int8Array(packed.buffer));
  else if (layer.inChannels % CHANNEL_MULTIPLE === 0 && filters.byteOffset % 4 === 0) {
    packWords(layer, filters, count, packed);
  } else packBytes(layer, filters, count, new Int8Array(packed.buffer));
  return packed;
}

function packFirst(
  { filterSize, inChannels }: Layer,
  filters: Int8Array,
  count: number,
  packed: Int8Array,
): void {
  const taps = filterSize[0] * filterSize[1];
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
  { filterSize, inChannels }: Layer,
  filters: Int8Array,
  count: number,
  packed: Int32Array,
): void {
  const words = new Int32Array(filters.buffer, filters.byteOffset, filters.length / 4);
  // Vectors of one filter: taps, and for each its sixteens of input channels.
  const vectors = filterSize[0] * filterSize[1] * inChannels / CHANNEL_MULTIPLE;
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
  { filterSize, inChannels }: Layer,
  filters: Int8Array,
  count: number,
  packed: Int8Array,
): void {
  const taps = filterSize[0] * filterSize[1];
  const sixteens = padChannels(inChannels) / CHANNEL_MULTIPLE;
  for (let o = 0, from = 0; o < count; o++) {
    for (let tap = 0; tap < taps; tap++, from += inChannels) {
      for (let c = 0; c < inChannels; c += CHANNEL_MULTIPLE) {
        const vector = ((o >> 4) * taps + tap) * sixteens + c / CHANNEL_MULTIPLE;
        const end = Math.min(c + CHANNEL_MULTIPLE, inChannels);
        packed.set(filters.subarray(from + c, from + end), (vector * 16 + placeInBlock(o)) * 16);
      }
    }
  }
}

/**
 * `[O / 4, 2]` vectors: multipliers and biases, or with float the model's scales and biases: 1 and
 * 0 for the average, which has none.
 */
export function packConstants(
  precision: Precision,
  { multiplier, bias, outChannels }: ProgramLayer,
  parameters: LayerParameters | undefined,
): Int32Array<ArrayBuffer> {
  const length = padChannels(outChannels) * 2;
  const constants = precision === "int8" ? new Int32Array(length) : new Float32Array(length);
  const [factors, offsets] = precision === "int8"
    ? [multiplier, bias]
    : [parameters?.scale, parameters?.bias];
  for (let o = 0; o < outChannels; o++) {
    const at = (o >> 2) * 8 + (o & 3);
    constants[at] = factors?.[o] ?? 1;
    constants[at + 4] = offsets?.[o] ?? 0;
  }
  return new Int32Array(constants.buffer);
}

/** `[256]` vectors, a word a channel: a byte's 16-bit value, or with float its normalized value. */
export function packTable(
  precision: Precision,
  { table, input }: Program,
  { scale, mean, std }: Preprocessing,
): Int32Array<ArrayBuffer> {
  const values = precision === "int8" ? new Int32Array(256 * 4) : new Float32Array(256 * 4);
  for (let c = 0; c < input.channels; c++) {
    for (let byte = 0; byte < 256; byte++) {
      values[byte * 4 + c] = precision === "int8"
        ? table[c * 256 + byte]
        : (byte * scale - mean[c]) / std[c];
    }
  }
  return new Int32Array(values.buffer);
}

/** Images as words, `[N, H, ceil(W / 4), 4]`: a pixel a word. */
export function packImages(
  data: Uint8Array,
  rows: number,
  width: number,
  channels: number,
): Int32Array<ArrayBuffer> {
  const pitch = Math.ceil(width / 4) * 4;
  const words = new Int32Array(rows * pitch);
  for (let y = 0, from = 0; y < rows; y++) {
    for (let x = 0; x < width; x++, from += channels) {
      words[y * pitch + x] = channels === 1
        ? data[from]
        : data[from] | data[from + 1] << 8 | data[from + 2] << 16;
    }
  }
  return words;
}

/** What a layer gave, from its values and, with int8, its state. */
export function unpackActivations(
  { layer, output, read }: {
    readonly layer: Layer;
    readonly output: Shape;
    readonly read: string | undefined;
  },
  words: Int32Array,
  state: Int32Array | undefined,
): Activations {
  const { images, height, width, channels } = output;
  const used = words.subarray(0, elements(output));
  const data = state === undefined
    ? new Float32Array(used.buffer, used.byteOffset, used.length)
    : used;
  return {
    layer: read!,
    shape: [images, height, width, layer.outChannels],
    data: withoutPadding(data, layer.outChannels),
    scale: Float64Array.from(
      { length: images },
      (_, image) => state === undefined ? 1 : unitOf(state, image * stateVectors(channels) * 4),
    ),
  };
}

/** `2^(E - Ue) / Um`, the real value of 1. */
function unitOf(state: Int32Array, at: number): number {
  const [mantissa, exponent, shift] = state.subarray(at, at + 3);
  return 2 ** (shift - exponent) / mantissa;
}

/** Copies the channels that there are, without those that rounding up has added. */
function withoutPadding<T extends Int32Array | Float32Array>(values: T, channels: number): T {
  const pitch = padChannels(channels);
  if (pitch === channels) return values.slice() as T;
  const out = values.slice(0, values.length / pitch * channels) as T;
  for (let from = 0, to = 0; from < values.length; from += pitch, to += channels) {
    out.set(values.subarray(from, from + channels), to);
  }
  return out;
}

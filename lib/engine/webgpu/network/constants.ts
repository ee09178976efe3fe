/**
 * The small tensors of a network, as words: what `layout.ts` calls constants, and the table.
 *
 * @module
 */

import type { Precision } from "../../engine.ts";
import type { Fixed, Program, ProgramLayer } from "../../program.ts";
import { padChannels } from "../kernels/layout.ts";

/** `[O / 4, 2]` vectors: multipliers and biases, or with float the scales and biases that they stand for. */
export function constantWords(
  precision: Precision,
  { multiplier, bias, biasExponent, reciprocal, outChannels }: ProgramLayer,
): Int32Array<ArrayBuffer> {
  const words = new Int32Array(padChannels(outChannels) * 2);
  const floats = new Float32Array(words.buffer);
  const largestScale = 1 / toNumber(reciprocal);
  for (let o = 0; o < outChannels; o++) {
    const at = (o >> 2) * 8 + (o & 3);
    if (precision === "int8") {
      words[at] = multiplier[o];
      words[at + 4] = bias[o];
    } else {
      floats[at] = multiplier[o] / 2 ** 30 * largestScale;
      floats[at + 4] = bias[o] * 2 ** biasExponent;
    }
  }
  return words;
}

/** `[256]` vectors, a word for each channel: the 16-bit value of a byte, or with float its normalised value. */
export function tableWords(
  precision: Precision,
  { table, input, inputReciprocal }: Program,
): Int32Array<ArrayBuffer> {
  const words = new Int32Array(256 * 4);
  const floats = new Float32Array(words.buffer);
  const step = 1 / toNumber(inputReciprocal);
  for (let c = 0; c < input.channels; c++) {
    for (let byte = 0; byte < 256; byte++) {
      const value = table[c * 256 + byte];
      if (precision === "int8") words[byte * 4 + c] = value;
      else floats[byte * 4 + c] = value * step;
    }
  }
  return words;
}

/** Images as words, `[N, H, ceil(W / 4), 4]`: a pixel a word. */
export function imageWords(
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

function toNumber({ mantissa, exponent }: Fixed): number {
  return mantissa * 2 ** exponent;
}

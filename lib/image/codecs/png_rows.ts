/**
 * The rows of a PNG: from filtered samples of the file to pixels.
 *
 * @module
 */

import { damaged, type DecodedPixels, type Header } from "./codec.ts";

/** What the `IHDR` chunk says. */
export interface Samples {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colorType: number;
  readonly interlaced: boolean;
}

/** What the chunks say. */
export interface PngHeader extends Header, Samples {
  readonly palette: Uint8Array | undefined;
  readonly transparency: Uint8Array | undefined;
  /** The data of the `IDAT` chunks. */
  readonly compressed: readonly Uint8Array[];
}

const GRAY = 0, RGB = 2, PALETTE = 3, GRAY_ALPHA = 4, RGB_ALPHA = 6;

/** Samples per pixel in the file and the bit depths allowed, by colour type. */
export const COLOR_TYPES: Readonly<Record<number, { samples: number; depths: readonly number[] }>> =
  {
    [GRAY]: { samples: 1, depths: [1, 2, 4, 8, 16] },
    [RGB]: { samples: 3, depths: [8, 16] },
    [PALETTE]: { samples: 1, depths: [1, 2, 4, 8] },
    [GRAY_ALPHA]: { samples: 2, depths: [8, 16] },
    [RGB_ALPHA]: { samples: 4, depths: [8, 16] },
  };

/** Undoes the row filters of a pass in place (section 9.2). `bpp` is the distance to the left byte. */
export function unfilter(
  data: Uint8Array,
  start: number,
  { height, rowBytes }: { readonly height: number; readonly rowBytes: number },
  bpp: number,
): void {
  let above: Uint8Array = new Uint8Array(rowBytes);
  for (let row = 0; row < height; row++, start += rowBytes + 1) {
    const line = data.subarray(start + 1, start + 1 + rowBytes);
    const filter = data[start];
    if (filter === 1) {
      for (let i = bpp; i < rowBytes; i++) line[i] += line[i - bpp];
    } else if (filter === 2) {
      for (let i = 0; i < rowBytes; i++) line[i] += above[i];
    } else if (filter === 3) {
      for (let i = 0; i < bpp; i++) line[i] += above[i] >> 1;
      for (let i = bpp; i < rowBytes; i++) line[i] += (line[i - bpp] + above[i]) >> 1;
    } else if (filter === 4) {
      unfilterPaeth(line, above, bpp);
    } else if (filter !== 0) {
      throw damaged("png", `row filter ${filter} does not exist`);
    }
    above = line;
  }
}

/** Channel by channel, so that the bytes to the left and above to the left stay in registers. */
function unfilterPaeth(line: Uint8Array, above: Uint8Array, bpp: number): void {
  for (let channel = 0; channel < bpp; channel++) {
    let a = 0, c = 0;
    for (let i = channel; i < line.length; i += bpp) {
      const b = above[i];
      const pa = Math.abs(b - c), pb = Math.abs(a - c), pc = Math.abs(a + b - c - c);
      const predicted = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
      a = line[i] = (line[i] + predicted) & 255;
      c = b;
    }
  }
}

/** Turns rows of file samples into output pixels. */
export interface Expander {
  readonly channels: DecodedPixels["channels"];
  /** Reads `width` pixels from `at`, and writes them at `to`, `to + step`, … */
  row(
    from: Uint8Array,
    at: number,
    width: number,
    data: Uint8Array,
    to: number,
    step: number,
  ): void;
}

/** Chooses how to turn the samples of a file into pixels. */
export function expander({ colorType, depth, palette, transparency }: PngHeader): Expander {
  const { samples } = COLOR_TYPES[colorType];
  if (colorType === PALETTE) return paletteExpander(depth, palette, transparency);
  const key = transparency && colorType <= RGB ? colorKey(transparency, samples, depth) : undefined;
  if (depth < 8) return grayExpander(depth, key);
  return wideExpander(samples as 1 | 2 | 3 | 4, depth >> 3, key);
}

/** One or two bytes a sample; of two, the high one is kept. A pixel equal to `key` is transparent. */
function wideExpander(samples: 1 | 2 | 3 | 4, bytes: number, key?: readonly number[]): Expander {
  const channels = (key ? samples + 1 : samples) as 1 | 2 | 3 | 4;
  return {
    channels,
    row(from, at, width, data, to, step) {
      if (!key && bytes === 1 && step === samples) {
        data.set(from.subarray(at, at + width * samples), to);
        return;
      }
      for (let x = 0; x < width; x++, to += step) {
        let isKey = true;
        for (let s = 0; s < samples; s++, at += bytes) {
          data[to + s] = from[at];
          const sample = bytes === 1 ? from[at] : from[at] << 8 | from[at + 1];
          if (key && sample !== key[s]) isKey = false;
        }
        if (key) data[to + samples] = isKey ? 0 : 255;
      }
    },
  };
}

/** Gray of 1, 2 or 4 bits, stretched to 0…255. */
function grayExpander(depth: number, key?: readonly number[]): Expander {
  const stretch = 255 / ((1 << depth) - 1);
  return {
    channels: key ? 2 : 1,
    row(from, at, width, data, to, step) {
      for (let x = 0; x < width; x++, to += step) {
        const sample = packedSample(from, at, x, depth);
        data[to] = sample * stretch;
        if (key) data[to + 1] = sample === key[0] ? 0 : 255;
      }
    },
  };
}

function paletteExpander(depth: number, palette?: Uint8Array, transparency?: Uint8Array): Expander {
  if (!palette || palette.length % 3 !== 0) throw damaged("png", "it has no valid PLTE chunk");
  const colors = palette.length / 3;
  return {
    channels: transparency ? 4 : 3,
    row(from, at, width, data, to, step) {
      for (let x = 0; x < width; x++, to += step) {
        const index = packedSample(from, at, x, depth);
        // libpng shows an index past the palette as black.
        const inside = index < colors;
        data[to] = inside ? palette[index * 3] : 0;
        data[to + 1] = inside ? palette[index * 3 + 1] : 0;
        data[to + 2] = inside ? palette[index * 3 + 2] : 0;
        if (transparency) data[to + 3] = transparency[index] ?? 255;
      }
    },
  };
}

/** Sample `x` of a row of samples of 1, 2, 4 or 8 bits, the leftmost in the high bits. */
function packedSample(from: Uint8Array, at: number, x: number, depth: number): number {
  const bit = x * depth;
  return from[at + (bit >> 3)] >> (8 - depth - (bit & 7)) & ((1 << depth) - 1);
}

/** The transparent colour of a `tRNS` chunk, as file samples. */
function colorKey(data: Uint8Array, samples: number, depth: number): number[] {
  if (data.length < samples * 2) throw damaged("png", "its tRNS chunk is too short");
  const mask = (1 << depth) - 1;
  return Array.from({ length: samples }, (_, s) => (data[s * 2] << 8 | data[s * 2 + 1]) & mask);
}

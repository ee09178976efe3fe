/** BMP: 1 to 32 bits a pixel, palettes, bit fields, run lengths, either row order. */

import {
  type Codec,
  damaged,
  type Header,
  packedSample,
  type Range,
  truncated,
  unsupported,
  viewOf,
} from "./codec.ts";
import type { Pixels } from "../image.ts";

interface BmpHeader extends Header {
  readonly bits: number;
  readonly compression: number;
  readonly topDown: boolean;
  /** Where the pixel data begins. */
  readonly start: number;
  /** The bits of R, G, B and alpha, of 16- and 32-bit pixels. */
  readonly masks: readonly number[];
  /** `[colors]` of B, G, R and, but for OS/2's, a byte of padding. */
  readonly palette: Range;
  readonly paletteStride: number;
}

const PLAIN = 0, RLE8 = 1, RLE4 = 2, BITFIELDS = 3, ALPHA_BITFIELDS = 6;

export const bmp: Codec<BmpHeader> = { readHeader, decode };

function readHeader(bytes: Uint8Array): BmpHeader {
  const view = viewOf(bytes);
  const stated = view.getUint32(10, true);
  const infoLength = view.getUint32(14, true);
  const isOs2 = infoLength === 12;
  if (!isOs2 && infoLength < 40) {
    throw unsupported("bmp", `a header of ${infoLength} bytes is not known`);
  }
  const width = isOs2 ? view.getUint16(18, true) : view.getInt32(18, true);
  const height = isOs2 ? view.getInt16(20, true) : view.getInt32(22, true);
  const bits = view.getUint16(isOs2 ? 24 : 28, true);
  const compression = isOs2 ? PLAIN : view.getUint32(30, true);
  checkKind(bits, compression);
  if (width < 0) throw damaged("bmp", `its width is ${width}`);

  const hasFields = compression === BITFIELDS || compression === ALPHA_BITFIELDS;
  const separate = hasFields && infoLength === 40; // fields after the header, not in it
  const paletteStart = 14 + infoLength + (separate ? (compression === BITFIELDS ? 12 : 16) : 0);
  const colors = bits > 8 ? 0 : !isOs2 && view.getUint32(46, true) || 1 << bits;
  const paletteStride = isOs2 ? 3 : 4;
  const paletteEnd = paletteStart + colors * paletteStride;
  // Some writers give no place, or forget the palette: the pixels then follow it, as in Pillow.
  const isForgotten = stated === 0 || (colors > 0 && stated === 14 + infoLength);
  const start = isForgotten ? paletteEnd : stated;
  return {
    width,
    height: Math.abs(height),
    orientation: 1,
    bits,
    compression,
    topDown: height < 0,
    start,
    masks: hasFields ? readMasks(view, infoLength, compression) : defaultMasks(bits),
    palette: [paletteStart, paletteEnd],
    paletteStride,
  };
}

function checkKind(bits: number, compression: number): void {
  const allowed = {
    [PLAIN]: [1, 4, 8, 16, 24, 32],
    [RLE8]: [8],
    [RLE4]: [4],
    [BITFIELDS]: [16, 32],
    [ALPHA_BITFIELDS]: [16, 32],
  }[compression];
  if (!allowed?.includes(bits)) {
    throw unsupported("bmp", `${bits} bits a pixel with compression ${compression} is not known`);
  }
}

function readMasks(view: DataView, infoLength: number, compression: number): number[] {
  const hasAlpha = infoLength >= 56 || compression === ALPHA_BITFIELDS;
  return [54, 58, 62, 66].map((at, i) => i < 3 || hasAlpha ? view.getUint32(at, true) : 0);
}

function defaultMasks(bits: number): number[] {
  return bits === 16 ? [0x7c00, 0x3e0, 0x1f, 0] : [0xff0000, 0xff00, 0xff, 0];
}

function decode(bytes: Uint8Array, header: BmpHeader): Pixels {
  const { width, height, bits, compression, start } = header;
  if (compression === RLE8 || compression === RLE4) {
    const indices = expandRuns(bytes.subarray(start), width, height, compression === RLE4);
    return { data: paint(bytes, indices, header), width, height };
  }
  const rowBytes = Math.ceil(width * bits / 32) * 4;
  if (start + rowBytes * (height - 1) + Math.ceil(width * bits / 8) > bytes.length) {
    throw truncated("bmp", bytes);
  }
  if (bits <= 8) {
    const indices = new Uint8Array(width * height);
    for (let y = 0, to = 0; y < height; y++) {
      const row = start + y * rowBytes;
      for (let x = 0; x < width; x++) indices[to++] = packedSample(bytes, row, x, bits);
    }
    return { data: paint(bytes, indices, header), width, height };
  }
  return bits === 24 ? decode24(bytes, header, rowBytes) : decodeFields(bytes, header, rowBytes);
}

/** Index rows in file order to RGB rows from the top. An index past the palette is black. */
function paint(bytes: Uint8Array, indices: Uint8Array, header: BmpHeader): Uint8Array {
  const { width, height, paletteStride } = header;
  const palette = bytes.subarray(...header.palette);
  const rgb = new Uint8Array(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    let to = rowOf(header, y) * width * 3;
    for (let x = 0; x < width; x++, to += 3) {
      const color = indices[at++] * paletteStride;
      rgb[to] = palette[color + 2] ?? 0;
      rgb[to + 1] = palette[color + 1] ?? 0;
      rgb[to + 2] = palette[color] ?? 0;
    }
  }
  return rgb;
}

/** Which row from the top the file's row `y` is. */
function rowOf({ height, topDown }: BmpHeader, y: number): number {
  return topDown ? y : height - 1 - y;
}

function decode24(bytes: Uint8Array, header: BmpHeader, rowBytes: number): Pixels {
  const { width, height, start } = header;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    let at = start + y * rowBytes;
    let to = rowOf(header, y) * width * 3;
    for (let x = 0; x < width; x++, at += 3, to += 3) {
      data[to] = bytes[at + 2];
      data[to + 1] = bytes[at + 1];
      data[to + 2] = bytes[at];
    }
  }
  return { data, width, height };
}

function decodeFields(bytes: Uint8Array, header: BmpHeader, rowBytes: number): Pixels {
  const { width, height, start, bits, masks } = header;
  const view = viewOf(bytes);
  const channels = masks[3] ? 4 : 3;
  const fields = masks.slice(0, channels).map((mask) => {
    const shift = mask === 0 ? 0 : 31 - Math.clz32(mask & -mask);
    return { shift, max: mask >>> shift };
  });
  const data = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    let to = rowOf(header, y) * width * channels;
    for (let x = 0; x < width; x++) {
      const at = start + y * rowBytes + x * (bits >> 3);
      const pixel = bits === 16 ? view.getUint16(at, true) : view.getUint32(at, true);
      for (const { shift, max } of fields) {
        data[to++] = max === 0 ? 0 : Math.trunc(((pixel >>> shift) & max) * 255 / max);
      }
    }
  }
  return { data, width, height };
}

/** Pixels that the runs of a small image may have outside of it. */
const MAX_PADDING = 1 << 16;

/** Undoes run lengths, to one index a pixel, rows in file order. Pixels that are skipped are 0. */
function expandRuns(data: Uint8Array, width: number, height: number, nibbles: boolean): Uint8Array {
  const early = () => damaged("bmp", "its run-length data ends early");
  if (data.length * 128 < width * height) throw early(); // 255 pixels for 2 bytes at most
  const indices = new Uint8Array(width * height);
  let x = 0, y = 0, left = indices.length * 4 + MAX_PADDING;
  const put = (index: number) => {
    if (x < width && y < height) indices[y * width + x] = index;
    x++;
  };
  for (let at = 0; at + 1 < data.length;) {
    const count = data[at++], value = data[at++];
    if ((left -= count) < 0) throw damaged("bmp", "its run-length data has more than its pixels");
    if (count > 0) {
      for (let i = 0; i < count; i++) put(nibbles ? (i & 1 ? value & 15 : value >> 4) : value);
    } else if (value === 0) { // end of row
      x = 0;
      y++;
    } else if (value === 1) { // end of image
      return indices;
    } else if (value === 2) { // a jump
      x += data[at++];
      y += data[at++];
    } else { // that many literal pixels, padded to 16 bits
      for (let i = 0; i < value; i++) {
        const byte = data[at + (nibbles ? i >> 1 : i)];
        put(nibbles ? (i & 1 ? byte & 15 : byte >> 4) : byte);
      }
      at += nibbles ? Math.ceil(value / 4) * 2 : Math.ceil(value / 2) * 2;
    }
  }
  if (y < height - 1) throw early();
  return indices;
}

/** The first directory of a TIFF. */

import { damaged, type Header, unsupported, viewOf } from "./codec.ts";

export interface TiffHeader extends Header {
  readonly little: boolean;
  readonly bits: number;
  readonly samples: number;
  readonly compression: number;
  /** Whether bytes have their first bit low. */
  readonly lowBitFirst: boolean;
  readonly photometric: number;
  readonly predictor: number;
  readonly planar: boolean;
  /** Sides of a piece: a tile, or a strip, which is as wide as the image. */
  readonly piece: { readonly width: number; readonly height: number; readonly isTile: boolean };
  readonly offsets: readonly number[];
  readonly byteCounts: readonly number[];
  /** 0 other, 1 premultiplied alpha, 2 alpha: what the first sample after the colors is. */
  readonly extra: number;
  /** `[3, 2^bits]`, 0…65,535. */
  readonly palette: readonly number[];
}

/** Tags (sections 8 and 15). */
// deno-fmt-ignore
const TAG = {
  width: 256, height: 257, bits: 258, compression: 259, photometric: 262, fillOrder: 266, stripOffsets: 273,
  orientation: 274, samples: 277, rowsPerStrip: 278, stripByteCounts: 279, planar: 284,
  predictor: 317, palette: 320, tileWidth: 322, tileHeight: 323, tileOffsets: 324,
  tileByteCounts: 325, extraSamples: 338, sampleFormat: 339,
} as const;

/** Photometric interpretations. */
export const MIN_IS_WHITE = 0, MIN_IS_BLACK = 1, RGB = 2, PALETTE = 3, CMYK = 5;
/** How many samples of a pixel are its color. */
export const COLORS: Readonly<Record<number, number>> = {
  [MIN_IS_WHITE]: 1,
  [MIN_IS_BLACK]: 1,
  [RGB]: 3,
  [PALETTE]: 1,
  [CMYK]: 4,
};

const USED = new Set<number>(Object.values(TAG));
/** Most values of a tag that are read; of the others one. No image within the limits has more. */
const MAX_VALUES: Readonly<Record<number, number>> = {
  [TAG.bits]: 8,
  [TAG.palette]: 3 << 8,
  [TAG.stripOffsets]: 1 << 20,
  [TAG.stripByteCounts]: 1 << 20,
  [TAG.tileOffsets]: 1 << 20,
  [TAG.tileByteCounts]: 1 << 20,
};
/** Pixels that the tiles of a small image may have outside of it. */
const MAX_PADDING = 1 << 22;
/** Strips and tiles that a small image may have: unpacking each takes some time, however small it is. */
const MAX_PIECES = 1 << 14;
/** Pixels of the smallest tile that TIFF allows: sides are multiples of 16. */
const MIN_PIECE = 16 * 16;

/** Reads the first directory, and refuses what is not decoded. */
export function readHeader(bytes: Uint8Array): TiffHeader {
  const little = bytes[0] === 0x49;
  const tags = readDirectory(viewOf(bytes), little);
  const one = (tag: number, otherwise: number) => tags.get(tag)?.[0] ?? otherwise;
  const width = one(TAG.width, 0), height = one(TAG.height, 0);
  const isTile = tags.has(TAG.tileWidth);
  const piece = isTile
    ? { width: one(TAG.tileWidth, 0), height: one(TAG.tileHeight, 0), isTile }
    : { width, height: Math.min(one(TAG.rowsPerStrip, height), height), isTile };
  const orientation = one(TAG.orientation, 1);
  const samples = one(TAG.samples, 1), photometric = one(TAG.photometric, MIN_IS_BLACK);
  const header = {
    width,
    height,
    orientation: orientation >= 1 && orientation <= 8 ? orientation : 1,
    little,
    bits: one(TAG.bits, 1),
    samples,
    compression: one(TAG.compression, 1),
    lowBitFirst: one(TAG.fillOrder, 1) === 2,
    photometric,
    predictor: one(TAG.predictor, 1),
    planar: one(TAG.planar, 1) === 2,
    piece,
    offsets: tags.get(isTile ? TAG.tileOffsets : TAG.stripOffsets) ?? [],
    byteCounts: tags.get(isTile ? TAG.tileByteCounts : TAG.stripByteCounts) ?? [],
    // Who writes four samples of RGB and does not say what the fourth is means alpha, as Pillow has it.
    extra: one(TAG.extraSamples, photometric === RGB && samples === 4 ? 2 : 0),
    palette: tags.get(TAG.palette) ?? [],
  };
  // Some writers list more numbers than there are samples.
  const bits = (tags.get(TAG.bits) ?? [1]).slice(0, samples);
  checkKind(header, bits, one(TAG.sampleFormat, 1));
  return header;
}

function readDirectory(view: DataView, little: boolean): Map<number, number[]> {
  const tags = new Map<number, number[]>();
  const directory = view.getUint32(4, little);
  const entries = view.getUint16(directory, little);
  for (let i = 0, at = directory + 2; i < entries; i++, at += 12) {
    const tag = view.getUint16(at, little);
    if (!USED.has(tag) || tags.has(tag)) continue;
    const type = view.getUint16(at + 2, little);
    const size = { 1: 1, 3: 2, 4: 4 }[type]; // BYTE, SHORT, LONG; no tag used here has another
    const count = view.getUint32(at + 4, little);
    if (!size) continue;
    const start = size * count <= 4 ? at + 8 : view.getUint32(at + 8, little);
    const read = (k: number) =>
      size === 1
        ? view.getUint8(start + k)
        : size === 2
        ? view.getUint16(start + k * 2, little)
        : view.getUint32(start + k * 4, little);
    const length = Math.min(count, MAX_VALUES[tag] ?? 1);
    tags.set(tag, Array.from({ length }, (_, k) => read(k)));
  }
  return tags;
}

function checkKind(header: TiffHeader, bits: readonly number[], format: number): void {
  const { photometric, samples, piece } = header;
  const colors = COLORS[photometric];
  if (!colors) {
    throw unsupported("tiff", `photometric interpretation ${photometric} is not decoded`);
  }
  if (format !== 1) throw unsupported("tiff", "its samples are signed or floating-point numbers");
  if (bits.some((b) => b !== bits[0]) || ![1, 2, 4, 8, 16].includes(bits[0])) {
    throw unsupported("tiff", `samples of ${bits.join(", ")} bits are not decoded`);
  }
  if (samples < colors || samples > 8) {
    throw unsupported("tiff", `expected ${colors} to 8 samples a pixel, found ${samples}`);
  }
  if (piece.width < 1 || piece.height < 1) throw damaged("tiff", "its strips or tiles are empty");
  const across = Math.ceil(header.width / piece.width);
  const down = Math.ceil(header.height / piece.height);
  const count = header.width * header.height;
  const covered = across * piece.width * down * piece.height;
  if (piece.isTile && covered > count * 4 + MAX_PADDING) {
    throw damaged("tiff", `its tiles of ${piece.width}x${piece.height} are larger than the image`);
  }
  const pieces = across * down * (header.planar ? samples : 1);
  const most = MAX_PIECES + Math.floor(count / MIN_PIECE);
  if (pieces > most) {
    throw unsupported("tiff", `it has ${pieces} strips or tiles: expected at most ${most}`);
  }
  if (photometric === PALETTE && (bits[0] > 8 || header.palette.length < 3 << bits[0])) {
    throw damaged("tiff", "its palette is missing or too short");
  }
}

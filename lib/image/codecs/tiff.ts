/**
 * TIFF 6.0, first page: either byte order; strips or tiles; interleaved or separate planes; bilevel,
 * gray, palette, RGB and CMYK of 1 to 16 bits; LZW, Deflate, PackBits or none. Sixteen bits keep
 * their high byte.
 */

import { type Codec, damaged, packedSample, truncated } from "./codec.ts";
import { divide255, overWhite, type Pixels } from "../image.ts";
import { decompress, undoPredictor } from "./tiff_compression.ts";
import {
  CMYK,
  COLORS,
  MIN_IS_BLACK,
  MIN_IS_WHITE,
  PALETTE,
  readHeader,
  RGB,
  type TiffHeader,
} from "./tiff_header.ts";

export const tiff: Codec<TiffHeader> = { readHeader, decode };

/** Piece by piece, so that no more than the picture and a strip or a row of tiles is held. */
async function decode(bytes: Uint8Array, header: TiffHeader): Promise<Pixels> {
  const { width, height, piece, planar, samples } = header;
  const across = Math.ceil(width / piece.width), down = Math.ceil(height / piece.height);
  const planes = planar ? samples : 1;
  if (header.offsets.length < across * down * planes) {
    throw damaged("tiff", "it lists fewer strips or tiles than the image has");
  }
  const data = new Uint8Array(width * height * 3);
  const row = new Uint8Array(piece.width * samples);
  for (let index = 0; index < across * down; index++) {
    const top = Math.floor(index / across) * piece.height, left = index % across * piece.width;
    const rows = Math.min(piece.height, height - top),
      columns = Math.min(piece.width, width - left);
    const unpacked: Uint8Array[] = [];
    for (let plane = 0; plane < planes; plane++) {
      unpacked.push(await readPiece(bytes, header, plane * across * down + index, rows));
    }
    for (let y = 0; y < rows; y++) {
      unpacked.forEach((piece, plane) => spread(piece, y, header, columns, row, plane));
      paintRow(row, header, data, ((top + y) * width + left) * 3, columns);
    }
  }
  return { data, width, height };
}

/** Turns `count` pixels of samples into RGB over white at `to`. */
function paintRow(
  row: Uint8Array,
  header: TiffHeader,
  data: Uint8Array,
  to: number,
  count: number,
): void {
  const { samples, photometric, extra } = header;
  const paint = PAINTERS[photometric], colors = COLORS[photometric];
  const hasAlpha = samples > colors && (extra === 1 || extra === 2);
  for (let at = 0; at < count * samples; at += samples, to += 3) {
    paint(row, at, data, to, header);
    if (!hasAlpha) continue;
    const alpha = row[at + colors];
    for (let c = to; c < to + 3; c++) {
      // Premultiplied colors are divided first, and cut, as Pillow does.
      if (extra === 1 && alpha > 0) data[c] = Math.min(255, data[c] * 255 / alpha);
      data[c] = overWhite(data[c], alpha);
    }
  }
}

/** Writes the RGB of the samples at `at`. */
type Painter = (
  samples: Uint8Array,
  at: number,
  data: Uint8Array,
  to: number,
  header: TiffHeader,
) => void;

const PAINTERS: Readonly<Record<number, Painter>> = {
  [MIN_IS_WHITE]: (samples, at, data, to) => {
    data[to] = data[to + 1] = data[to + 2] = 255 - samples[at];
  },
  [MIN_IS_BLACK]: (samples, at, data, to) => {
    data[to] = data[to + 1] = data[to + 2] = samples[at];
  },
  [RGB]: (samples, at, data, to) => {
    for (let c = 0; c < 3; c++) data[to + c] = samples[at + c];
  },
  [PALETTE]: (samples, at, data, to, { bits, palette }) => {
    for (let c = 0; c < 3; c++) data[to + c] = palette[samples[at] + (c << bits)] >> 8;
  },
  [CMYK]: (samples, at, data, to) => {
    const white = 255 - samples[at + 3];
    for (let c = 0; c < 3; c++) data[to + c] = white - divide255(samples[at + c] * white);
  },
};

/** `[256]`: bytes with their bits in the other order. */
const MIRRORED = Uint8Array.from({ length: 256 }, (_, byte) => {
  let mirrored = 0;
  for (let bit = 0; bit < 8; bit++) mirrored |= (byte >> bit & 1) << (7 - bit);
  return mirrored;
});

/**
 * The rows of a strip or tile, unpacked. Some writers leave its count out, write 0, or more than the file
 * has.
 */
async function readPiece(
  bytes: Uint8Array,
  header: TiffHeader,
  index: number,
  rows: number,
): Promise<Uint8Array> {
  const { piece, compression } = header;
  const length = rowBytesOf(header) * (piece.isTile ? piece.height : rows);
  const start = header.offsets[index], end = start + (header.byteCounts[index] || Infinity);
  // Pieces may share their data, and no compression makes it much longer than it was.
  const data = bytes.subarray(start, Math.min(end, start + 2 * length + 1024));
  try {
    const ordered = header.lowBitFirst ? data.map((byte) => MIRRORED[byte]) : data;
    const unpacked = await decompress(ordered, compression, length);
    undoPredictor(unpacked, header, rowBytesOf(header), samplesOf(header));
    return unpacked;
  } catch (cause) {
    throw end > bytes.length ? truncated("tiff", bytes, { cause }) : cause;
  }
}

/** Samples of a pixel in a piece. */
function samplesOf({ planar, samples }: TiffHeader): number {
  return planar ? 1 : samples;
}

function rowBytesOf(header: TiffHeader): number {
  return Math.ceil(header.piece.width * samplesOf(header) * header.bits / 8);
}

/**
 * Writes row `y` of a piece as bytes, stretched or cut, but for palette indices: `[columns, samples]`, or
 * of these samples `plane`.
 */
function spread(
  piece: Uint8Array,
  y: number,
  header: TiffHeader,
  columns: number,
  row: Uint8Array,
  plane: number,
): void {
  const { bits, little, photometric } = header;
  const at = y * rowBytesOf(header), count = columns * samplesOf(header);
  const stride = header.planar ? header.samples : 1;
  if (bits >= 8) {
    const bytes = bits >> 3;
    const high = at + (bits === 16 && little ? 1 : 0);
    for (let i = 0, to = plane; i < count; i++, to += stride) row[to] = piece[high + i * bytes];
    return;
  }
  const stretch = photometric === PALETTE ? 1 : 255 / ((1 << bits) - 1);
  for (let i = 0, to = plane; i < count; i++, to += stride) {
    row[to] = packedSample(piece, at, i, bits) * stretch;
  }
}

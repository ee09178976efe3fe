/**
 * TIFF 6.0, first page: either byte order; strips or tiles; interleaved or separate planes; bilevel,
 * gray, palette, RGB and CMYK of 1 to 16 bits; LZW, Deflate, PackBits or none. Sixteen bits keep
 * their high byte.
 */

import { type Codec, damaged, packedSample, truncated } from "./codec.ts";
import { divide255, type Pixels } from "../image.ts";
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

async function decode(bytes: Uint8Array, header: TiffHeader): Promise<Pixels> {
  const { width, height, samples } = header;
  const planes = await unpack(bytes, header);
  const colors = COLORS[header.photometric];
  const hasAlpha = samples > colors && (header.extra === 1 || header.extra === 2);
  const paint = PAINTERS[header.photometric];
  const channels = hasAlpha ? 4 : 3;
  const data = new Uint8Array(width * height * channels);
  for (let at = 0, to = 0; to < data.length; at += samples, to += channels) {
    paint(planes, at, data, to, header);
    if (!hasAlpha) continue;
    const alpha = data[to + 3] = planes[at + colors];
    if (header.extra === 1 && alpha > 0) {
      for (let c = 0; c < 3; c++) data[to + c] = Math.min(255, data[to + c] * 255 / alpha);
    }
  }
  return { data, width, height };
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

/**
 * Puts the pieces together.
 *
 * @returns `[height, width, samples]`, stretched or cut to bytes; palette indices as they are
 */
async function unpack(bytes: Uint8Array, header: TiffHeader): Promise<Uint8Array> {
  const { width, height, samples, bits, piece, planar } = header;
  const across = Math.ceil(width / piece.width), down = Math.ceil(height / piece.height);
  const perPiece = planar ? 1 : samples;
  const planes = planar ? samples : 1;
  if (header.offsets.length < across * down * planes) {
    throw damaged("tiff", "it lists fewer strips or tiles than the image has");
  }
  const rowBytes = Math.ceil(piece.width * perPiece * bits / 8);
  const result = new Uint8Array(width * height * samples);
  for (let index = 0; index < across * down * planes; index++) {
    const plane = Math.floor(index / (across * down));
    const top = Math.floor(index % (across * down) / across) * piece.height;
    const left = index % across * piece.width;
    const rows = piece.isTile ? piece.height : Math.min(piece.height, height - top);
    const data = await readPiece(bytes, header, index, rowBytes * rows);
    undoPredictor(data, header, rowBytes, perPiece);
    const count = Math.min(piece.width, width - left) * perPiece;
    for (let y = 0; y < Math.min(rows, height - top); y++) {
      const to = ((top + y) * width + left) * samples + plane;
      spread(data, y * rowBytes, header, count, result, to, planar ? samples : 1);
    }
  }
  return result;
}

/** `[256]`: bytes with their bits in the other order. */
const MIRRORED = Uint8Array.from({ length: 256 }, (_, byte) => {
  let mirrored = 0;
  for (let bit = 0; bit < 8; bit++) mirrored |= (byte >> bit & 1) << (7 - bit);
  return mirrored;
});

/** Some writers leave a piece's count out, write 0, or more than the file has. */
async function readPiece(
  bytes: Uint8Array,
  { offsets, byteCounts, lowBitFirst, compression }: TiffHeader,
  index: number,
  length: number,
): Promise<Uint8Array> {
  const start = offsets[index], end = start + (byteCounts[index] || Infinity);
  // Pieces may share their data, and no compression makes it much longer than it was.
  const data = bytes.subarray(start, Math.min(end, start + 2 * length + 1024));
  try {
    const ordered = lowBitFirst ? data.map((byte) => MIRRORED[byte]) : data;
    return await decompress(ordered, compression, length);
  } catch (cause) {
    throw end > bytes.length ? truncated("tiff", bytes, { cause }) : cause;
  }
}

/** Writes `count` samples of a row as bytes, `stride` apart. */
function spread(
  data: Uint8Array,
  at: number,
  { bits, little, photometric }: TiffHeader,
  count: number,
  result: Uint8Array,
  to: number,
  stride: number,
): void {
  if (bits >= 8) {
    const bytes = bits >> 3;
    const high = at + (bits === 16 && little ? 1 : 0);
    for (let i = 0; i < count; i++, to += stride) result[to] = data[high + i * bytes];
    return;
  }
  const stretch = photometric === PALETTE ? 1 : 255 / ((1 << bits) - 1);
  for (let i = 0; i < count; i++, to += stride) {
    result[to] = packedSample(data, at, i, bits) * stretch;
  }
}

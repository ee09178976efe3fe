/** RGB and gray pixels to PNG files (ISO/IEC 15948). */

import { concat } from "@std/bytes/concat";
import { checkOptions, SIGNAL_OPTION } from "../../options.ts";
import { takeTurn } from "../../threads/turn.ts";
import { crc32 } from "./codec.ts";
import { channelsOf, checkPixels, type Pixels } from "../image.ts";

/** Rows after which others have their turn. */
const ROWS = 256;
const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/**
 * Encodes gray or RGB pixels as a PNG file, 8 bits a sample.
 *
 * @throws {TypeError} If it is given no pixels, such as a path.
 * @throws {RangeError} If `data` is not as long as the size says.
 */
export async function encodePng(
  pixels: Pixels,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  checkOptions(SIGNAL_OPTION, options);
  const { signal } = options;
  signal?.throwIfAborted();
  checkPixels(pixels, [1, 3]);
  const { data, width, height } = pixels, channels = channelsOf(pixels);
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8);
  header.setUint8(9, channels === 3 ? 2 : 0);
  const rows = await filterRows(data, width * channels, channels, signal);
  return concat([
    Uint8Array.from(SIGNATURE),
    ...chunk("IHDR", new Uint8Array(header.buffer)),
    ...chunk("IDAT", await deflate(rows, signal)),
    ...chunk("IEND", new Uint8Array()),
  ]);
}

/**
 * Filters each row in the way whose bytes, read as signed, have the smallest sum (section 12.7).
 *
 * @returns `[height, 1 + rowBytes]`
 */
async function filterRows(
  data: Uint8Array,
  rowBytes: number,
  bpp: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const height = data.length / rowBytes;
  const out = new Uint8Array(height * (rowBytes + 1));
  const trial = new Uint8Array(rowBytes);
  let above = new Uint8Array(rowBytes);
  for (let y = 0; y < height; y++) {
    if (y % ROWS === ROWS - 1) await takeTurn(signal);
    const line = data.subarray(y * rowBytes, (y + 1) * rowBytes);
    let best = Infinity;
    for (let filter = 0; filter <= 4; filter++) {
      const cost = filterRow(filter, line, above, bpp, trial);
      if (cost >= best) continue;
      best = cost;
      out[y * (rowBytes + 1)] = filter;
      out.set(trial, y * (rowBytes + 1) + 1);
    }
    above = line as Uint8Array<ArrayBuffer>;
  }
  return out;
}

function filterRow(
  filter: number,
  line: Uint8Array,
  above: Uint8Array,
  bpp: number,
  into: Uint8Array,
): number {
  let cost = 0;
  for (let i = 0; i < line.length; i++) {
    const a = i < bpp ? 0 : line[i - bpp], b = above[i], c = i < bpp ? 0 : above[i - bpp];
    const predicted = filter === 0
      ? 0
      : filter === 1
      ? a
      : filter === 2
      ? b
      : filter === 3
      ? (a + b) >> 1
      : paeth(a, b, c);
    into[i] = line[i] - predicted;
    cost += into[i] < 128 ? into[i] : 256 - into[i];
  }
  return cost;
}

function paeth(a: number, b: number, c: number): number {
  const pa = Math.abs(b - c), pb = Math.abs(a - c), pc = Math.abs(a + b - c - c);
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

/** RFC 1950, by the platform: it costs no import. */
async function deflate(
  bytes: Uint8Array<ArrayBuffer>,
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const deflating = new CompressionStream("deflate");
  const stream = new Blob([bytes]).stream().pipeThrough(deflating, { signal });
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function chunk(type: string, data: Uint8Array): Uint8Array[] {
  const body = concat([new TextEncoder().encode(type), data]);
  return [bigEndian(data.length), body, bigEndian(crc32(body))];
}

function bigEndian(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

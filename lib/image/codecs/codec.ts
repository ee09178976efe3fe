/**
 * What the decoders, one per format, have in common: their interface, errors, checksums, inflation.
 */

import { ImageDecodeError } from "../../errors.ts";
import type { ImageFormat, Pixels, Size } from "../image.ts";

/**
 * What a file's first bytes say about the image as it is stored. It is handed to another thread together with the file,
 * so a part of that is a {@linkcode Range}, not a view.
 */
export interface Header extends Size {
  /** EXIF's 1…8: how to turn and mirror the stored pixels to see them upright. */
  readonly orientation: number;
}

/** Where a part of a file begins and ends. */
export type Range = readonly [start: number, end: number];

/** Decodes one format. Whatever either function throws becomes an `ImageDecodeError`. */
export interface Codec<H extends Header = Header> {
  /** Reads the sizes, and allocates nothing that grows with them. */
  readHeader(bytes: Uint8Array): H;
  /**
   * Decodes pixels, as stored. `shorterSide` is how many pixels of the shorter side are needed: a
   * codec that can may give fewer than the header says, but never fewer than these.
   */
  decode(bytes: Uint8Array, header: H, shorterSide: number): Pixels | Promise<Pixels>;
}

/** The error of a damaged file: `what` completes "Cannot decode the PNG: ". */
export function damaged(
  format: ImageFormat,
  what: string,
  options?: ErrorOptions,
): ImageDecodeError {
  return new ImageDecodeError(`Cannot decode the ${format.toUpperCase()}: ${what}`, {
    format,
    ...options,
  });
}

/** The error of a file that may be sound, but is of a kind that is not decoded. */
export function unsupported(format: ImageFormat, what: string): ImageDecodeError {
  return new ImageDecodeError(`Cannot decode the ${format.toUpperCase()}: ${what}`, {
    code: "image-format",
    format,
  });
}

/** The error of a file that stops too early. */
export function truncated(format: ImageFormat, bytes: Uint8Array): ImageDecodeError {
  return damaged(format, `it is truncated at byte ${bytes.length}; was it transferred completely?`);
}

/** A view of the same bytes, for numbers of several bytes. Reading past the end is a `RangeError`. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Four bytes as text: the type of a chunk or box. */
export function fourCharacters(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}

/** Sample `x` of a row of samples of 1, 2, 4 or 8 bits, the leftmost in the high bits. */
export function packedSample(from: Uint8Array, at: number, x: number, depth: number): number {
  const bit = x * depth;
  return from[at + (bit >> 3)] >> (8 - depth - (bit & 7)) & ((1 << depth) - 1);
}

/** `[4, 256]`: the CRC of a byte with 0, 1, 2 and 3 zero bytes after it. */
const TABLES = new Int32Array(4 * 256);
for (let n = 0; n < 256; n++) {
  let crc = n;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  TABLES[n] = crc;
}
for (let n = 256; n < 1024; n++) {
  TABLES[n] = (TABLES[n - 256] >>> 8) ^ TABLES[TABLES[n - 256] & 255];
}

/** CRC-32 of some bytes, unsigned: PNG's checksum (ISO/IEC 15948, annex D), four bytes at a time. */
export function crc32(bytes: Uint8Array): number {
  let crc = -1;
  const whole = bytes.length & ~3;
  let i = 0;
  for (; i < whole; i += 4) {
    crc ^= bytes[i] | bytes[i + 1] << 8 | bytes[i + 2] << 16 | bytes[i + 3] << 24;
    crc = TABLES[768 + (crc & 255)] ^ TABLES[512 + (crc >>> 8 & 255)] ^
      TABLES[256 + (crc >>> 16 & 255)] ^ TABLES[crc >>> 24];
  }
  for (; i < bytes.length; i++) crc = TABLES[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Deflate gives at most 258 bytes for 2 bits. */
const MAX_RATIO = 1032;
/** Most bytes that are inflated at a time: 16 MiB can come out of them. */
const MAX_SLICE = 16 * 1024;

/**
 * Inflates zlib data that lies in parts, to exactly `length` bytes. What would come after is not
 * inflated.
 *
 * The platform's own stream does it, which is slower by half than Node's function and has nothing to
 * load: the first image comes 30 ms sooner.
 *
 * @throws {Error} If the data is corrupt or gives less.
 */
export async function inflate(parts: readonly Uint8Array[], length: number): Promise<Uint8Array> {
  const stored = parts.reduce((sum, part) => sum + part.length, 0);
  if (stored * MAX_RATIO < length) {
    throw new Error(`${stored} bytes of compressed data cannot hold its ${length} bytes`);
  }
  const result = new Uint8Array(length);
  // Less at a time for a small result, so that a bomb stays in proportion to it.
  const slice = Math.min(MAX_SLICE, Math.max(256, length >> 6));
  const source = ReadableStream.from(slicesOf(parts, slice));
  let at = 0;
  try {
    for await (const chunk of source.pipeThrough(new DecompressionStream("deflate"))) {
      const rest = chunk.subarray(0, length - at);
      result.set(rest, at);
      at += rest.length;
      if (at === length) return result;
    }
  } catch (cause) {
    throw new Error(`its compressed data is corrupt after ${at} of ${length} bytes`, { cause });
  }
  throw new Error(`its compressed data gives ${at} bytes instead of ${length}`);
}

/** Copies of the same bytes, of this length but for the last: parts may have a byte each. */
function* slicesOf(
  parts: readonly Uint8Array[],
  length: number,
): Generator<Uint8Array<ArrayBuffer>> {
  let slice = new Uint8Array(length), filled = 0;
  for (const part of parts) {
    for (let at = 0; at < part.length;) {
      const count = Math.min(length - filled, part.length - at);
      slice.set(part.subarray(at, at + count), filled);
      filled += count;
      at += count;
      if (filled < length) continue;
      yield slice;
      slice = new Uint8Array(length);
      filled = 0;
    }
  }
  if (filled > 0) yield slice.subarray(0, filled);
}

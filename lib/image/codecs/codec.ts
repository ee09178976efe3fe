/**
 * What the decoders, one per format, have in common: their interface, errors, checksums, reduction.
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
export function truncated(
  format: ImageFormat,
  bytes: Uint8Array,
  options?: ErrorOptions,
): ImageDecodeError {
  const what = `it is truncated at byte ${bytes.length}; was it transferred completely?`;
  return damaged(format, what, options);
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

/** How many times larger than needed a reduced image must be: see `ReadImageOptions.shorterSide`. */
const MARGIN = 2.5;

/**
 * The largest reduction that leaves `MARGIN` times what is needed, and whole pixels: with a part of a
 * pixel at an edge, a resized image would be shifted.
 */
export function reductionFor({ width, height }: Size, needed: number): 1 | 2 | 4 | 8 {
  for (const reduction of [8, 4, 2] as const) {
    const isWhole = width % reduction === 0 && height % reduction === 0;
    if (isWhole && Math.min(width, height) >= needed * MARGIN * reduction) return reduction;
  }
  return 1;
}

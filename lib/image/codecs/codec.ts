/**
 * The interface of the decoders, one per format.
 *
 * @module
 */

import { ImageDecodeError } from "../../errors.ts";
import type { Pixels } from "../image.ts";

/** A format that is decoded. */
export type ImageFormat = "jpeg" | "png" | "gif" | "webp" | "avif" | "tiff" | "bmp";

/**
 * What a file's first bytes say about the image. It is handed to another thread together with the file,
 * so a part of that is a {@linkcode Range}, not a view.
 */
export interface Header {
  /** As stored. */
  readonly width: number;
  /** As stored. */
  readonly height: number;
  /** EXIF's 1…8: how to turn and mirror the stored pixels to see them upright. */
  readonly orientation: number;
}

/** A file whose header has been read and held against the limits. */
export interface CheckedFile {
  readonly bytes: Uint8Array;
  readonly format: ImageFormat;
  readonly header: Header;
  /** How many pixels of the shorter side are needed. */
  readonly shorterSide: number;
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

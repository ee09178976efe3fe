/**
 * The interface of the decoders, one per format.
 *
 * @module
 */

import { ImageDecodeError } from "../../errors.ts";
import type { ImageFormat } from "../sniff.ts";

/** What a file's first bytes say about the image. */
export interface Header {
  /** Width in pixels, as stored. */
  readonly width: number;
  /** Height in pixels, as stored. */
  readonly height: number;
  /** EXIF's 1…8: how to turn and mirror the stored pixels to see them upright. */
  readonly orientation: number;
}

/** Interleaved bytes: gray, gray and alpha, RGB, or RGBA with alpha not premultiplied. */
export interface DecodedPixels {
  /** `[height, width, channels]`. */
  readonly data: Uint8Array | Uint8ClampedArray;
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
  /** 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA. */
  readonly channels: 1 | 2 | 3 | 4;
}

/** Decodes one format. Whatever either function throws becomes an `ImageDecodeError`. */
export interface Codec<H extends Header = Header> {
  /** Reads the sizes, and allocates nothing that grows with them. */
  readHeader(bytes: Uint8Array): H;
  /**
   * Decodes pixels, as stored. `shorterSide` is how many pixels of the shorter side are needed: a
   * codec that can may give fewer than the header says, but never fewer than these.
   */
  decode(bytes: Uint8Array, header: H, shorterSide: number): DecodedPixels | Promise<DecodedPixels>;
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

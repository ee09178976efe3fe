/**
 * What goes into image decoding and what comes out.
 *
 * @module
 */

/**
 * Decoded pixels: rows from top to bottom, no padding, alpha not premultiplied. How many channels there
 * are is told from `data.length`: see {@linkcode channelsOf}.
 */
export interface Pixels {
  /** `[height, width, channels]`, 0…255: gray, gray and alpha, RGB, or RGBA. */
  readonly data: Uint8Array;
  /** Columns. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
}

/** {@linkcode Pixels} as programs hold them: a canvas's `ImageData` is one too. */
export interface RawPixels extends Omit<Pixels, "data"> {
  /** `[height, width, channels]`, 0…255: gray, RGB or RGBA. */
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** Samples of a pixel: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA. */
export function channelsOf({ data, width, height }: RawPixels): number {
  return data.length / (width * height);
}

/** A rectangle of pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** An image in any form that a program has: a file's bytes, where to read them, or raw pixels. */
export type ImageInput =
  | Uint8Array
  | ArrayBuffer
  | Blob
  | ReadableStream<Uint8Array>
  | Response
  | URL
  | string
  | RawPixels;

/** Limits of reading and decoding. */
export interface ImageOptions {
  /** Most pixels that an image may have. Default: {@linkcode MAX_PIXELS}. */
  readonly maxPixels?: number;
  /** Most bytes that are read from a file, stream or response. Default: {@linkcode MAX_BYTES}. */
  readonly maxBytes?: number;
  /**
   * How many pixels of the shorter side are needed: the size that the image will be resized to. A
   * large JPEG is then decoded at 1/2, 1/4 or 1/8 where its sides divide by that and at least 2.5
   * times as many pixels are left. The resized image stays the same within 1 grey level in the mean
   * and 10 at most. Default: all of them, or what the model's preprocessing needs in a classifier.
   */
  readonly shorterSide?: number;
  /**
   * JPEGs of fewer pixels are decoded in full whatever `shorterSide` says: they are quick to decode,
   * and stay equal to Pillow's. Default: {@linkcode REDUCE_FROM_PIXELS}.
   */
  readonly reduceFromPixels?: number;
  /**
   * Whether to decode on another thread, so that the event loop stays free; a number: only images of at
   * least so many pixels. There are up to {@linkcode MAX_DECODERS} threads. Where the platform or its
   * permissions allow none, images are decoded on this one. Default: false.
   */
  readonly background?: boolean | number;
  /** Ends reading and, between its steps or in the background, decoding. */
  readonly signal?: AbortSignal;
}

/** Default of `maxPixels`: 50 million, the largest phone cameras. */
export const MAX_PIXELS = 50_000_000;
/** Default of `reduceFromPixels`: 4 million. */
export const REDUCE_FROM_PIXELS = 4_000_000;
/** Most threads that decode in the background: each image may take `maxPixels` of memory. */
export const MAX_DECODERS: number = Math.min(4, Math.max(2, navigator.hardwareConcurrency));
/** Longest side in pixels, whatever `maxPixels` says. */
export const MAX_SIDE = 32_768;
/** Default of `maxBytes`: 64 MiB. */
export const MAX_BYTES = 64 * 1024 * 1024;

/** Endings of the names of image files, in lower case. */
export const IMAGE_EXTENSIONS: ReadonlySet<string> = new Set(
  ".jpg .jpeg .jfif .png .gif .webp .avif .tif .tiff .bmp".split(" "),
);

/**
 * What goes into image decoding and what comes out; from what decoders give to upright, opaque RGB.
 */

import type { Fetch } from "../urls.ts";

/**
 * Decoded pixels: rows from top to bottom, no padding, alpha not premultiplied. How many channels there
 * are is told from `data.length`.
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

/**
 * Checks that a program has given pixels.
 *
 * @param channels How many channels they may have.
 * @throws {TypeError} If they are none, such as a path, or a promise of them.
 * @throws {RangeError} If they have other channels.
 */
export function checkPixels(image: Pixels, channels: readonly number[]): void {
  const { data, width, height }: Partial<Pixels> = Object(image);
  if (!(data instanceof Uint8Array)) {
    throw new TypeError(
      `Expected pixels { data, width, height }, as \`await readImage()\` gives them: found ${
        Object.prototype.toString.call(image)
      }`,
    );
  }
  if (channels.includes(channelsOf(image))) return;
  throw new RangeError(
    `Expected ${width}x${height} pixels of ${
      channels.join(" or ")
    } bytes, found ${data.length} bytes`,
  );
}

/** How large a picture is. */
export type Size = Pick<Pixels, "width" | "height">;

/** A rectangle in a picture. */
export interface Box extends Size {
  readonly left: number;
  readonly top: number;
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

/** What there is a decoder for. */
export type ImageFormat = "jpeg" | "png" | "gif" | "webp" | "avif" | "tiff" | "bmp";

/** Where an image may be that a text or a URL names. */
export type ImageSource = "file" | "http" | "data";

/** An image, or what opens it once it is needed. */
export type LazyImage = ImageInput | (() => ImageInput | Promise<ImageInput>);

/** Limits of reading and decoding. */
export interface ImageOptions {
  /** Most pixels that an image may have. Default: 50 million, the largest phone cameras; of a service 25 million. */
  readonly maxPixels?: number | undefined;
  /** Formats that are decoded; a file of another is refused before any decoder sees it. Default: all. */
  readonly formats?: readonly ImageFormat[] | undefined;
  /** Most bytes that are read from a file, stream or response. Default: 64 MiB; of a service 10 MiB, its `maxBodyBytes`. */
  readonly maxBytes?: number | undefined;
  /**
   * What an image that is named by a text or a URL may be: a file of this machine (`"file"`), something
   * at an `http(s)` URL, or a `data:` or `blob:` URL, which holds or names what the program has. Texts of
   * strangers need a bound here, and `fetchImage()` for their URLs. Default: all.
   */
  readonly sources?: readonly ImageSource[] | undefined;
  /**
   * Whether to decode on another thread, so that the event loop stays free; a number: only images of at
   * least so many pixels. There are up to four threads. Where the platform or its
   * permissions allow none, images are decoded on this one. Default: false; of a
   * service, images of 100,000 pixels and more.
   */
  readonly background?: boolean | number | undefined;
  /** Never touch the network: an image at an `http(s)` URL is an error. Default: false, or as the classifier was loaded. */
  readonly offline?: boolean | undefined;
  /** Asks servers, such as with a key in the headers. Default: the global `fetch`. */
  readonly fetch?: Fetch | undefined;
  /** Ends reading and, between its steps or in the background, decoding. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of reading an image by itself. */
export interface ReadImageOptions extends ImageOptions {
  /**
   * How many pixels of the shorter side are needed: the size that the image will be resized to. A
   * large JPEG or PNG is then decoded at 1/2, 1/4 or 1/8 where its sides divide by that and at least 2.5
   * times as many pixels are left. The resized image stays the same within 1 gray level in the mean
   * and 10 at most. Default: all of them.
   */
  readonly shorterSide?: number | undefined;
  /**
   * JPEGs and PNGs of fewer pixels are decoded in full whatever `shorterSide` says: they are quick to decode,
   * and stay equal to Pillow's. Default: 4 million.
   */
  readonly reduceFromPixels?: number | undefined;
}

/**
 * Gives a picture's memory back at once, if it is its own: a garbage collector would let several of 75 MB
 * pile up. Nobody may use it any more.
 */
export function releasePixels({ data }: Pixels): void {
  const { buffer } = data;
  // Not a part of a file, or of a decoder's memory.
  if (buffer instanceof ArrayBuffer && buffer.byteLength === data.byteLength) buffer.transfer(0);
}

/** Most threads that decode in the background: each image may take `maxPixels` of memory. */
export const MAX_DECODERS: number = Math.min(4, Math.max(2, navigator.hardwareConcurrency));

/** Endings of the names of image files that are decoded, in lower case. */
export const IMAGE_EXTENSIONS: ReadonlySet<string> = new Set(
  ".jpg .jpeg .jfif .png .gif .webp .avif .tif .tiff .bmp".split(" "),
);

/** Lays an RGBA frame on a transparent canvas. A frame as large as the canvas is the canvas. */
export function onCanvas(data: Uint8Array, frame: Box, { width, height }: Size): Pixels {
  if (frame.width === width && frame.height === height) return { data, width, height };
  const canvas = new Uint8Array(width * height * 4);
  for (let y = 0; y < frame.height; y++) {
    const row = data.subarray(y * frame.width * 4, (y + 1) * frame.width * 4);
    canvas.set(row, ((frame.top + y) * width + frame.left) * 4);
  }
  return { data: canvas, width, height };
}

/** Repeats gray, and lays transparent pixels over white. RGB comes back as it is, without a copy. */
export function toRgb(pixels: RawPixels): Pixels {
  const { data, width, height } = pixels;
  const channels = channelsOf(pixels);
  if (channels === 3) {
    if (data instanceof Uint8Array) return pixels as Pixels; // Its data has just been told apart.
    return { data: new Uint8Array(data.buffer, data.byteOffset, data.length), width, height };
  }
  const rgb = new Uint8Array(width * height * 3);
  const green = channels < 3 ? 0 : 1, blue = channels < 3 ? 0 : 2;
  const alpha = channels === 2 ? 1 : 3;
  const opaque = channels === 1;
  for (let at = 0, to = 0; to < rgb.length; at += channels, to += 3) {
    const a = opaque ? 255 : data[at + alpha];
    rgb[to] = overWhite(data[at], a);
    rgb[to + 1] = overWhite(data[at + green], a);
    rgb[to + 2] = overWhite(data[at + blue], a);
  }
  return { data: rgb, width, height };
}

/** What a color, 0…255, is over white. */
export function overWhite(color: number, alpha: number): number {
  return divide255(color * alpha + 255 * (255 - alpha));
}

/** `value / 255`, rounded, by Pillow's shifts. */
export function divide255(value: number): number {
  return (value + 128 + ((value + 128) >> 8)) >> 8;
}

/** Turns and mirrors RGB pixels as EXIF's orientation (1…8) says, so that they are upright. */
export function orient(pixels: Pixels, orientation: number): Pixels {
  if (orientation === 1) return pixels;
  const { data, width: w, height: h } = pixels;
  // Where in the source the first pixel is, and the way to the next one and to the next row.
  const [start, right, down] = [
    [0, 1, w],
    [w - 1, -1, w],
    [w * h - 1, -1, -w],
    [w * (h - 1), 1, -w],
    [0, w, 1],
    [w * (h - 1), -w, 1],
    [w * h - 1, -w, -1],
    [w - 1, w, -1],
  ][orientation - 1];
  const [width, height] = orientation < 5 ? [w, h] : [h, w];
  const turned = new Uint8Array(data.length);
  for (let y = 0, to = 0; y < height; y++) {
    let at = (start + y * down) * 3;
    for (let x = 0; x < width; x++, at += right * 3, to += 3) {
      turned[to] = data[at];
      turned[to + 1] = data[at + 1];
      turned[to + 2] = data[at + 2];
    }
  }
  return { data: turned, width, height };
}

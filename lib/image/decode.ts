/**
 * Image files to upright, opaque RGB.
 *
 * @module
 */

import { ImageDecodeError, ImageTooLargeError } from "../errors.ts";
import { type Codec, damaged, type DecodedPixels, type Header } from "./codecs/codec.ts";
import { type ImageOptions, REDUCE_FROM_PIXELS, type RgbImage } from "./image.ts";
import { checkSize } from "./limits.ts";
import { orient, toRgb } from "./pixels.ts";
import { type ImageFormat, sniffFormat } from "./sniff.ts";

/** Each codec is loaded when the first file of its format arrives. */
const CODECS: Readonly<Record<ImageFormat, () => Promise<Codec>>> = {
  jpeg: async () => (await import("./codecs/jpeg.ts")).jpeg as Codec,
  png: async () => (await import("./codecs/png.ts")).png as Codec,
  gif: async () => (await import("./codecs/gif.ts")).gif as Codec,
  webp: async () => (await import("./codecs/webp.ts")).webp as Codec,
  avif: async () => (await import("./codecs/avif.ts")).avif,
  tiff: async () => (await import("./codecs/tiff.ts")).tiff as Codec,
  bmp: async () => (await import("./codecs/bmp.ts")).bmp as Codec,
};

/**
 * Decodes an image file. The format is told from the bytes, of an animation or a document the first
 * frame or page is taken, EXIF's orientation is applied, and transparency is laid over white. Colour
 * profiles are ignored.
 *
 * @throws {ImageDecodeError} If the bytes are no image, a damaged one, or of a format not decoded.
 * @throws {ImageTooLargeError} If the header claims more than `maxPixels`, or a side above 32,768;
 *   nothing that grows with the size was allocated.
 */
export async function decodeImage(
  bytes: Uint8Array,
  options: ImageOptions = {},
): Promise<RgbImage> {
  const { signal } = options;
  signal?.throwIfAborted();
  const format = sniffFormat(bytes);
  const codec = await CODECS[format]();
  signal?.throwIfAborted();
  try {
    const header = codec.readHeader(bytes);
    checkSize(header, options);
    if (header.width < 1 || header.height < 1) {
      throw damaged(format, `its size is ${header.width}x${header.height}`);
    }
    if (isForBackground(header, options)) {
      const here = (): Promise<RgbImage> => decodeHere(format, codec, bytes, header, options);
      return await (await import("./background.ts")).decodeInBackground(bytes, options, here);
    }
    return await decodeHere(format, codec, bytes, header, options);
  } catch (error) {
    throw signal?.aborted ? signal.reason : named(format, bytes, error);
  }
}

async function decodeHere(
  format: ImageFormat,
  codec: Codec,
  bytes: Uint8Array,
  header: Header,
  { signal, shorterSide = Infinity, reduceFromPixels = REDUCE_FROM_PIXELS }: ImageOptions,
): Promise<RgbImage> {
  const isLarge = header.width * header.height >= reduceFromPixels;
  const pixels = await codec.decode(bytes, header, isLarge ? shorterSide : Infinity);
  signal?.throwIfAborted();
  return orient(toRgb(checkPixels(format, pixels)), header.orientation);
}

function isForBackground({ width, height }: Header, { background = false }: ImageOptions): boolean {
  return typeof background === "number" ? width * height >= background : background;
}

/** Decoders are trusted with pixels, not with their number. */
function checkPixels(format: ImageFormat, pixels: DecodedPixels): DecodedPixels {
  const { data, width, height, channels } = pixels;
  if (data.length === width * height * channels) return pixels;
  throw damaged(format, `the decoder gave ${data.length} bytes for ${width}x${height} pixels`);
}

/** Makes whatever a codec threw, a trap of its WebAssembly too, an error of this library. */
function named(format: ImageFormat, bytes: Uint8Array, error: unknown): Error {
  if (error instanceof ImageDecodeError || error instanceof ImageTooLargeError) return error;
  // DataView's, for a number that would lie past the end.
  const isShort = error instanceof RangeError && error.message.includes("DataView");
  const isTrap = error instanceof WebAssembly.RuntimeError;
  const what = isShort
    ? `it is truncated at byte ${bytes.length}, or an offset in it points past its end`
    : isTrap
    ? `it is damaged, and its decoder stopped (${error.message})`
    : error instanceof Error
    ? error.message
    : String(error);
  return damaged(format, what, { cause: error });
}

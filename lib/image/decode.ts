/**
 * Image files to upright, opaque RGB.
 *
 * @module
 */

import { ImageDecodeError } from "../errors.ts";
import type { ImageOptions, RgbImage } from "./image.ts";
import { checkSize, readSize } from "./header.ts";
import { type DecodedPixels, toRgb } from "./pixels.ts";
import { type ImageFormat, sniffFormat } from "./sniff.ts";

type Decoder = (bytes: Uint8Array) => DecodedPixels | Promise<DecodedPixels>;

/** Each decoder is loaded when the first file of its format arrives. */
const DECODERS: Readonly<Partial<Record<ImageFormat, () => Promise<Decoder>>>> = {
  jpeg: async () => (await import("./jpeg.ts")).decodeJpeg,
  png: async () => (await import("./png.ts")).decodePng,
};

/**
 * Decodes an image file. The format is told from the bytes.
 *
 * @throws {ImageDecodeError} If the bytes are no image, a damaged one, or of a format not decoded.
 * @throws {ImageTooLargeError} If the header claims more than `maxPixels`; nothing was allocated yet.
 */
export async function decodeImage(
  bytes: Uint8Array,
  options: ImageOptions = {},
): Promise<RgbImage> {
  options.signal?.throwIfAborted();
  const format = sniffFormat(bytes);
  checkSize(readSize(bytes, format), options);
  const load = DECODERS[format];
  if (!load) throw new ImageDecodeError(`No decoder for ${format}`, { format });
  const decoder = await load();
  options.signal?.throwIfAborted();
  let pixels: DecodedPixels;
  try {
    pixels = await decoder(bytes);
  } catch (error) {
    if (error instanceof ImageDecodeError) throw error;
    throw new ImageDecodeError(
      `Cannot decode the ${format.toUpperCase()}: ${
        error instanceof Error ? error.message : error
      }`,
      { format, cause: error },
    );
  }
  options.signal?.throwIfAborted();
  return toRgb(pixels);
}

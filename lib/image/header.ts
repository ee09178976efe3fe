/**
 * An image's size from its header, before anything large is allocated.
 *
 * @module
 */

import { ImageDecodeError, ImageTooLargeError } from "../errors.ts";
import { type ImageOptions, MAX_PIXELS, MAX_SIDE } from "./image.ts";
import type { ImageFormat } from "./sniff.ts";

/** Width and height in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

const READERS: Readonly<Partial<Record<ImageFormat, (view: DataView) => Size | undefined>>> = {
  png: (view) => ({ width: view.getUint32(16), height: view.getUint32(20) }),
  jpeg: jpegSize,
};

/**
 * Reads an image's size as its header has it.
 *
 * @throws {ImageDecodeError} If the header is damaged or the file ends in it.
 */
export function readSize(bytes: Uint8Array, format: ImageFormat): Size {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let size: Size | undefined;
  try {
    size = READERS[format]?.(view);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // DataView's, past the end
  }
  if (!size) {
    throw new ImageDecodeError(
      `Cannot decode the ${format.toUpperCase()}: it ends before its size is known`,
      { format },
    );
  }
  if (size.width === 0 || size.height === 0) {
    throw new ImageDecodeError(
      `Cannot decode the ${format.toUpperCase()}: its size is ${size.width}x${size.height}`,
      { format },
    );
  }
  return size;
}

/**
 * Holds a size against the limits.
 *
 * @throws {ImageTooLargeError} If it is above them.
 */
export function checkSize({ width, height }: Size, options: ImageOptions): void {
  const maxPixels = options.maxPixels ?? MAX_PIXELS;
  if (width <= MAX_SIDE && height <= MAX_SIDE && width * height <= maxPixels) return;
  throw new ImageTooLargeError(
    `Expected at most ${maxPixels} pixels and sides of at most ${MAX_SIDE}, found ${width}x${height}: ` +
      `scale the image down, or raise maxPixels`,
    { width, height },
  );
}

/** Walks the markers to the frame header (ITU-T T.81, B.2.2). */
function jpegSize(view: DataView): Size | undefined {
  for (let at = 2;;) {
    while (view.getUint8(at) === 0xff && view.getUint8(at + 1) === 0xff) at++; // fill bytes
    if (view.getUint8(at) !== 0xff) return undefined;
    const marker = view.getUint8(at + 1);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    if (marker === 0xd9 || marker === 0xda) return undefined;
    at += 2 + view.getUint16(at + 2);
  }
}

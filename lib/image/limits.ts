/**
 * The limits that an image is held against before it is decoded.
 *
 * @module
 */

import { ImageTooLargeError } from "../errors.ts";
import { type ImageOptions, MAX_PIXELS, MAX_SIDE } from "./image.ts";

/**
 * Holds a size against the limits.
 *
 * @throws {ImageTooLargeError} If it is above them.
 */
export function checkSize(
  { width, height }: { readonly width: number; readonly height: number },
  options: ImageOptions,
): void {
  const maxPixels = options.maxPixels ?? MAX_PIXELS;
  if (width <= MAX_SIDE && height <= MAX_SIDE && width * height <= maxPixels) return;
  throw new ImageTooLargeError(
    `Expected at most ${maxPixels} pixels and sides of at most ${MAX_SIDE}, ` +
      `found ${width}x${height}: scale the image down, or raise maxPixels`,
    { width, height },
  );
}

/**
 * What decoders give: bytes of one to four channels, and their way to RGB.
 *
 * @module
 */

import type { RgbImage } from "./image.ts";

/** Interleaved bytes: gray, gray and alpha, RGB, or RGBA with alpha not premultiplied. */
export interface DecodedPixels {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 2 | 3 | 4;
}

/** Repeats gray, and lays transparent pixels over white. RGB comes back as it is, without a copy. */
export function toRgb({ data, width, height, channels }: DecodedPixels): RgbImage {
  if (channels === 3) {
    const bytes = data instanceof Uint8Array
      ? data
      : new Uint8Array(data.buffer, data.byteOffset, data.length);
    return { data: bytes, width, height };
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

/** `(value * alpha + 255 * (255 - alpha)) / 255`, rounded, by Pillow's shifts. */
function overWhite(value: number, alpha: number): number {
  const sum = value * alpha + 255 * (255 - alpha) + 128;
  return (sum + (sum >> 8)) >> 8;
}

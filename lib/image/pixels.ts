/**
 * From what decoders give to upright, opaque RGB.
 *
 * @module
 */

import { type Box, channelsOf, type Pixels, type RawPixels } from "./image.ts";

/** Lays an RGBA frame on a transparent canvas. A frame as large as the canvas is the canvas. */
export function onCanvas(
  data: Uint8Array,
  frame: Box,
  { width, height }: { readonly width: number; readonly height: number },
): Pixels {
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

/** `(value * alpha + 255 * (255 - alpha)) / 255`, rounded, by Pillow's shifts. */
function overWhite(value: number, alpha: number): number {
  const sum = value * alpha + 255 * (255 - alpha) + 128;
  return (sum + (sum >> 8)) >> 8;
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

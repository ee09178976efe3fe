/** From a decoded image to the bytes that an engine takes. */

import type { Box, Pixels, Size } from "../image/image.ts";
import { resample } from "../image/resize.ts";
import type { Architecture } from "../model/architecture.ts";
import type { Preprocessing } from "../model/model.ts";
import { STANDARD_DEVIATION, STANDARD_MEAN, whitenBytes } from "./whiten.ts";

/** The size of a network's input. */
export type InputSize = Architecture["input"];

/**
 * Resizes and crops an image as a model was trained on it. Only the pixels of the crop are computed.
 *
 * @returns `[height, width, channels]`, 0…255: what torchvision's `Resize` and `CenterCrop` give on
 *   the same Pillow image (of mode `L`, with one channel)
 * @throws {RangeError} If the number of channels is not 1 or 3, or if the shorter side after resizing
 *   is smaller than the input.
 */
export function prepareInput(
  image: Pixels,
  preprocessing: Preprocessing,
  input: InputSize,
): Uint8Array {
  const pixels = withChannels(image, input.channels, preprocessing.grayscale);
  if (preprocessing.resize === "direct") {
    const whole = { left: 0, top: 0, width: input.width, height: input.height };
    return cutView(pixels, input.width, input.height, whole, preprocessing);
  }
  const [width, height] = shorterSideTo(preprocessing.size, image.width, image.height);
  return cutView(pixels, width, height, centerBox(width, height, input), preprocessing);
}

/**
 * Resizes an image to `width` x `height`, cuts a box out of it, and standardizes and whitens that if the
 * model wants it.
 *
 * @param pixels What {@linkcode withChannels} gives.
 * @returns `[box.height, box.width, channels]`, 0…255
 */
export function cutView(
  pixels: Pixels,
  width: number,
  height: number,
  box: Box,
  { filter, standardize, whitening }: Preprocessing,
): Uint8Array {
  const data = resample(pixels, width, height, filter, box);
  const standard = standardize === "image" ? standardizeBytes(data) : data;
  if (whitening === undefined) return standard;
  return whitenBytes(standard, box.width, box.height, whitening);
}

/**
 * Gives an image's values the mean 128 and the deviation 42, so that a byte holds three deviations to
 * either side; what is beyond is cut off, as in the UFLDL tutorial. An image of one value becomes 128.
 */
export function standardizeBytes(data: Uint8Array): Uint8Array {
  let sum = 0, squares = 0;
  for (const value of data) {
    sum += value;
    squares += value * value;
  }
  // Sums are exact, and each operation below is rounded as IEEE 754 says: the same bytes everywhere.
  const mean = sum / data.length;
  const deviation = Math.sqrt(Math.max(0, squares / data.length - mean * mean));
  const factor = deviation > 0 ? STANDARD_DEVIATION / deviation : 0;
  return data.map((value) =>
    Math.max(0, Math.min(255, Math.round(STANDARD_MEAN + (value - mean) * factor)))
  );
}

/** Width and height once the shorter side is `size` (torchvision's `Resize(size)`). */
export function shorterSideTo(size: number, width: number, height: number): [number, number] {
  const longer = Math.trunc((size * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? [size, longer] : [longer, size];
}

/** The center of an image (torchvision's `CenterCrop`). */
export function centerBox(width: number, height: number, size: Size): Box {
  if (width < size.width || height < size.height) {
    throw new RangeError(
      `Cannot crop ${size.width}x${size.height} out of ${width}x${height}: ` +
        `the preprocessing's size must be at least the input's`,
    );
  }
  const left = roundHalfEven((width - size.width) / 2);
  const top = roundHalfEven((height - size.height) / 2);
  return { left, top, width: size.width, height: size.height };
}

/** Python's `round`, with which torchvision places its crops. */
function roundHalfEven(value: number): number {
  const down = Math.floor(value);
  return value - down === 0.5 ? down + (down % 2) : Math.round(value);
}

/**
 * Pixels with the channels of a network's input: RGB as it is, without a copy, or luma.
 *
 * @param image RGB.
 * @param grayscale Whether RGB is to be luma three times.
 * @throws {RangeError} If the number of channels is not 1 or 3.
 */
export function withChannels(image: Pixels, channels: number, grayscale: boolean = false): Pixels {
  const { data, width, height } = image;
  if (channels === 3 && grayscale) {
    const luma = withChannels(image, 1);
    return { data: data.map((_, i) => luma.data[Math.floor(i / 3)]), width, height };
  }
  if (channels === 3) return image;
  if (channels !== 1) {
    throw new RangeError(`Expected an input of 1 or 3 channels, found ${channels}`);
  }
  const luma = new Uint8Array(width * height);
  for (let i = 0, at = 0; i < luma.length; i++, at += 3) {
    // ITU-R 601-2 in 16-bit fixed point, as Pillow's convert("L").
    luma[i] = (data[at] * 19595 + data[at + 1] * 38470 + data[at + 2] * 7471 + 0x8000) >> 16;
  }
  return { data: luma, width, height };
}

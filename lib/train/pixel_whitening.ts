/** The whitening of pictures that a small network learns from. */

import { takeTurn } from "../threads/turn.ts";
import { whitenBytes } from "../input/whiten.ts";
import type { Architecture } from "../model/architecture.ts";
import type { PixelWhitening } from "../model/model.ts";
import { randomFrom } from "./random.ts";
import { Statistics } from "./statistics.ts";

/** Side of a patch in pixels. */
const PATCH = 5;
/** Patches that are looked at, at least, spread over all pictures. */
const PATCHES = 50_000;
/** Added to each variance, relative to their mean: noise, which varies least, is not blown up. */
const EPSILON = 0.01;

/**
 * ZCA statistics of random patches, in one pass over the pictures that are learned from.
 *
 * @param pixels `[pictures, side, side, channels]`, 0…255
 * @param train The pictures to look at.
 */
export async function pixelWhitening(
  pixels: Uint8Array,
  train: readonly number[],
  { input: { height, width, channels } }: Architecture,
  seed: number,
  signal: AbortSignal | undefined,
): Promise<PixelWhitening> {
  const size = PATCH * PATCH * channels, row = PATCH * channels, next = randomFrom(seed);
  const statistics = new Statistics(size, true), patch = new Uint8Array(size);
  const each = Math.ceil(PATCHES / train.length);
  for (const n of train) {
    await takeTurn(signal);
    for (let k = 0; k < each; k++) {
      const top = Math.floor(next() * (height - PATCH + 1));
      const left = Math.floor(next() * (width - PATCH + 1));
      for (let y = 0; y < PATCH; y++) {
        const at = ((n * height + top + y) * width + left) * channels;
        patch.set(pixels.subarray(at, at + row), y * row);
      }
      statistics.add(patch);
    }
  }
  return await fromStatistics(statistics, channels, signal);
}

/** The rows of the whitening matrix that belong to the patch's middle. */
async function fromStatistics(
  statistics: Statistics,
  channels: number,
  signal: AbortSignal | undefined,
): Promise<PixelWhitening> {
  const { mean, matrix } = await statistics.transform("zca", EPSILON, signal);
  const size = mean.length, middle = (size - channels) / 2;
  const round = (value: number): number => Number(value.toPrecision(7));
  const channelMean = (c: number): number => {
    const own = mean.filter((_, i) => i % channels === c);
    return own.reduce((sum, value) => sum + value) / own.length;
  };
  return {
    kind: "zca",
    patch: PATCH,
    epsilon: EPSILON,
    mean: Array.from({ length: channels }, (_, c) => round(channelMean(c))),
    variance: Array.from(await statistics.principalVariance(), round),
    filter: Array.from(matrix!.subarray(middle * size, (middle + channels) * size), round),
  };
}

/** Whitens all pictures in place. */
export async function whitenAll(
  pixels: Uint8Array,
  { input: { height, width, channels } }: Architecture,
  whitening: PixelWhitening,
  signal: AbortSignal | undefined,
): Promise<void> {
  const size = height * width * channels;
  for (let at = 0; at < pixels.length; at += size) {
    await takeTurn(signal);
    pixels.set(whitenBytes(pixels.subarray(at, at + size), width, height, whitening), at);
  }
}

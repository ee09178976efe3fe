/** Pictures in memory, small and all of one size, and batches of them that differ each time. */

import type { IndexedSample } from "../input/dataset.ts";
import type { SkippedSamples } from "../input/skipped_samples.ts";
import { prepareInput } from "../input/prepare.ts";
import type { Architecture } from "../model/architecture.ts";
import type { PixelWhitening, Preprocessing } from "../model/model.ts";
import { COLOR_BINS, colorHistogram } from "./baselines.ts";
import { fingerprint } from "./features.ts";
import type { Examples } from "./loop.ts";
import type { PixelOptions } from "./pixel_options.ts";
import { ProgressTeller } from "../progress.ts";
import { takeTurn } from "../threads/turn.ts";
import { mixed, randomFrom } from "./random.ts";
import type { Tfjs } from "./tfjs.ts";

/** Pictures, and how their bytes become values. */
export interface Pictures {
  /** `[pictures, side, side, channels]`, 0…255. */
  readonly pixels: Uint8Array;
  /** The class of each. */
  readonly classes: readonly number[];
  /** For the size of the input. */
  readonly architecture: Architecture;
  /** The mean and deviation of each channel. */
  readonly preprocessing: Preprocessing;
}

/** Everything but the mean and the deviation, which are not known yet. */
function resizeOf(
  side: number,
  { standardize }: PixelOptions,
): Omit<Preprocessing, "mean" | "std"> {
  return {
    ...{ resize: "direct", size: side, filter: "bilinear", scale: 1 / 255 } as const,
    ...standardize === "image" ? { standardize } as const : {},
  };
}

/** What was read of pictures. */
export interface ReadPixels {
  /** Those that could be read. */
  readonly samples: readonly IndexedSample[];
  /** `[pictures, side, side, channels]`, 0…255. */
  readonly pixels: Uint8Array;
  /** Histograms of colors, `[pictures, COLOR_BINS]`. */
  readonly colors: Float32Array;
  /** SHA-256 of each one's pixels. */
  readonly fingerprints: readonly string[];
}

/** Reads and resizes all pictures, to the bytes that a classifier makes of them, but for `whitening`. */
export async function readAll(
  samples: readonly IndexedSample[],
  { input }: Architecture,
  skipped: SkippedSamples,
  options: PixelOptions,
): Promise<ReadPixels> {
  const size = input.height * input.width * input.channels;
  const pixels = new Uint8Array(samples.length * size);
  const colors = new Float32Array(samples.length * COLOR_BINS);
  const kept: IndexedSample[] = [], fingerprints: string[] = [];
  const about = { stage: "features", unit: "images" } as const;
  const progress = new ProgressTeller(options, about, samples.length);
  for (const [n, sample] of samples.entries()) {
    await takeTurn(options.signal);
    const decoded = await skipped.read(sample, options, Math.max(input.height, input.width));
    progress.reach(n + 1);
    if (decoded === undefined) continue;
    const at = kept.push(sample) - 1;
    fingerprints.push(await fingerprint(decoded));
    colors.set(colorHistogram(decoded), at * COLOR_BINS);
    const resizing = { ...resizeOf(input.height, options), mean: [], std: [] };
    pixels.set(prepareInput(decoded, resizing, input), at * size);
  }
  return {
    ...{ samples: kept, fingerprints },
    pixels: pixels.subarray(0, kept.length * size),
    colors: colors.subarray(0, kept.length * COLOR_BINS),
  };
}

/** Mean and deviation of each channel over all pictures that are learned from. */
export function preprocessingOf(
  pixels: Uint8Array,
  train: readonly number[],
  { input: { height, width, channels } }: Architecture,
  options: PixelOptions,
  whitening?: PixelWhitening,
): Preprocessing {
  const size = height * width * channels;
  const counts = new Float64Array(channels * 256);
  for (const n of train) {
    for (let i = 0; i < size; i++) counts[i % channels * 256 + pixels[n * size + i]]++;
  }
  const statistics = Array.from(
    { length: channels },
    (_, c) => momentsOf(counts.subarray(c * 256, (c + 1) * 256)),
  );
  const round = (value: number): number => Number(value.toPrecision(6));
  return {
    ...resizeOf(height, options),
    ...whitening === undefined ? {} : { whitening },
    mean: statistics.map(({ mean }) => round(mean / 255)),
    std: statistics.map(({ deviation }) => round(deviation / 255 || 1)),
  };
}

/** Mean and standard deviation of bytes, from how often each occurs. */
function momentsOf(counts: Float64Array): { mean: number; deviation: number } {
  let total = 0, sum = 0, squares = 0;
  counts.forEach((count, value) => {
    total += count;
    sum += count * value;
    squares += count * value * value;
  });
  const mean = sum / total;
  return { mean, deviation: Math.sqrt(Math.max(0, squares / total - mean * mean)) };
}

/**
 * Batches of some of the pictures, mirrored and moved at random where they are learned from: in a way of the seed, the
 * epoch and the picture, whatever is beside it.
 */
export function examples(
  tf: Tfjs,
  { pixels, classes, architecture: { input }, preprocessing }: Pictures,
  pictures: readonly number[],
  { flip, shift, seed }: Required<Pick<PixelOptions, "flip" | "shift" | "seed">>,
): Examples {
  const { height, width, channels } = input, size = height * width * channels;
  const { scale, mean, std } = preprocessing;
  return {
    labels: pictures.map((n) => classes[n]),
    batch(positions, epoch) {
      const values = new Float32Array(positions.length * size);
      positions.forEach((position, n) => {
        const picture = pictures[position], from = picture * size;
        const next = epoch === undefined ? undefined : randomFrom(mixed(seed, epoch, picture));
        const isMirrored = next !== undefined && flip && next() < 0.5;
        const move = (): number => next ? Math.floor(next() * (2 * shift + 1)) - shift : 0;
        const dx = move(), dy = move();
        for (let y = 0, to = n * size; y < height; y++) {
          const row = Math.min(height - 1, Math.max(0, y + dy)) * width;
          for (let x = 0; x < width; x++) {
            const column = Math.min(width - 1, Math.max(0, x + dx));
            const at = from + (row + (isMirrored ? width - 1 - column : column)) * channels;
            for (let c = 0; c < channels; c++, to++) {
              values[to] = (pixels[at + c] * scale - mean[c]) / std[c];
            }
          }
        }
      });
      return tf.tensor4d(values, [positions.length, height, width, channels]);
    },
  };
}

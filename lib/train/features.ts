/** What the frozen layers say of each picture, computed once and kept in a file. */

import type { Engine } from "../engine/engine.ts";
import type { ImageOptions, Pixels } from "../image/image.ts";
import { releasePixels } from "../image/image.ts";
import { readImage } from "../image/read.ts";
import { imagesTogether } from "../input/batches.ts";
import { computeViews, type Mean } from "../input/compute_views.ts";
import type { IndexedSample } from "../input/dataset.ts";
import { eachImage, type Work } from "../input/each_image.ts";
import { PreparedImage } from "../input/prepared_image.ts";
import { reasonOf, type SkipReason } from "../input/skipped_samples.ts";
import { looksOf, scalesOf, type View } from "../input/views.ts";
import { sha256 } from "../io/sha256.ts";
import type { Model } from "../model/model.ts";
import { featureLength, type FeatureRecipe } from "../model/readout.ts";
import { IMAGE_OPTIONS, pickOptions } from "../options.ts";
import { FeatureRows } from "../output/readout.ts";
import type { ProgressTeller } from "../progress.ts";
import { COLOR_BINS, colorHistogram } from "./baselines.ts";

/** What is known of a picture. */
export interface PictureRecord {
  /** SHA-256 of its pixels, in hex: equal for copies. */
  readonly fingerprint: string;
  /** Its features, `[D]`. */
  readonly features: Float32Array;
  /** The histogram of its colors, `[COLOR_BINS]`. */
  readonly colors: Float32Array;
}

/** Why a picture cannot be read. */
export type Unreadable = SkipReason;

/** What is known of pictures. */
export interface Pictures {
  /** Those that could be read, by their positions among the samples. */
  readonly positions: readonly number[];
  /** Features, `[pictures, D]`. */
  readonly features: Float32Array;
  /** Histograms of colors, `[pictures, COLOR_BINS]`. */
  readonly colors: Float32Array;
  /** SHA-256 of each one's pixels. */
  readonly fingerprints: readonly string[];
}

/** Where features are kept: a file that grows by whole pictures. */
export interface FeatureStore {
  /** What an earlier run kept of the first samples, in their order. */
  load(): Promise<(PictureRecord | Unreadable)[]>;
  append(records: readonly (PictureRecord | Unreadable)[]): Promise<void>;
}

/** How features are computed. */
export interface FeatureOptions extends ImageOptions {
  readonly store?: FeatureStore | undefined;
  readonly progress?: ProgressTeller | undefined;
  /** Called for each picture that cannot be read; what it throws ends the call. */
  readonly onSkip: (sample: IndexedSample, why: Unreadable) => void;
}

/** A network, and what is read of it. */
export type FeatureModel = Pick<Model, "architecture" | "preprocessing"> & {
  readonly readout: { readonly features: FeatureRecipe };
};

/** A picture that is ready for the network. */
interface Ready {
  readonly views: readonly View[];
  readonly fingerprint: string;
  readonly colors: Float32Array;
}

/** Whether a picture need not be read again: nobody reads it as long as its bytes are what they are. */
function isSettled(found: PictureRecord | Unreadable): boolean {
  return !("reason" in found) || found.code === "image-damaged" || found.code === "image-format";
}

/**
 * Computes what is known of pictures, but for what the store holds. One that could not be had, such as over a
 * network, is tried again each time.
 *
 * What makes features is what makes them when the new model classifies: they are the same bit for bit.
 */
export async function readPictures(
  engine: Engine,
  model: FeatureModel,
  samples: readonly IndexedSample[],
  { store, progress, onSkip, ...options }: FeatureOptions,
): Promise<Pictures> {
  const length = featureLength(model.readout.features, model.architecture);
  const pictures = new Gathered(samples.length, length);
  const take = (position: number, found: PictureRecord | Unreadable): void => {
    if ("reason" in found) onSkip(samples[position]!, found);
    else pictures.add(position, found);
  };
  const kept = (await store?.load())?.slice(0, samples.length) ?? [];
  const left: number[] = [];
  samples.forEach((_, position) => {
    const found = kept[position];
    if (found !== undefined && isSettled(found)) take(position, found);
    else left.push(position);
  });
  const known = samples.length - left.length;
  progress?.reach(known);
  const images = left.map((position) => {
    const { file, image } = samples[position]!;
    return { name: file, image: image ?? file };
  });
  let records: (PictureRecord | Unreadable)[] = [];
  const keep = async (): Promise<void> => {
    await store?.append(records);
    records = [];
  };
  const work = workOf(engine, model, options);
  const found = eachImage(images, "record", work, { signal: options.signal, isList: true });
  for await (const { index, record, error } of found) {
    const position = left[index]!, outcome = record ?? reasonOf(error);
    take(position, outcome);
    if (position >= kept.length && records.push(outcome) >= KEPT_TOGETHER) await keep();
    progress?.reach(known + index + 1);
  }
  await keep();
  return pictures.result();
}

/** Pictures that are written to the store together. */
const KEPT_TOGETHER = 32;

function workOf(
  engine: Engine,
  model: FeatureModel,
  options: ImageOptions,
): Work<Ready, PictureRecord> {
  const { input } = model.architecture, { features } = model.readout;
  const reading = {
    ...pickOptions(IMAGE_OPTIONS, options),
    shorterSide: Math.max(...scalesOf(model, {})),
  };
  const layers = features.blocks.map(({ layer }) => layer);
  const compute = computeViews(engine, input, layers, () => new RowOf(model));
  return {
    prepare: async (image, signal) => {
      if (image instanceof PreparedImage) throw new TypeError("Expected a picture to learn from");
      const pixels = await readImage(image, { ...reading, signal });
      const views = looksOf(pixels, model);
      const ready = {
        views,
        fingerprint: await fingerprint(pixels),
        colors: colorHistogram(pixels),
      };
      if (views.every(({ data }) => data.buffer !== pixels.data.buffer)) releasePixels(pixels);
      return ready;
    },
    compute: async (ready, signal) => {
      const rows = await compute(ready.map(({ views }) => views), signal);
      return rows.map((row, n) =>
        row.status === "rejected"
          ? row
          : { status: "fulfilled", value: { ...ready[n]!, features: row.value } }
      );
    },
    most: imagesTogether(input),
    bytesOf: ({ views }) => views.reduce((sum, { data }) => sum + data.length, 0),
  };
}

/** The features of one look at a picture. */
class RowOf extends FeatureRows implements Mean<Float32Array> {
  constructor({ architecture, readout }: FeatureModel) {
    super(readout.features, architecture);
  }

  result(): Float32Array {
    return this.rows[0]!.values;
  }
}

/** Gathers what is known of pictures, in any order. */
class Gathered {
  readonly #fingerprints = new Map<number, string>();
  readonly #features: Float32Array;
  readonly #colors: Float32Array;
  readonly #length: number;

  constructor(most: number, length: number) {
    this.#features = new Float32Array(most * length);
    this.#colors = new Float32Array(most * COLOR_BINS);
    this.#length = length;
  }

  add(position: number, { fingerprint, features, colors }: PictureRecord): void {
    this.#fingerprints.set(position, fingerprint);
    this.#features.set(features, position * this.#length);
    this.#colors.set(colors, position * COLOR_BINS);
  }

  /** Those that were added, without gaps. */
  result(): Pictures {
    const positions = [...this.#fingerprints.keys()].sort((a, b) => a - b);
    const without = (rows: Float32Array, size: number): Float32Array => {
      positions.forEach((at, n) => rows.copyWithin(n * size, at * size, (at + 1) * size));
      return rows.subarray(0, positions.length * size);
    };
    return {
      positions,
      features: without(this.#features, this.#length),
      colors: without(this.#colors, COLOR_BINS),
      fingerprints: positions.map((position) => this.#fingerprints.get(position)!),
    };
  }
}

/** SHA-256 of all pictures' pixels and classes, in hex. */
export function hashOfData(
  fingerprints: readonly string[],
  classes: ArrayLike<number>,
): Promise<string> {
  return sha256(...fingerprints.map((fingerprint, n) => `${fingerprint} ${classes[n]}\n`));
}

/** SHA-256 of a picture's pixels, in hex. */
export function fingerprint({ width, height, data }: Pixels): Promise<string> {
  return sha256(`${width}x${height}\n`, data);
}

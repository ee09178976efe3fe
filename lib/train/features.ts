/** What the frozen layers say of each picture, computed once and kept in a store. */

import type { Engine } from "../engine/engine.ts";
import type { ImageOptions } from "../image/image.ts";
import type { IndexedSample } from "../input/dataset.ts";
import { eachImage } from "../input/each_image.ts";
import { reasonOf } from "../input/skipped_samples.ts";
import { sha256 } from "../io/sha256.ts";
import { featureLength } from "../model/readout.ts";
import type { ProgressTeller } from "../progress.ts";
import { COLOR_BINS } from "./baselines.ts";
import {
  checkFeatures,
  type Computed,
  FeaturesInMemory,
  type FeatureStore,
  type KnownPicture,
  type PictureRecord,
  type Unreadable,
} from "./feature_store.ts";
import { type FeatureModel, featureWork } from "./feature_work.ts";
import { pictureKey } from "./keys.ts";
import type { Rows } from "./rows.ts";

export { fingerprint } from "./feature_work.ts";

/** What is known of pictures. */
export interface Pictures {
  /** Those that could be read, by their positions among the samples. */
  readonly positions: readonly number[];
  /** Features, `[pictures, D]`, where the store has them. */
  readonly features: Rows;
  /** Histograms of colors, `[pictures, COLOR_BINS]`. */
  readonly colors: Float32Array;
  /** SHA-256 of each one's pixels. */
  readonly fingerprints: readonly string[];
}

/** How features are computed. */
export interface FeatureOptions extends ImageOptions {
  /** Where features are kept as long as they are read. Default: in memory. */
  readonly store?: FeatureStore | undefined;
  readonly progress?: ProgressTeller | undefined;
  /** Called for each picture that cannot be read; what it throws ends the call. */
  readonly onSkip: (sample: IndexedSample, why: Unreadable) => void;
}

/** Whether a picture need not be read again: nobody reads it as long as its bytes are what they are. */
function isSettled(found: KnownPicture | Computed | Unreadable): boolean {
  return !("reason" in found) || found.code === "image-damaged" || found.code === "image-format";
}

/**
 * Computes what is known of pictures, but for those that the store knows, in whatever order they were. One that could
 * not be had, such as over a network, is tried again each time.
 *
 * What makes features is what makes them when the new model classifies: they are the same bit for bit.
 *
 * @throws {RangeError} If there is no store, and features are more than 2 GiB.
 */
export async function readPictures(
  engine: Engine,
  model: FeatureModel,
  samples: readonly IndexedSample[],
  { store, progress, onSkip, ...options }: FeatureOptions,
): Promise<Pictures> {
  const length = featureLength(model.readout.features, model.architecture);
  if (store === undefined) checkFeatures(length, samples.length);
  const gathered = new Gathered(store ?? new FeaturesInMemory(), length);
  const keys = store === undefined ? [] : await keysOf(samples, options.signal);
  const kept = await store?.load(keys) ?? [], left: number[] = [];
  for (const [position, sample] of samples.entries()) {
    const found = kept[position];
    if (found === undefined) left.push(position);
    else if ("reason" in found) onSkip(sample, found);
    else gathered.know(position, found);
  }
  const done = samples.length - left.length;
  progress?.reach(done);
  const images = left.map((position) => {
    const { file, image } = samples[position]!;
    return { name: file, image: image ?? file };
  });
  const work = featureWork(engine, model, options);
  const each = eachImage(images, "record", work, { signal: options.signal, isList: true });
  for await (const { index, record, error } of each) {
    const position = left[index]!, found = record ?? reasonOf(error);
    if ("reason" in found) onSkip(samples[position]!, found);
    await gathered.add(position, { key: isSettled(found) ? keys[position] : undefined, found });
    progress?.reach(done + index + 1);
  }
  return await gathered.result();
}

/** What each picture is known by. */
async function keysOf(
  samples: readonly IndexedSample[],
  signal: AbortSignal | undefined,
): Promise<(string | undefined)[]> {
  const keys: (string | undefined)[] = [];
  for (const sample of samples) {
    signal?.throwIfAborted();
    keys.push(await pictureKey(sample));
  }
  return keys;
}

/** Pictures that are written to the store together, and most bytes of their features. */
const KEPT_TOGETHER = 32, KEPT_BYTES = 2 ** 24;

/** Gathers what is known of pictures, in any order; their features in a store. */
class Gathered {
  readonly #store: FeatureStore;
  readonly #length: number;
  readonly #together: number;
  readonly #known = new Map<number, KnownPicture>();
  #positions: number[] = [];
  #records: PictureRecord[] = [];

  constructor(store: FeatureStore, length: number) {
    this.#store = store;
    this.#length = length;
    this.#together = Math.max(1, Math.min(KEPT_TOGETHER, Math.floor(KEPT_BYTES / (4 * length))));
  }

  /** Adds a picture that the store has. */
  know(position: number, picture: KnownPicture): void {
    this.#known.set(position, picture);
  }

  /** Adds one that it does not have yet. */
  async add(position: number, record: PictureRecord): Promise<void> {
    this.#positions.push(position);
    if (this.#records.push(record) >= this.#together) await this.#keep();
  }

  async #keep(): Promise<void> {
    const positions = this.#positions, records = this.#records;
    [this.#positions, this.#records] = [[], []];
    (await this.#store.append(records)).forEach((picture, n) => {
      if (picture !== undefined) this.#known.set(positions[n]!, picture);
    });
  }

  /** Those that could be read. */
  async result(): Promise<Pictures> {
    await this.#keep();
    const store = this.#store, length = this.#length;
    const positions = [...this.#known.keys()].sort((a, b) => a - b);
    const known = positions.map((position) => this.#known.get(position)!);
    const colors = new Float32Array(known.length * COLOR_BINS);
    known.forEach((picture, n) => colors.set(picture.colors, n * COLOR_BINS));
    const rows = Uint32Array.from(known, ({ row }) => row);
    return {
      ...{ positions, colors, fingerprints: known.map(({ fingerprint }) => fingerprint) },
      features: {
        ...{ count: rows.length, length },
        read: (n, into, first) => store.read(rows[n]!, into, first),
      },
    };
  }
}

/** SHA-256 of all pictures' pixels and classes, in hex. */
export function hashOfData(
  fingerprints: readonly string[],
  classes: ArrayLike<number>,
): Promise<string> {
  // In one text: there may be more pictures than a call takes arguments.
  return sha256(fingerprints.map((fingerprint, n) => `${fingerprint} ${classes[n]}\n`).join(""));
}

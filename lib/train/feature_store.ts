/** Where what is known of pictures is kept while a fit learns from it. */

import type { SkipReason } from "../input/skipped_samples.ts";

/** Why a picture cannot be read. */
export type Unreadable = SkipReason;

/** What a picture gave. */
export interface Computed {
  /** SHA-256 of its pixels, in hex: equal for copies. */
  readonly fingerprint: string;
  /** Its features, `[D]`. */
  readonly features: Float32Array;
  /** The histogram of its colors, `[COLOR_BINS]`. */
  readonly colors: Float32Array;
}

/** What is kept of a picture. */
export interface PictureRecord {
  /** What it is known by, as `pictureKey()` gives it; nobody asks again for one without. */
  readonly key: string | undefined;
  readonly found: Computed | Unreadable;
}

/** A picture whose features are kept. */
export interface KnownPicture extends Omit<Computed, "features"> {
  /** Where its features are in the store. */
  readonly row: number;
}

/** What is known of a picture. */
export type Known = KnownPicture | Unreadable;

/** Where features are kept: rows that are added one after the other, and never change. */
export interface FeatureStore extends Disposable {
  /** What an earlier run kept of the pictures of these keys; of those of which it knew nothing, undefined. */
  load(keys: readonly (string | undefined)[]): Promise<(Known | undefined)[]>;
  /** Adds pictures, and says where each is; of what could not be read, undefined. */
  append(records: readonly PictureRecord[]): Promise<(KnownPicture | undefined)[]>;
  /** Fills `into` with a row's values from its value `first` on, 0 if not said. */
  read(row: number, into: Float32Array, first?: number): void;
}

/** Most bytes of features in memory: those of 20,000 pictures of 25,088 values. */
const MAX_IN_MEMORY = 2 ** 31;

/**
 * Checks that features fit in memory.
 *
 * @param length Features of a picture.
 * @throws {RangeError} If they are more than 2 GiB.
 */
export function checkFeatures(length: number, pictures: number): void {
  const bytes = 4 * length * pictures;
  if (bytes <= MAX_IN_MEMORY) return;
  throw new RangeError(
    `The features of ${pictures} pictures are ${bytes} bytes, more than 2 GiB: give a directory for them, ` +
      "average what layers say, or read fewer of them",
  );
}

/** Features that are kept in memory, and know nothing of earlier runs. */
export class FeaturesInMemory implements FeatureStore {
  readonly #rows: Float32Array[] = [];

  load(keys: readonly (string | undefined)[]): Promise<undefined[]> {
    return Promise.resolve(keys.map(() => undefined));
  }

  append(records: readonly PictureRecord[]): Promise<(KnownPicture | undefined)[]> {
    const known = records.map(({ found }) => {
      if ("reason" in found) return undefined;
      const { fingerprint, colors, features } = found;
      return { fingerprint, colors, row: this.#rows.push(features) - 1 };
    });
    return Promise.resolve(known);
  }

  read(row: number, into: Float32Array, first = 0): void {
    into.set(this.#rows[row]!.subarray(first, first + into.length));
  }

  [Symbol.dispose](): void {
    this.#rows.length = 0;
  }
}

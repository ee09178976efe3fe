/** What is known of pictures, in a file of a directory: a record for each, in the order in which they were computed. */

import { fromHex, toHex } from "../encoding.ts";
import { join } from "@std/path/join";
import { AtomicFile } from "../io/atomic_file.ts";
import { sha256 } from "../io/sha256.ts";
import { COLOR_BINS } from "./baselines.ts";
import { removeOthers } from "./directory.ts";
import type {
  FeatureStore,
  Known,
  KnownPicture,
  PictureRecord,
  Unreadable,
} from "./feature_store.ts";
import { WholeFile } from "./whole_file.ts";

/** Opens a directory's features of a key, of `length` values each; those of others are removed. */
export async function featureFile(
  directory: string,
  key: string,
  length: number,
): Promise<FeatureFile> {
  await removeOthers(directory, "features", key);
  return new FeatureFile(directory, key, length);
}

/** Bytes of a hash, of which a record has three before its values. */
const HASH = 32, VALUES = 3 * HASH;
/** The key of what nobody will ask for, and the fingerprint of what could not be read. */
const NONE = "0".repeat(2 * HASH);

/**
 * Records of one size: a hash of what follows, as a disk may have kept a part of it, the picture's key, the hash of its
 * pixels, and float32: features, and the histogram of its colors. Of what could not be read it is zeros, and why, as
 * JSON that ends with zeros.
 */
export class FeatureFile implements FeatureStore {
  readonly #path: string;
  readonly #length: number;
  #file: WholeFile;
  #count: number;

  /** @param length Features of a picture. */
  constructor(directory: string, key: string, length: number) {
    this.#path = join(directory, `features-${key}.bin`);
    this.#length = length;
    this.#file = new WholeFile(this.#path);
    this.#count = Math.floor(this.#file.describe().size / this.#recordBytes);
    this.#file.truncate(this.#count * this.#recordBytes);
  }

  /**
   * What an earlier run kept. If more than half of the file is of no use to these pictures, the rest is written
   * beside it, and takes its place.
   */
  async load(keys: readonly (string | undefined)[]): Promise<(Known | undefined)[]> {
    const wanted = new Set(keys), found = new Map<string, Known>(), used: number[] = [];
    const key = new Uint8Array(HASH);
    // The latest first: there may be one of the same key before it that was damaged, or was not.
    for (let row = this.#count - 1; row >= 0; row--) {
      this.#file.read(row * this.#recordBytes + HASH, key);
      const name = toHex(key);
      if (!wanted.has(name) || found.has(name)) continue;
      const known = await this.#knownAt(row);
      if (known === undefined) continue;
      found.set(name, known);
      used.push(row);
    }
    const moved = 2 * used.length < this.#count ? await this.#rewrite(used.reverse()) : undefined;
    return keys.map((key) => {
      const known = key === undefined ? undefined : found.get(key);
      if (known === undefined || moved === undefined || "reason" in known) return known;
      return { ...known, row: moved.get(known.row)! };
    });
  }

  /** What a record says, if it is whole. */
  async #knownAt(row: number): Promise<Known | undefined> {
    const bytes = new Uint8Array(this.#recordBytes);
    this.#file.read(row * bytes.length, bytes);
    const hash = toHex(bytes.subarray(0, HASH));
    if (hash !== await sha256(bytes.subarray(HASH))) return undefined;
    const fingerprint = toHex(bytes.subarray(2 * HASH, VALUES)), values = bytes.subarray(VALUES);
    if (fingerprint === NONE) {
      const text = new TextDecoder().decode(values.subarray(0, values.indexOf(0)));
      return JSON.parse(text) as Unreadable; // Written below: the hash holds.
    }
    const colors = new Float32Array(bytes.slice(VALUES + 4 * this.#length).buffer);
    return { fingerprint, colors, row };
  }

  /** Writes the file anew with some of its rows, and says where these are. */
  async #rewrite(rows: readonly number[]): Promise<Map<number, number>> {
    const bytes = new Uint8Array(this.#recordBytes), moved = new Map<number, number>();
    using file = await AtomicFile.create(this.#path);
    for (const row of rows) {
      this.#file.read(row * bytes.length, bytes);
      file.write(moved.size * bytes.length, bytes);
      moved.set(row, moved.size);
    }
    this.#file.close(); // Windows replaces no file that is open.
    try {
      await file.commit();
    } finally {
      this.#file = new WholeFile(this.#path);
    }
    this.#count = rows.length;
    return moved;
  }

  async append(
    records: readonly PictureRecord[],
  ): Promise<(KnownPicture | undefined)[]> {
    const known: (KnownPicture | undefined)[] = [];
    for (const { key = NONE, found } of records) {
      const bytes = new Uint8Array(this.#recordBytes);
      bytes.set(fromHex(key), HASH);
      if ("reason" in found) {
        const text = new TextEncoder().encode(JSON.stringify(found));
        known.push(undefined);
        if (text.length >= bytes.length - VALUES || key === NONE) continue; // It is read again.
        bytes.set(text, VALUES);
      } else {
        const values = new Float32Array(bytes.buffer, VALUES);
        bytes.set(fromHex(found.fingerprint), 2 * HASH);
        values.set(found.features);
        values.set(found.colors, this.#length);
        known.push({ fingerprint: found.fingerprint, colors: found.colors, row: this.#count });
      }
      bytes.set(fromHex(await sha256(bytes.subarray(HASH))));
      this.#file.append(bytes);
      this.#count++;
    }
    await this.#file.sync();
    return known;
  }

  read(row: number, into: Float32Array, first = 0): void {
    const at = row * this.#recordBytes + VALUES + 4 * first;
    this.#file.read(at, new Uint8Array(into.buffer, into.byteOffset, into.byteLength));
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }

  get #recordBytes(): number {
    return VALUES + 4 * (this.#length + COLOR_BINS);
  }
}

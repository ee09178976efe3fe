/**
 * What a fit keeps on disk: features, which take long, and the state of the training, so that a run that
 * was interrupted goes on.
 */

import { join } from "@std/path/join";
import {
  describePath,
  listFolder,
  makeFolder,
  NotFound,
  OpenFile,
  readText,
  remove,
} from "../platform.ts";
import type { LazyImage } from "../image/image.ts";
import { isRawPixels, readBytes } from "../image/read.ts";
import { openImage } from "../input/batches.ts";
import type { IndexedSample } from "../input/dataset.ts";
import { writeWhole } from "../io/atomic_file.ts";
import { openLocked } from "../io/lock.ts";
import { sha256 } from "../io/sha256.ts";
import type { Model } from "../model/model.ts";
import { asUrl } from "../urls.ts";
import { COLOR_BINS } from "./baselines.ts";
import type { FeatureStore, PictureRecord, Unreadable } from "./features.ts";
import type { RecordStore } from "./maps.ts";
import type { StateStore } from "./state.ts";
import type { ArrayStore } from "./tuning_state.ts";

/** A name for whatever depends on these settings alone. */
export async function keyOf(settings: unknown): Promise<string> {
  return (await sha256(JSON.stringify(settings))).slice(0, 16);
}

/** A name for a model's numbers: its scales and biases differ wherever its weights do. */
export function modelKey({ id, parameters }: Model): Promise<string> {
  const numbers = parameters.flatMap(({ scale, bias }) => [scale, bias]);
  const bytes = numbers.map(({ buffer, byteOffset, byteLength }) =>
    new Uint8Array(buffer, byteOffset, byteLength)
  );
  return sha256(id, ...bytes);
}

/**
 * What tells pictures from others, as far as possible without decoding them: size and time of a file, the
 * hash of what is in memory. Of a file that is not there nothing is known.
 */
export async function samplesKey(samples: readonly IndexedSample[]): Promise<unknown[]> {
  const keys: unknown[] = [];
  for (const { file, image } of samples) keys.push([file, ...await contentKey(image ?? file)]);
  return keys;
}

async function contentKey(lazy: LazyImage): Promise<unknown[]> {
  try {
    const image = await openImage(lazy);
    if (isRawPixels(image)) return [image.width, image.height, await hashOf(image.data)];
    if (typeof image !== "string" && !(image instanceof URL)) {
      // What can be read once is left for whoever learns from it.
      return image === lazy && isReadOnce(image) ? [] : [await hashOf(await readBytes(image, {}))];
    }
    const url = asUrl(image);
    if (url !== undefined && url.protocol !== "file:") return [];
    const { size, modifiedMs } = await describePath(url ?? String(image));
    return [size, modifiedMs];
  } catch {
    return []; // Whatever is wrong with it is said when it is read.
  }
}

const isReadOnce = (image: unknown): boolean =>
  image instanceof ReadableStream || image instanceof Response;

function hashOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Promise<string> {
  return sha256(new Uint8Array(buffer, byteOffset, byteLength));
}

/**
 * Makes a directory, and keeps other fits out of it until it is disposed: rows of one would land under the
 * labels of the other.
 *
 * @throws {Error} If another fit has it.
 */
export async function takeDirectory(
  directory: string | undefined,
): Promise<Disposable | undefined> {
  if (directory === undefined) return undefined;
  await makeFolder(directory);
  return await openLocked(join(directory, "fit.lock"), directory);
}

/** What is kept in a directory: features, maps, or the state of a training, each of one key at a time. */
type Kept = "features" | "maps" | "training";

/** Removes what fits on other pictures, layers or settings kept there: nobody may come back for it. */
async function removeOthers(directory: string, kind: Kept, key: string): Promise<void> {
  const isOther = new RegExp(`^${kind}-(?!${key})[0-9a-f]{${key.length}}\\.(bin|txt|json)$`);
  const names = await Array.fromAsync(listFolder(directory), ({ name }) => name);
  for (const name of names.filter((name) => isOther.test(name))) {
    await remove(join(directory, name));
  }
}

/** Opens a directory's features of a key, of `length` values each; those of others are removed. */
export async function featureFile(
  directory: string,
  key: string,
  length: number,
): Promise<FeatureStore> {
  await removeOthers(directory, "features", key);
  return new FeatureFile(directory, key, length);
}

/** What is known of pictures, in a directory: rows of float32, and beside them a line per picture. */
export class FeatureFile implements FeatureStore {
  readonly #rows: string;
  readonly #lines: string;
  readonly #length: number;

  /** @param length Features of a picture. */
  constructor(directory: string, key: string, length: number) {
    this.#rows = join(directory, `features-${key}.bin`);
    this.#lines = join(directory, `features-${key}.txt`);
    this.#length = length;
  }

  /** What is whole of an earlier run; what follows something damaged is cut off, and computed again. */
  async load(): Promise<(PictureRecord | Unreadable)[]> {
    using rows = new OpenFile(this.#rows, "change");
    using lines = new OpenFile(this.#lines, "change");
    const text = new TextDecoder().decode(readAll(lines, lines.describe().size));
    const values = readAll(rows, rows.describe().size), kept: string[] = [];
    const records: (PictureRecord | Unreadable)[] = [];
    for (const line of text.split("\n").slice(0, -1)) {
      const at = kept.length * this.#rowBytes, row = values.subarray(at, at + this.#rowBytes);
      const what = line.slice(0, line.lastIndexOf(" "));
      if (row.length < this.#rowBytes || line !== await lineOf(what, row)) break;
      kept.push(line);
      records.push(this.#recordOf(what, new Float32Array(values.buffer, at, row.length / 4)));
    }
    rows.truncate(kept.length * this.#rowBytes);
    lines.truncate(linesOf(kept).length);
    return records;
  }

  #recordOf(what: string, row: Float32Array): PictureRecord | Unreadable {
    if (what.startsWith("{")) return JSON.parse(what) as Unreadable; // Written below: the hash holds.
    const [features, colors] = [row.subarray(0, this.#length), row.subarray(this.#length)];
    return { fingerprint: what, features, colors };
  }

  /** Adds whole pictures: first their rows, so that a line says that its row is there. */
  async append(records: readonly (PictureRecord | Unreadable)[]): Promise<void> {
    const size = this.#rowBytes / 4, values = new Float32Array(records.length * size);
    const lines = await Promise.all(records.map((record, n) => {
      const row = values.subarray(n * size, (n + 1) * size);
      const bytes = new Uint8Array(row.buffer, row.byteOffset, row.byteLength);
      if ("reason" in record) return lineOf(JSON.stringify(record), bytes);
      row.set(record.features);
      row.set(record.colors, this.#length);
      return lineOf(record.fingerprint, bytes);
    }));
    await append(this.#rows, new Uint8Array(values.buffer));
    await append(this.#lines, linesOf(lines));
  }

  get #rowBytes(): number {
    return 4 * (this.#length + COLOR_BINS);
  }
}

/** What is said of a picture, and a hash of that and its row: a disk may have kept only one of them. */
async function lineOf(what: string, row: Uint8Array): Promise<string> {
  return `${what} ${await sha256(what, row)}`;
}

function readAll(file: OpenFile, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  file.read(0, bytes);
  return bytes;
}

function linesOf(lines: readonly string[]): Uint8Array {
  return new TextEncoder().encode(lines.map((line) => line + "\n").join(""));
}

async function append(path: string, bytes: Uint8Array): Promise<void> {
  using file = new OpenFile(path, "change");
  file.append(bytes);
  await file.sync();
}

/** Opens the state of a training in a directory, a line after its hash; those of others are removed. */
export async function stateFile(directory: string, key: string): Promise<StateStore> {
  await removeOthers(directory, "training", key);
  const path = join(directory, `training-${key}.json`);
  return {
    async load() {
      const [hash, text = ""] = (await readIfThere(path))?.split("\n") ?? [];
      // What a system leaves that fails is no state.
      return hash === await sha256(text) ? text : undefined;
    },
    save: async (text) => writeWhole(path, `${await sha256(text)}\n${text}`),
  };
}

/** As {@linkcode stateFile}, of bytes. */
export async function arrayFile(directory: string, key: string): Promise<ArrayStore> {
  await removeOthers(directory, "training", key);
  const path = join(directory, `training-${key}.bin`);
  return {
    load: () => {
      using file = new OpenFile(path, "change");
      const { size } = file.describe();
      return Promise.resolve(size === 0 ? undefined : readAll(file, size));
    },
    save: (bytes) => writeWhole(path, bytes),
  };
}

/** Opens a directory's records of a key, of `size` bytes each; those of others are removed. */
export async function recordFile(
  directory: string,
  key: string,
  size: number,
): Promise<RecordStore & Disposable> {
  await removeOthers(directory, "maps", key);
  const file = new OpenFile(join(directory, `maps-${key}.bin`), "change");
  let count = Math.floor(file.describe().size / size);
  file.truncate(count * size);
  return {
    get count() {
      return count;
    },
    append: async (bytes) => {
      file.append(bytes);
      await file.sync();
      count += bytes.length / size;
    },
    read: (n, offset, into) => void file.read(n * size + offset, into),
    [Symbol.dispose]: () => file[Symbol.dispose](),
  };
}

/** Most bytes of records in memory. */
const MAX_IN_MEMORY = 2 ** 31;

/**
 * Checks that records fit in memory.
 *
 * @throws {RangeError} If they are more than 2 GiB.
 */
export function checkInMemory(size: number, count: number): void {
  if (size * count <= MAX_IN_MEMORY) return;
  throw new RangeError(
    `The maps of ${count} pictures are ${size * count} bytes: give a directory for them`,
  );
}

/** Records that are kept in memory. */
export class RecordsInMemory implements RecordStore, Disposable {
  readonly #size: number;
  readonly #parts: Uint8Array[] = [];

  /** @param size Bytes of a record. */
  constructor(size: number) {
    this.#size = size;
  }

  get count(): number {
    return this.#parts.length;
  }

  append(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += this.#size) {
      this.#parts.push(bytes.slice(at, at + this.#size));
    }
    return Promise.resolve();
  }

  read(n: number, offset: number, into: Uint8Array): void {
    into.set(this.#parts[n]!.subarray(offset, offset + into.length));
  }

  [Symbol.dispose](): void {
    this.#parts.length = 0;
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readText(path);
  } catch (error) {
    if (error instanceof NotFound) return undefined;
    throw error;
  }
}

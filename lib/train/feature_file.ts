/** What is known of pictures, in a directory: rows of float32, and beside them a line per picture. */

import { join } from "@std/path/join";
import { sha256 } from "../io/sha256.ts";
import { OpenFile } from "../platform.ts";
import { COLOR_BINS } from "./baselines.ts";
import { removeOthers } from "./directory.ts";
import type { FeatureStore, PictureRecord, Unreadable } from "./features.ts";

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

function linesOf(lines: readonly string[]): Uint8Array {
  return new TextEncoder().encode(lines.map((line) => line + "\n").join(""));
}

async function append(path: string, bytes: Uint8Array): Promise<void> {
  using file = new OpenFile(path, "change");
  file.append(bytes);
  await file.sync();
}

function readAll(file: OpenFile, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  file.read(0, bytes);
  return bytes;
}

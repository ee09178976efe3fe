/**
 * What a fit keeps on disk: features, which take long, and the state of the training, so that a run that
 * was interrupted goes on.
 */

import { join } from "@std/path/join";
import { describePath, makeFolder, NotFound, OpenFile, readText } from "../platform.ts";
import type { IndexedSample } from "../input/dataset.ts";
import { writeWhole } from "../io/atomic_file.ts";
import { openLocked } from "../io/lock.ts";
import { sha256 } from "../io/sha256.ts";
import type { Model } from "../model/model.ts";
import { asUrl } from "../urls.ts";
import type { FeatureStore } from "./features.ts";
import type { StateStore } from "./state.ts";

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

/** What tells pictures from others, without reading them: size and time of each file. */
export async function samplesKey(samples: readonly IndexedSample[]): Promise<unknown[]> {
  return await Promise.all(samples.map(async ({ file, image, label }) => {
    const url = image === undefined ? asUrl(file) : undefined;
    const isFile = image === undefined && (url === undefined || url.protocol === "file:");
    if (!isFile) return [file, label];
    const { size, modifiedMs } = await describePath(url ?? file);
    return [file, label, size, modifiedMs];
  }));
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

/** Features in a directory: rows of float32, and beside them a line per picture. */
export class FeatureFile implements FeatureStore {
  readonly #rows: string;
  readonly #lines: string;
  readonly #rowBytes: number;

  /** @param rowBytes Of all views of one picture. */
  constructor(directory: string, key: string, rowBytes: number) {
    this.#rows = join(directory, `features-${key}.bin`);
    this.#lines = join(directory, `features-${key}.txt`);
    this.#rowBytes = rowBytes;
  }

  /** What is whole of an earlier run; the rest is cut off. */
  load(): { rows: Float32Array; fingerprints: string[] } {
    using rows = new OpenFile(this.#rows, "change");
    using lines = new OpenFile(this.#lines, "change");
    const text = new TextDecoder().decode(readAll(lines, lines.describe().size));
    const whole = text.slice(0, text.lastIndexOf("\n") + 1).split("\n").slice(0, -1);
    const pictures = Math.min(whole.length, Math.floor(rows.describe().size / this.#rowBytes));
    const fingerprints = whole.slice(0, pictures);
    rows.truncate(pictures * this.#rowBytes);
    lines.truncate(linesOf(fingerprints).length);
    const { buffer } = readAll(rows, pictures * this.#rowBytes);
    return { rows: new Float32Array(buffer), fingerprints };
  }

  /** Adds whole pictures: first their rows, so that a line says that its rows are there. */
  async append(rows: Float32Array, fingerprints: readonly string[]): Promise<void> {
    await append(this.#rows, new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength));
    await append(this.#lines, linesOf(fingerprints));
  }
}

function readAll(file: OpenFile, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  file.read(0, bytes);
  return bytes;
}

function linesOf(fingerprints: readonly string[]): Uint8Array {
  return new TextEncoder().encode(fingerprints.map((line) => line + "\n").join(""));
}

async function append(path: string, bytes: Uint8Array): Promise<void> {
  using file = new OpenFile(path, "change");
  file.append(bytes);
  await file.sync();
}

/** The state of a training in a directory. */
export function stateFile(directory: string, key: string): StateStore {
  const path = join(directory, `training-${key}.json`);
  return {
    // A file of 0 bytes is no state, but what a system leaves that fails.
    load: async () => await readIfThere(path) || undefined,
    save: (text) => writeWhole(path, text),
  };
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readText(path);
  } catch (error) {
    if (error instanceof NotFound) return undefined;
    throw error;
  }
}

/**
 * What a fit keeps on disk: features, which take long, and the state of the training, so that a run that
 * was interrupted goes on.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "@std/path/join";
import {
  appendBytes,
  describePath,
  move,
  NotFound,
  readBytes,
  readText,
  writeBytes,
  writeText,
} from "../platform.ts";
import type { Sample } from "../input/dataset.ts";
import type { Model } from "../model/model.ts";
import type { FeatureStore } from "./features.ts";
import type { StateStore } from "./state.ts";

/** A name for whatever depends on these settings alone. */
export function keyOf(settings: unknown): string {
  return createHash("sha256").update(JSON.stringify(settings)).digest("hex").slice(0, 16);
}

/** A name for a model's numbers: its scales and biases differ wherever its weights do. */
export function modelKey(model: Model): string {
  const hash = createHash("sha256").update(model.id);
  for (const { scale, bias } of model.parameters) {
    for (const { buffer, byteOffset, byteLength } of [scale, bias]) {
      hash.update(new Uint8Array(buffer, byteOffset, byteLength));
    }
  }
  return hash.digest("hex");
}

/** What tells pictures from others, without reading them: size and time of each file. */
export async function samplesKey(samples: readonly Sample[]): Promise<unknown[]> {
  return await Promise.all(samples.map(async ({ file, image, label }) => {
    if (image !== undefined) return [file, label];
    const { size, modifiedMs } = await describePath(file);
    return [file, label, size, modifiedMs];
  }));
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
  async load(): Promise<{ rows: Float32Array; fingerprints: string[] }> {
    const text = await readOr(this.#lines, readText, "");
    const bytes = await readOr(this.#rows, readBytes, new Uint8Array(0));
    const lines = text.slice(0, text.lastIndexOf("\n") + 1).split("\n").slice(0, -1);
    const pictures = Math.min(lines.length, Math.floor(bytes.length / this.#rowBytes));
    const fingerprints = lines.slice(0, pictures);
    const rows = bytes.slice(0, pictures * this.#rowBytes);
    await writeBytes(this.#rows, rows);
    await writeText(this.#lines, fingerprints.map((line) => line + "\n").join(""));
    return { rows: new Float32Array(rows.buffer), fingerprints };
  }

  /** Adds whole pictures. */
  async append(rows: Float32Array, fingerprints: readonly string[]): Promise<void> {
    const bytes = new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
    await appendBytes(this.#rows, bytes);
    const text = fingerprints.map((line) => line + "\n").join("");
    await appendBytes(this.#lines, new TextEncoder().encode(text));
  }
}

/** The state of a training in a directory. */
export function stateFile(directory: string, key: string): StateStore {
  const path = join(directory, `training-${key}.json`);
  return {
    load: () => readOr(path, readText, undefined),
    async save(text) {
      await writeText(`${path}.tmp`, text);
      await move(`${path}.tmp`, path);
    },
  };
}

async function readOr<T, U>(
  path: string,
  read: (path: string) => Promise<T>,
  otherwise: U,
): Promise<T | U> {
  try {
    return await read(path);
  } catch (error) {
    if (error instanceof NotFound) return otherwise;
    throw error;
  }
}

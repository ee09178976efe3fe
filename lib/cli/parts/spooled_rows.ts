/** The embeddings of a part, on disk until all of them are there. */

import type { Embedding } from "../../output/embedding.ts";
import { type EmbeddingTable, rowLength } from "../../output/embedding_file.ts";
import { makeTemporaryFile, type OpenFile } from "../../platform.ts";
import type { Settings } from "../settings.ts";

/** Rows of one shape, in a file without a name. */
export class SpooledRows implements Disposable {
  readonly #files: readonly string[];
  readonly #settings: Settings;
  readonly #rows: OpenFile;
  readonly #shape: readonly number[];

  /**
   * @param files The picture of each row.
   * @param shape Of one embedding.
   * @param folder Where that file is.
   */
  constructor(
    files: readonly string[],
    shape: readonly number[],
    settings: Settings,
    folder: string,
  ) {
    this.#files = files;
    this.#shape = shape;
    this.#settings = settings;
    this.#rows = makeTemporaryFile(folder);
  }

  /** @throws {RangeError} If it is of another shape. */
  add(row: number, { shape, data }: Embedding): void {
    if (String(shape) !== String(this.#shape)) {
      throw new RangeError(
        `Embeddings of one shape go into a file: found [${this.#shape}], and [${shape}] of ${
          this.#files[row]
        }`,
      );
    }
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.#rows.write(row * bytes.length, bytes);
  }

  /** @param errors Of rows that have no embedding. */
  table(errors: ReadonlyMap<number, { readonly message: string }>): EmbeddingTable {
    const shape = this.#shape, length = 4 * rowLength({ shape });
    return {
      ...{ settings: this.#settings, shape, files: this.#files, errors },
      read: (row, into) => {
        const bytes = new Uint8Array(into.buffer, into.byteOffset, length);
        if (this.#rows.read(row * length, bytes) === length) return;
        throw new Error(`Row ${row} is shorter than what was written`);
      },
    };
  }

  [Symbol.dispose](): void {
    this.#rows[Symbol.dispose]();
  }
}

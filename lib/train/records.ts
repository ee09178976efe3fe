/** Records of one size, as maps are, in a directory or in memory. */

import { join } from "@std/path/join";
import { OpenFile } from "../platform.ts";
import { removeOthers } from "./directory.ts";
import type { RecordStore } from "./maps.ts";

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

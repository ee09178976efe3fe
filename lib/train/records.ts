/** Records of one size, as maps are, in a directory or in memory. */

import { fromHex, toHex } from "../encoding.ts";
import { join } from "@std/path/join";
import { sha256 } from "../io/sha256.ts";
import { takeTurn } from "../threads/turn.ts";
import { removeOthers } from "./directory.ts";
import type { RecordStore } from "./maps.ts";
import { WholeFile } from "./whole_file.ts";

/** Bytes of the hash in front of each record of a file, as a disk may have kept a part of it. */
const HASH = 32;

/**
 * Opens a directory's records of a key, of `size` bytes each; those of others are removed. All are read once: from the
 * first on that is damaged they are cut off, and computed again.
 */
export async function recordFile(
  directory: string,
  key: string,
  size: number,
  signal?: AbortSignal,
): Promise<RecordStore & Disposable> {
  await removeOthers(directory, "maps", key);
  const whole = HASH + size, file = new WholeFile(join(directory, `maps-${key}.bin`));
  let count: number;
  try {
    count = await countWhole(file, whole, signal);
    file.truncate(count * whole);
  } catch (error) {
    file.close();
    throw error;
  }
  return {
    get count() {
      return count;
    },
    append: async (records) => {
      const written = new Uint8Array(records.length * whole);
      for (const [n, record] of records.entries()) {
        written.set(fromHex(await sha256(record)), n * whole);
        written.set(record, n * whole + HASH);
      }
      file.append(written);
      await file.sync();
      count += records.length;
    },
    read: (n, offset, into) => void file.read(n * whole + HASH + offset, into),
    [Symbol.dispose]: () => file[Symbol.dispose](),
  };
}

/** How many records there are before the first one that its hash is not of. */
async function countWhole(file: WholeFile, whole: number, signal?: AbortSignal): Promise<number> {
  const count = Math.floor(file.describe().size / whole), record = new Uint8Array(whole);
  for (let n = 0; n < count; n++) {
    await takeTurn(signal);
    file.read(n * whole, record);
    if (toHex(record.subarray(0, HASH)) !== await sha256(record.subarray(HASH))) return n;
  }
  return count;
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
  readonly #parts: Uint8Array[] = [];

  get count(): number {
    return this.#parts.length;
  }

  append(records: readonly Uint8Array[]): Promise<void> {
    for (const record of records) this.#parts.push(record.slice());
    return Promise.resolve();
  }

  read(n: number, offset: number, into: Uint8Array): void {
    into.set(this.#parts[n]!.subarray(offset, offset + into.length));
  }

  [Symbol.dispose](): void {
    this.#parts.length = 0;
  }
}

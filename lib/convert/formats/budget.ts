/** What a conversion may cost, so that a small file cannot keep a reader busy or fill a disk. */

import { CheckpointFormatError } from "../../errors.ts";

/** Visits that any file may take; the largest state dictionaries take some ten thousand. */
const FREE_VISITS = 1 << 20;
/** Bytes of a file for each further visit: a number of a pickle has nine. */
const BYTES_PER_VISIT = 8;
/** What is unpacked in all; VGG19's float32 take half of it. */
const MAX_UNPACKED = 1 << 30;
/** Deflate makes one byte of 1032 at best. */
const MAX_RATIO = 1032;
/**
 * Weights that a byte may hold. The densest formats hold two, and a weight may serve more than once.
 */
const WEIGHTS_PER_BYTE = 8;
const FREE_WEIGHTS = 1 << 20;

/** Counts what one conversion does, and refuses what is out of proportion to the files that it reads. */
export class Budget {
  #bytes = 0;
  #visits = 0;
  #unpacked = 0;

  /**
   * @param file The checkpoint's name, for messages.
   * @param size Its bytes.
   */
  constructor(readonly file: string, size: number) {
    this.addFile(size);
  }

  /** Counts the bytes of a file: the checkpoint, or one that belongs to it. */
  addFile(size: number): void {
    this.#bytes += size;
  }

  /**
   * Counts values that a reader looks at, as often as it does.
   *
   * @throws {CheckpointFormatError} With the code `budget`, here as below.
   */
  visit(count = 1): void {
    this.#visits += count;
    const most = FREE_VISITS + this.#bytes / BYTES_PER_VISIT;
    if (this.#visits > most) this.#refuse(`it takes more than ${Math.floor(most)} steps to read`);
  }

  /** Counts what is to be unpacked, before it is. */
  unpack(packed: number, unpacked: number): void {
    this.#unpacked += unpacked;
    if (unpacked > packed * MAX_RATIO + MAX_RATIO) {
      this.#refuse(`${packed} compressed bytes cannot be ${unpacked}`);
    }
    if (this.#unpacked > MAX_UNPACKED) {
      this.#refuse(`its entries have more than ${MAX_UNPACKED} bytes`);
    }
  }

  /** Holds the number of a model's weights, a byte each, against what was read. */
  write(weights: number): void {
    const bytes = this.#bytes + this.#unpacked;
    if (weights <= FREE_WEIGHTS + WEIGHTS_PER_BYTE * bytes) return;
    this.#refuse(`${bytes} bytes cannot hold the ${weights} weights of its network`);
  }

  #refuse(message: string): never {
    throw new CheckpointFormatError(`${this.file} is out of proportion: ${message}`, {
      code: "budget",
      file: this.file,
    });
  }
}

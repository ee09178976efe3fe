/** A file that is read in whole ranges or not at all. */

import { OpenFile } from "../platform.ts";

/** A file that a fit writes and reads. What of a range is not there is no picture's: the buffer had another one's. */
export class WholeFile extends OpenFile {
  readonly #path: string;

  constructor(path: string) {
    super(path, "change");
    this.#path = path;
  }

  /** @throws {Error} If the file ends before. */
  override read(offset: number, into: Uint8Array): number {
    const count = super.read(offset, into);
    if (count === into.length) return count;
    throw new Error(`${this.#path} is shorter than what was written: another program changed it`);
  }
}

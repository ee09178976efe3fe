/** Files that exist under their name only once they are whole. */

import { dirname } from "@std/path/dirname";
import { move, NotFound, OpenFile, removeSync, syncFolder } from "../platform.ts";

/** Where a file's bytes go: a file on disk, or memory. */
export interface ByteSink {
  /** Writes all of `bytes` at `offset`. */
  write(offset: number, bytes: Uint8Array): void;
  /** Fills `into` with bytes that were written before. */
  read(offset: number, into: Uint8Array): void;
}

/** Files that are not complete yet; a process that ends before takes them along. */
const drafts = new Set<AtomicFile>();
addEventListener("unload", () => {
  for (const draft of drafts) draft[Symbol.dispose]();
});

/** A new file beside its final place, moved there when it is complete. */
export class AtomicFile implements ByteSink {
  readonly #temporary: string;
  readonly #file: OpenFile;

  /** @throws {Deno.errors.NotFound} If there is no such folder. */
  constructor(private readonly path: string) {
    // Unique, so that two processes that write the same file do not meet.
    this.#temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
    try {
      this.#file = new OpenFile(this.#temporary, "new", path);
    } catch (error) {
      if (!(error instanceof NotFound)) throw error;
      throw new NotFound(`Cannot write ${path}: its folder does not exist`);
    }
    drafts.add(this);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#file.write(offset, bytes);
  }

  read(offset: number, into: Uint8Array): void {
    if (this.#file.read(offset, into) === into.length) return;
    // A hole at the end: bytes that were never written.
    throw new Error(`${this.#temporary} is shorter than what was written`);
  }

  /** Makes sure that the bytes are on the disk, and gives the file its name, which is then there too. */
  async commit(): Promise<void> {
    await this.#file.sync();
    this.#file.close();
    await move(this.#temporary, this.path);
    drafts.delete(this);
    await syncFolder(dirname(this.path));
  }

  /** Closes and removes the file if it was not committed. */
  [Symbol.dispose](): void {
    if (!drafts.delete(this)) return;
    try {
      this.#file.close();
    } catch {
      // Closed by a commit whose rename failed.
    }
    try {
      removeSync(this.#temporary);
    } catch {
      // Gone with its folder: nothing is left to remove.
    }
  }
}

/** Writes a file, or replaces it: the whole of it, or nothing. */
export async function writeWhole(path: string, contents: Uint8Array | string): Promise<void> {
  const isText = typeof contents === "string";
  using file = new AtomicFile(path);
  file.write(0, isText ? new TextEncoder().encode(contents) : contents);
  await file.commit();
}

/** A file in memory. */
export class MemoryFile implements ByteSink {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #length = 0;

  /** Everything that was written. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  write(offset: number, bytes: Uint8Array): void {
    const end = offset + bytes.length;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, offset);
    this.#length = Math.max(this.#length, end);
  }

  read(offset: number, into: Uint8Array): void {
    into.set(this.#bytes.subarray(offset, offset + into.length));
  }
}

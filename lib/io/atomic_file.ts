/**
 * Files that exist under their name only once they are whole. Until then they lie beside it, as
 * `NAME.vgg16-xxxxxxxx.tmp`, and this is the one place that removes them: when the work ends, when the
 * process ends, and what a process left that was killed when the next one writes into the same folder.
 */

import { onExit } from "../platform.ts";
import { delay } from "@std/async/delay";
import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import {
  isGranted,
  listFolder,
  move,
  moveNew,
  NotFound,
  OpenFile,
  removeSync,
  syncFolder,
} from "../platform.ts";

/** Where a file's bytes go: a file on disk, or memory. */
export interface ByteSink {
  /** Writes all of `bytes` at `offset`. */
  write(offset: number, bytes: Uint8Array): void;
  /** Fills `into` with bytes that were written before. */
  read(offset: number, into: Uint8Array): void;
}

/** A file that was written, and whose draft was gone before it had its name. */
export class DraftLostError extends Error {
  /** @param path That of the file. */
  constructor(path: string, options: ErrorOptions) {
    super(
      `${path} is not written: something removed its draft, such as a machine that does not see this one's locks`,
      options,
    );
  }
}

/** Files that are not complete yet; a process that ends before takes them along. */
const drafts = new Set<AtomicFile>();
onExit(() => {
  for (const draft of drafts) draft[Symbol.dispose]();
});

/** A new file beside its final place, moved there when it is complete. */
export class AtomicFile implements ByteSink {
  readonly #path: string;
  readonly #temporary: string;
  readonly #file: OpenFile;

  private constructor(path: string) {
    this.#path = path;
    // Not longer than a name may be, and unique, so that two processes that write the same file do not meet.
    const name = path.replace(/^.*[/\\]/s, "").slice(0, 50);
    const unique = crypto.randomUUID().slice(0, 8);
    this.#temporary = join(dirname(path), `${name}.vgg16-${unique}.tmp`);
    try {
      this.#file = new OpenFile(this.#temporary, "new", path);
    } catch (error) {
      if (!(error instanceof NotFound)) throw error;
      throw new NotFound(`Cannot write ${path}: its folder does not exist`);
    }
    drafts.add(this);
  }

  /** @throws {Deno.errors.NotFound} If there is no such folder. */
  static async create(path: string): Promise<AtomicFile> {
    await removeLeftovers(dirname(path));
    for (;;) {
      const file = new AtomicFile(path);
      if (await file.#claim()) return file;
      file[Symbol.dispose]();
    }
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#file.write(offset, bytes);
  }

  read(offset: number, into: Uint8Array): void {
    if (this.#file.read(offset, into) === into.length) return;
    // A hole at the end: bytes that were never written.
    throw new Error(`${this.#temporary} is shorter than what was written`);
  }

  /**
   * Makes sure that the bytes are on the disk, and gives the file its name, which is then there too.
   *
   * @param isNew Whether a file that has that name by now is kept.
   * @throws {Error} If it is, and there is one.
   * @throws {DraftLostError} If something else has removed what was written.
   */
  async commit(isNew: boolean = false): Promise<void> {
    await this.#file.sync();
    // Closed only then: whoever finds a draft that nobody has open takes it for a leftover.
    try {
      if (isNew) await this.#takeName();
      else await move(this.#temporary, this.#path);
    } catch (cause) {
      if (!(cause instanceof NotFound)) throw cause;
      throw new DraftLostError(this.#path, { cause });
    }
    drafts.delete(this);
    this.#file.close();
    await syncFolder(dirname(this.#path));
  }

  /** Gives the file its name if nothing has it. */
  async #takeName(): Promise<void> {
    if (await moveNew(this.#temporary, this.#path)) return;
    throw new Error(`${this.#path} was not there before, and is now: it is kept`);
  }

  /** Closes and removes the file if it was not committed. */
  [Symbol.dispose](): void {
    if (!drafts.delete(this)) return;
    this.#file.close();
    try {
      removeSync(this.#temporary);
    } catch {
      // Gone with its folder: nothing is left to remove.
    }
  }

  /**
   * Locks the file, which says that its process lives. Returns `false` if another process came first, and
   * took it for a leftover.
   */
  async #claim(): Promise<boolean> {
    try {
      return await this.#file.tryLock() && !this.#file.describe().isRemoved;
    } catch {
      // A file system without locks: nobody else gets one either, and leftovers stay.
      return true;
    }
  }
}

/** Drafts, and temporary files that were not nameless yet. */
const LEFTOVER = /(\.vgg16-[0-9a-f]{8}|^vgg16-[0-9a-f]{1,16})\.tmp$/;
/** Folders that were looked through. */
const swept = new Set<string>();

/** Removes what processes left in a folder that were killed as they wrote, once in a process. */
async function removeLeftovers(folder: string): Promise<void> {
  if (swept.has(folder)) return;
  swept.add(folder);
  try {
    if (!isGranted({ name: "read", path: folder })) return;
    for await (const { name, isFile } of listFolder(folder)) {
      if (isFile && LEFTOVER.test(name)) await removeIfLeft(join(folder, name));
    }
  } catch {
    // A folder that cannot be listed is no reason not to write into it.
  }
}

/** Removes a draft if its process does not live: the system has given its lock back then. */
async function removeIfLeft(path: string): Promise<void> {
  try {
    // Network file systems lock only what may be written.
    using file = new OpenFile(path, "change there");
    if (await file.tryLock()) removeSync(path);
  } catch {
    // Gone meanwhile, or another user's.
  }
}

/**
 * Writes a file, or replaces it, of parts one after the other: the whole of it, or nothing. A part is
 * used until the next is asked for.
 *
 * @param isNew Whether a file is kept that has come to be there.
 */
export async function writeParts(
  path: string,
  parts: Iterable<Uint8Array>,
  signal?: AbortSignal,
  isNew?: boolean,
): Promise<void> {
  using file = await AtomicFile.create(path);
  let end = 0;
  for (const part of parts) {
    file.write(end, part);
    end += part.length;
    // Who makes parts has the thread for itself: only in between is a signal heard.
    await delay(0, { signal });
  }
  await file.commit(isNew);
}

/**
 * Writes a file, or replaces it: the whole of it, or nothing.
 *
 * @param isNew Whether a file is kept that has come to be there.
 */
export async function writeWhole(
  path: string,
  contents: Uint8Array | string,
  isNew?: boolean,
): Promise<void> {
  const isText = typeof contents === "string";
  using file = await AtomicFile.create(path);
  file.write(0, isText ? new TextEncoder().encode(contents) : contents);
  await file.commit(isNew);
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

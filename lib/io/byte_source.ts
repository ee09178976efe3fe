/** Files as they are read: ranges of bytes, from memory or from a disk. */

import { CheckpointFormatError, ModelNotFoundError } from "../errors.ts";
import { kindOf, NotFound, OpenFile } from "../platform.ts";
import type { ProgressOptions } from "../progress.ts";
import type { Fetch } from "../urls.ts";

/** Reads ranges of one file. Every reader of a format is written against this. */
export interface ByteSource {
  /** The file's name, for messages. */
  readonly name: string;
  /** The file's length in bytes; `undefined` where a server does not say. */
  readonly size: number | undefined;
  /**
   * Fills `into` with the bytes from `offset` on. Done when it returns, or when its promise resolves:
   * `await` it.
   *
   * @throws {CheckpointFormatError} If the file ends before.
   */
  read(offset: number, into: Uint8Array): Promise<void> | void;
  /** Gives back what it holds. A read that is under way fails, or gives bytes that nobody needs. */
  close(): void;
}

/** Options of whatever reads a file. */
export interface ReadOptions {
  /** Never touch the network: a URL is an error. Default: false. */
  readonly offline?: boolean | undefined;
  /** Asks servers, such as with a key in the headers. Default: the global `fetch`. */
  readonly fetch?: Fetch | undefined;
  /** Stops whatever is under way. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of whatever reads a file, and tells how far it is. */
export interface SourceOptions extends ReadOptions, ProgressOptions {}

/** A file that is in memory already. */
export class BytesSource implements ByteSource {
  readonly size: number;
  /** @param name What to call it in messages. */
  constructor(readonly bytes: Uint8Array, readonly name: string = "bytes") {
    this.size = bytes.length;
  }

  read(offset: number, into: Uint8Array): void {
    checkRange(this, offset, into.length);
    into.set(this.bytes.subarray(offset, offset + into.length));
  }

  close(): void {}
}

/** A file that the platform holds, in memory or not. */
export class BlobSource implements ByteSource {
  readonly size: number;
  /** @param name What to call it in messages. */
  constructor(readonly blob: Blob, readonly name: string) {
    this.size = blob.size;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    checkRange(this, offset, into.length);
    const part = this.blob.slice(offset, offset + into.length);
    into.set(new Uint8Array(await part.arrayBuffer()));
  }

  close(): void {}
}

/** A file on disk. */
export class FileSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #file: OpenFile;

  /**
   * @param name What to call it in messages. Default: its path.
   * @throws {ModelNotFoundError} If there is none.
   */
  constructor(path: string | URL, name?: string) {
    this.name = name ?? (path instanceof URL ? decodeURIComponent(path.pathname) : path);
    try {
      // Asked first: opening a pipe that nobody writes to does not end.
      const kind = kindOf(path);
      if (kind !== "file") {
        throw new CheckpointFormatError(`Expected a file at ${this.name}: it is a ${kind}`, {
          file: this.name,
        });
      }
      this.#file = new OpenFile(path);
    } catch (error) {
      if (!(error instanceof NotFound)) throw error;
      throw new ModelNotFoundError(`Expected a file at ${this.name}: there is none`, {
        cause: error,
      });
    }
    this.size = this.#file.describe().size;
  }

  read(offset: number, into: Uint8Array): void {
    checkRange(this, offset, into.length);
    const count = this.#file.read(offset, into);
    if (count < into.length) throw endsEarly(this, offset + count, offset + into.length);
  }

  close(): void {
    this.#file.close();
  }
}

/** @throws {CheckpointFormatError} If a file of known size ends before a range does. */
export function checkRange(source: ByteSource, offset: number, length: number): void {
  if (offset + length > source.size!) throw endsEarly(source, source.size!, offset + length);
}

/** The error of a file that is too short. */
export function endsEarly(source: ByteSource, at: number, needed: number): CheckpointFormatError {
  return new CheckpointFormatError(
    `${source.name} ends at byte ${at}, but its contents need ${needed}: it was cut short. Copy or download it again`,
    { file: source.name, offset: at },
  );
}

/**
 * Where the bytes of a file come from: memory, a disk, a URL.
 *
 * @module
 */

import { CheckpointFormatError } from "../errors.ts";
import { HttpSource } from "./http_source.ts";

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
  /** Gives back what it holds. */
  close(): void;
}

/** What can be opened: a path, a URL (also as a string, if it has a scheme), or the bytes. */
export type SourceLike = string | URL | Uint8Array;

/** Options of {@linkcode openSource}. */
export interface SourceOptions {
  /** Stops whatever is under way. */
  readonly signal?: AbortSignal;
  /** Called as bytes arrive; `total` is `undefined` where a server does not say. */
  readonly onProgress?: (loaded: number, total: number | undefined) => void;
}

/** Opens a file. A URL is read with range requests where the server knows them. */
export async function openSource(
  source: SourceLike,
  options: SourceOptions = {},
): Promise<ByteSource> {
  if (source instanceof Uint8Array) return new BytesSource(source);
  const url = asUrl(source);
  if (url === undefined) return new FileSource(source as string);
  if (url.protocol === "file:") return new FileSource(url);
  return await HttpSource.open(url, options);
}

/** A name to show for a source. */
export function sourceName(source: SourceLike): string {
  return source instanceof Uint8Array ? "model bytes" : String(source);
}

/** A URL if it is one; `undefined` for a path. `c:\x` is a path: no scheme has a single letter. */
export function asUrl(source: string | URL): URL | undefined {
  if (source instanceof URL) return source;
  return /^[a-z][a-z0-9+.-]+:/i.test(source) ? new URL(source) : undefined;
}

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

/** A file on disk. */
export class FileSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #file: Deno.FsFile;

  /**
   * @param name What to call it in messages. Default: its path.
   * @throws {Deno.errors.NotFound} If there is none.
   */
  constructor(path: string | URL, name?: string) {
    this.name = name ?? (path instanceof URL ? decodeURIComponent(path.pathname) : path);
    try {
      this.#file = Deno.openSync(path, { read: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new Deno.errors.NotFound(`Expected a file at ${this.name}: there is none`);
    }
    const info = this.#file.statSync();
    if (!info.isFile) {
      this.#file.close();
      throw new CheckpointFormatError(`Expected a file at ${this.name}: it is not one`, {
        file: this.name,
      });
    }
    this.size = info.size;
  }

  // Synchronous, as readers take many small ranges and a promise costs more than a cached page.
  read(offset: number, into: Uint8Array): void {
    checkRange(this, offset, into.length);
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    for (let filled = 0; filled < into.length;) {
      const count = this.#file.readSync(into.subarray(filled));
      if (count === null) throw endsEarly(this, offset + filled, into.length - filled);
      filled += count;
    }
  }

  close(): void {
    this.#file.close();
  }
}

function checkRange(source: ByteSource, offset: number, length: number): void {
  if (offset + length > source.size!) throw endsEarly(source, source.size!, offset + length);
}

/** The error of a file that is too short. */
export function endsEarly(source: ByteSource, at: number, needed: number): CheckpointFormatError {
  return new CheckpointFormatError(
    `${source.name} ends at byte ${at}, but its contents need ${needed}: it was cut short. Copy or download it again`,
    { file: source.name, offset: at },
  );
}

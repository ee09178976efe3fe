/**
 * Files in the clothes of a WebAssembly module, which is how a program's module graph holds bytes: it is
 * fetched and cached as code is, and needs no permission. `tools/wrap_models.ts` makes them.
 *
 * The module has the file as its one data segment, which is passive: nothing is copied until it is asked for.
 */

import { CheckpointFormatError } from "../errors.ts";
import { type ByteSource, checkRange } from "./byte_source.ts";

/** What the module exports. */
export interface WrappedFile {
  /** A window, to which parts of the file are copied. */
  readonly memory: { readonly buffer: ArrayBuffer };
  /** Bytes of the file. */
  size(): number;
  /** Copies bytes of the file to the window's start. */
  read(offset: number, count: number): void;
}

/**
 * A file that comes with code, as a package of models exports it. Where nothing but compiled modules can be
 * had, as in Cloudflare's Workers, it is `{ name, module: () => theModule }`.
 */
export interface PackagedFile {
  /** What to call it in messages. */
  readonly name: string;
  /** Where the module lies, for runtimes that import no such modules. */
  readonly url?: URL | undefined;
  /** Imports the module around the file: an instance's exports, or the compiled module. */
  readonly module: () => WrappedFile | object | Promise<WrappedFile | object>;
}

/** Reads a file out of an instance of its module. */
export class ModuleSource implements ByteSource {
  readonly size: number;

  /** @param name What to call it in messages. */
  constructor(private readonly file: WrappedFile, readonly name: string) {
    this.size = file.size();
    if (!(this.size >= 0) || file.memory.buffer.byteLength === 0) {
      throw new CheckpointFormatError(`Expected a module around a file in ${name}: found another`, {
        file: name,
      });
    }
  }

  read(offset: number, into: Uint8Array): void {
    checkRange(this, offset, into.length);
    const { memory, read } = this.file, window = new Uint8Array(memory.buffer);
    for (let at = 0; at < into.length;) {
      const count = Math.min(window.length, into.length - at);
      read(offset + at, count);
      into.set(window.subarray(0, count), at);
      at += count;
    }
  }

  close(): void {}
}

/** Imports the module around a file, and reads the file out of it. */
export async function openModule(file: PackagedFile): Promise<ByteSource> {
  const found = await file.module();
  const exports = found instanceof WebAssembly.Module
    ? (await WebAssembly.instantiate(found)).exports
    : found;
  if (!("memory" in exports && "size" in exports && "read" in exports)) {
    throw new CheckpointFormatError(
      `Expected a module around a file in ${file.name}: found another`,
      {
        file: file.name,
      },
    );
  }
  return new ModuleSource(exports as unknown as WrappedFile, file.name);
}

/** Part of a file, as a file. */
class PartSource implements ByteSource {
  constructor(
    private readonly whole: ByteSource,
    private readonly begin: number,
    readonly size: number,
    /** The first bytes of the whole, which were read already: a server is not asked again for what comes behind them. */
    private readonly head: Uint8Array,
  ) {}

  get name(): string {
    return this.whole.name;
  }

  read(offset: number, into: Uint8Array): Promise<void> | void {
    checkRange(this, offset, into.length);
    const at = this.begin + offset, known = this.head.subarray(at, at + into.length);
    into.set(known);
    if (known.length === into.length) return;
    return this.whole.read(at + known.length, into.subarray(known.length));
  }

  close(): void {
    this.whole.close();
  }
}

/** `\0asm`, version 1. */
const MAGIC = [0, 97, 115, 109, 1, 0, 0, 0];
/** The section that holds data segments, and what stands before the bytes of one that is passive, alone. */
const DATA_SECTION = 11, ONE_PASSIVE = [1, 1];
/** Bytes from the start in which the segment begins. */
const HEAD_BYTES = 256;

/** The file in a source, if that is a module around one; otherwise the source itself. */
export async function unwrapped(source: ByteSource): Promise<ByteSource> {
  const head = new Uint8Array(Math.min(HEAD_BYTES, source.size ?? 0));
  await source.read(0, head);
  if (head.length === 0 || !MAGIC.every((byte, n) => head[n] === byte)) return source;
  for (let at = MAGIC.length; at < head.length;) {
    const [length, begin] = readNumber(head, at + 1);
    if (head[at] === DATA_SECTION && ONE_PASSIVE.every((byte, n) => head[begin + n] === byte)) {
      const [size, first] = readNumber(head, begin + ONE_PASSIVE.length);
      if (first + size === source.size) return new PartSource(source, first, size, head);
    }
    at = begin + length;
  }
  throw new CheckpointFormatError(
    `Expected a file in ${source.name}: it is a WebAssembly module that holds none, or was cut short`,
    { file: source.name },
  );
}

/** A number in LEB128, and where it ends. */
function readNumber(bytes: Uint8Array, at: number): [value: number, end: number] {
  for (let value = 0, shift = 0;; shift += 7) {
    const byte = bytes[at++] ?? 0;
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return [value, at];
  }
}

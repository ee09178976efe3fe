/** Reads the data of a model file from front to back, in chunks that are verified. */

import type { ByteSource } from "../io/byte_source.ts";
import type { ProgressTeller } from "../progress.ts";
import { verifyChunk } from "./integrity.ts";

/** Where the sections of a file are, in bytes from its start, and how its data are hashed. */
export interface Layout {
  readonly dataBegin: number;
  readonly weightsBegin: number;
  readonly end: number;
  readonly chunkBytes: number;
  /** Of each chunk, in hex. */
  readonly sha256: readonly string[];
}

/** Output channels are packed in blocks of so many. */
const ROWS = 16;

/**
 * Reads some of the data. While a chunk is used the next one is hashed, on a thread of the runtime's:
 * two chunks are held, and nothing is read behind `end`'s.
 */
export class ChunkReader {
  readonly #buffers: readonly Uint8Array<ArrayBuffer>[];
  #index: number;
  /** The chunk that is read and hashed. */
  #ahead: Promise<Uint8Array<ArrayBuffer>> | undefined;
  /** What is left of the chunk in use. */
  #rest: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  /** Rows that lie in several chunks. */
  #joined: Uint8Array<ArrayBuffer> = new Uint8Array(0);

  /** @param begin, end Bytes of the file between which is read. */
  constructor(
    private readonly source: ByteSource,
    private readonly layout: Layout,
    private readonly begin: number,
    private readonly end: number,
    private readonly progress: ProgressTeller,
  ) {
    const { dataBegin, chunkBytes } = layout;
    const bytes = Math.min(chunkBytes, layout.end - dataBegin);
    this.#index = Math.floor((begin - dataBegin) / chunkBytes);
    this.#buffers = [0, 1].map(() => new Uint8Array(bytes));
  }

  /** Fills `into` with the next bytes. */
  async read(into: Uint8Array): Promise<void> {
    for (let filled = 0; filled < into.length;) {
      if (this.#rest.length === 0) await this.#next();
      const part = this.#take(Math.min(this.#rest.length, into.length - filled));
      into.set(part, filled);
      filled += part.length;
    }
  }

  /**
   * The next rows, `most` of them at most: all, or a multiple of 16, as they lie in the chunk. Valid
   * until the next.
   */
  async rows(rowBytes: number, most: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#rest.length === 0) await this.#next();
    const whole = Math.floor(this.#rest.length / rowBytes);
    const count = whole >= most ? most : whole - whole % ROWS;
    if (count > 0) return this.#take(count * rowBytes);
    const bytes = Math.min(ROWS, most) * rowBytes;
    if (this.#joined.length < bytes) this.#joined = new Uint8Array(bytes);
    const joined = this.#joined.subarray(0, bytes);
    await this.read(joined);
    return joined;
  }

  #take(count: number): Uint8Array<ArrayBuffer> {
    const taken = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    return taken;
  }

  async #next(): Promise<void> {
    const { layout, begin } = this, index = this.#index++;
    const chunk = await (this.#ahead ?? this.#load(index));
    const at = layout.dataBegin + index * layout.chunkBytes;
    this.#ahead = at + chunk.length < this.end ? this.#load(index + 1) : undefined;
    this.#ahead?.catch(() => {}); // Who asks for it is told; perhaps nobody does.
    this.#rest = chunk.subarray(Math.max(0, begin - at));
    this.progress.reach(at + chunk.length, layout.end);
  }

  /** Reads and verifies a chunk. */
  async #load(index: number): Promise<Uint8Array<ArrayBuffer>> {
    const { dataBegin, end, chunkBytes, sha256 } = this.layout;
    const begin = dataBegin + index * chunkBytes;
    const chunk = this.#buffers[index % 2]!.subarray(0, Math.min(chunkBytes, end - begin));
    await this.source.read(begin, chunk);
    await verifyChunk(chunk, sha256[index]!, index, this.source.name); // One for each: it was checked.
    return chunk;
  }
}

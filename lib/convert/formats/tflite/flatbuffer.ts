/**
 * Reads FlatBuffers without their schema, at any place of a file.
 *
 * @see {@link https://flatbuffers.dev/internals/}
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import type { Budget } from "../budget.ts";

const PAGE_BYTES = 1 << 16;
const MAX_PAGES = 16;

/** Elements of a vector that is read as numbers or tables: more than a network has of anything but weights. */
const MAX_LENGTH = 1 << 20;

/** Where the bytes of a vector lie. */
export interface FlatRange {
  readonly begin: number;
  readonly end: number;
}

/** A file of tables. */
export class FlatBuffer {
  readonly #pages = new Map<number, DataView>();

  /** @param begin Where the offset of the root is. */
  constructor(readonly source: ByteSource, readonly budget: Budget, readonly begin: number = 0) {}

  /** The outermost table. */
  async root(): Promise<FlatTable> {
    return new FlatTable(this, this.begin + await this.uint32(this.begin));
  }

  async uint8(at: number): Promise<number> {
    return (await this.#view(at, 1)).getUint8(0);
  }

  async uint16(at: number): Promise<number> {
    return (await this.#view(at, 2)).getUint16(0, true);
  }

  async int32(at: number): Promise<number> {
    return (await this.#view(at, 4)).getInt32(0, true);
  }

  async uint32(at: number): Promise<number> {
    return (await this.#view(at, 4)).getUint32(0, true);
  }

  async float32(at: number): Promise<number> {
    return (await this.#view(at, 4)).getFloat32(0, true);
  }

  async int64(at: number): Promise<number> {
    return Number((await this.#view(at, 8)).getBigInt64(0, true));
  }

  /** A vector whose offset is at a place: where its elements lie. */
  async vector(at: number, elementBytes: number): Promise<FlatRange & { readonly length: number }> {
    const start = at + await this.uint32(at);
    const length = await this.uint32(start);
    const begin = start + 4, end = begin + length * elementBytes;
    if (end > this.source.size!) this.fail(at, `${length} elements do not fit`);
    return { begin, end, length };
  }

  /** Says what is wrong at a place. */
  fail(at: number, message: string): never {
    const file = this.source.name, text = `${file} is damaged at byte ${at}: ${message}`;
    throw new CheckpointFormatError(text, { file, offset: at });
  }

  async #view(at: number, bytes: number): Promise<DataView> {
    const size = this.source.size!;
    if (!(at >= 0 && at + bytes <= size)) this.fail(at, "it points beyond the file");
    this.budget.visit();
    const index = Math.floor(at / PAGE_BYTES), begin = index * PAGE_BYTES;
    let page = this.#pages.get(index);
    if (page === undefined) {
      // With some bytes of the next page, so that a number lies in one.
      const read = new Uint8Array(Math.min(PAGE_BYTES + 8, size - begin));
      await this.source.read(begin, read);
      page = new DataView(read.buffer);
      if (this.#pages.size === MAX_PAGES) this.#pages.delete(this.#pages.keys().next().value!);
      this.#pages.set(index, page);
    }
    return new DataView(page.buffer, at - begin, bytes);
  }
}

/** A table: fields by their numbers, in the order of the schema; a field that is left out has its default. */
export class FlatTable {
  constructor(readonly buffer: FlatBuffer, readonly at: number) {}

  async uint8(field: number, missing = 0): Promise<number> {
    const at = await this.#place(field);
    return at === undefined ? missing : await this.buffer.uint8(at);
  }

  async int32(field: number, missing = 0): Promise<number> {
    const at = await this.#place(field);
    return at === undefined ? missing : await this.buffer.int32(at);
  }

  async int64(field: number, missing = 0): Promise<number> {
    const at = await this.#place(field);
    return at === undefined ? missing : await this.buffer.int64(at);
  }

  async float32(field: number, missing = 0): Promise<number> {
    const at = await this.#place(field);
    return at === undefined ? missing : await this.buffer.float32(at);
  }

  async text(field: number): Promise<string> {
    const range = await this.bytes(field);
    if (range === undefined) return "";
    if (range.end - range.begin > PAGE_BYTES) this.buffer.fail(range.begin, "a text is too long");
    const bytes = new Uint8Array(range.end - range.begin);
    await this.buffer.source.read(range.begin, bytes);
    return new TextDecoder().decode(bytes);
  }

  async table(field: number): Promise<FlatTable | undefined> {
    const at = await this.#place(field);
    if (at === undefined) return undefined;
    return new FlatTable(this.buffer, at + await this.buffer.uint32(at));
  }

  /** A vector of bytes. */
  async bytes(field: number): Promise<FlatRange | undefined> {
    const at = await this.#place(field);
    return at === undefined ? undefined : await this.buffer.vector(at, 1);
  }

  async tables(field: number): Promise<FlatTable[]> {
    return await this.#elements(
      field,
      4,
      async (at) => new FlatTable(this.buffer, at + await this.buffer.uint32(at)),
    );
  }

  async ints(field: number): Promise<number[]> {
    return await this.#elements(field, 4, (at) => this.buffer.int32(at));
  }

  async longs(field: number): Promise<number[]> {
    return await this.#elements(field, 8, (at) => this.buffer.int64(at));
  }

  async floats(field: number): Promise<number[]> {
    return await this.#elements(field, 4, (at) => this.buffer.float32(at));
  }

  async #elements<T>(field: number, bytes: number, read: (at: number) => Promise<T>): Promise<T[]> {
    const at = await this.#place(field);
    if (at === undefined) return [];
    const { begin, length } = await this.buffer.vector(at, bytes);
    if (length > MAX_LENGTH) this.buffer.fail(at, `${length} elements are too many`);
    const elements: T[] = [];
    for (let i = 0; i < length; i++) elements.push(await read(begin + i * bytes));
    return elements;
  }

  /** Where a field is; `undefined` if it is left out. */
  async #place(field: number): Promise<number | undefined> {
    const shape = this.at - await this.buffer.int32(this.at);
    const slot = 4 + 2 * field;
    if (slot + 2 > await this.buffer.uint16(shape)) return undefined;
    const offset = await this.buffer.uint16(shape + slot);
    return offset === 0 ? undefined : this.at + offset;
  }
}

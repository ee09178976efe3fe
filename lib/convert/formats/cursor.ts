/** Reads a file from front to back in small steps, through a buffer. */

import { CheckpointFormatError } from "../../errors.ts";
import type { ByteSource } from "../../io/byte_source.ts";

const WINDOW_BYTES = 1 << 16;

/** A position in a part of a file. */
export class Cursor {
  #position: number;
  #window: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #view = new DataView(this.#window.buffer);
  #windowBegin = 0;

  /** @param end Byte after the last that may be read. */
  constructor(readonly source: ByteSource, begin: number, readonly end: number) {
    this.#position = begin;
  }

  /** Offset in the file of the next byte. */
  get position(): number {
    return this.#position;
  }

  /** Whether all is read. */
  get done(): boolean {
    return this.#position >= this.end;
  }

  /** Steps over bytes without reading them; gives where they begin. */
  skip(count: number): number {
    const begin = this.#position;
    if (!(count >= 0 && count <= this.end - begin)) {
      this.fail(`${count} bytes are expected, ${this.end - begin} are left`);
    }
    this.#position += count;
    return begin;
  }

  /** The next bytes, at most 64 KiB; valid until the next call. */
  async bytes(count: number): Promise<Uint8Array> {
    const at = await this.#need(count);
    return this.#window.subarray(at, at + count);
  }

  /** The next byte. */
  async uint8(): Promise<number> {
    const at = await this.#need(1);
    return this.#view.getUint8(at);
  }

  async uint16(): Promise<number> {
    const at = await this.#need(2);
    return this.#view.getUint16(at, true);
  }

  async int32(): Promise<number> {
    const at = await this.#need(4);
    return this.#view.getInt32(at, true);
  }

  async uint32(): Promise<number> {
    const at = await this.#need(4);
    return this.#view.getUint32(at, true);
  }

  /** A 64-bit count or offset; refused beyond 2^53. */
  async uint64(): Promise<number> {
    const at = await this.#need(8);
    const value = Number(this.#view.getBigUint64(at, true));
    return Number.isSafeInteger(value) ? value : this.fail(`${value} is no size of this world`);
  }

  async float32(): Promise<number> {
    const at = await this.#need(4);
    return this.#view.getFloat32(at, true);
  }

  /** A float64, high byte first if `bigEndian`. */
  async float64(bigEndian: boolean): Promise<number> {
    const at = await this.#need(8);
    return this.#view.getFloat64(at, !bigEndian);
  }

  /** The next bytes as text, at most 64 KiB. */
  async text(count: number): Promise<string> {
    return new TextDecoder().decode(await this.bytes(count));
  }

  /** Text up to the next newline, which is dropped. */
  async line(): Promise<string> {
    const bytes: number[] = [];
    for (let byte = await this.uint8(); byte !== 10; byte = await this.uint8()) {
      if (bytes.push(byte) > 4096) this.fail("a line has no end");
    }
    return new TextDecoder().decode(new Uint8Array(bytes));
  }

  /** Says what is wrong at this place. */
  fail(message: string): never {
    throw new CheckpointFormatError(
      `${this.source.name} is damaged at byte ${this.#position}: ${message}`,
      { file: this.source.name, offset: this.#position },
    );
  }

  /** Buffers `count` bytes and steps over them; gives their index in the window. */
  async #need(count: number): Promise<number> {
    const begin = this.skip(count);
    const at = begin - this.#windowBegin;
    if (at >= 0 && at + count <= this.#window.length) return at;
    if (count > WINDOW_BYTES) this.fail(`a string of ${count} bytes is too long`);
    this.#window = new Uint8Array(Math.min(WINDOW_BYTES, this.end - begin));
    this.#view = new DataView(this.#window.buffer);
    this.#windowBegin = begin;
    await this.source.read(begin, this.#window);
    return 0;
  }
}

/** A stream of bytes as lines and frames, in bounded memory. */

import { abortable } from "@std/async/abortable";
import { concat } from "@std/bytes/concat";

/** Puts the next bytes of a stream into an array: how many, at least one, or `null` at its end. */
export type Read = (into: Uint8Array) => Promise<number | null>;

/** A line, without its line break. */
export interface Line {
  /** All of it; of one that is too long the beginning. */
  readonly bytes: Uint8Array;
  readonly isTooLong: boolean;
  /** Whether the stream has ended before the line did. */
  readonly isCut: boolean;
}

/** Bytes that are read at once, and of a line's beginning. */
export const BUFFER_BYTES = 2 ** 16;
const NEWLINE = 10;

/** Takes lines and frames from a stream. Once `stop` is aborted, whatever waits for bytes throws its reason. */
export class ByteReader {
  readonly #read: Read;
  readonly #stop: AbortSignal;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #start = 0;
  #end = 0;

  constructor(read: Read, stop: AbortSignal) {
    this.#read = read;
    this.#stop = stop;
  }

  /**
   * Takes a line; `undefined` where the stream has ended. Of one that is too long the rest is dropped.
   *
   * @param limitOf Most bytes of a line that is longer than `BUFFER_BYTES`, by its beginning.
   */
  async line(limitOf: (head: Uint8Array) => number): Promise<Line | undefined> {
    const parts: Uint8Array[] = [];
    let length = 0, limit = BUFFER_BYTES;
    while (true) {
      const { part, isEnd, isCut } = await this.#linePart();
      if (isCut && part.length === 0 && parts.length === 0) return undefined;
      parts.push(part);
      length += part.length;
      const isOver = isEnd || isCut;
      if (!isOver && parts.length === 1) limit = limitOf(part);
      if (length > limit || length === limit && !isOver) {
        const isCutThere = isCut || !isEnd && !await this.#dropLine();
        return { bytes: parts[0]!, isTooLong: true, isCut: isCutThere };
      }
      if (isOver) {
        return { bytes: parts.length === 1 ? part : concat(parts), isTooLong: false, isCut };
      }
    }
  }

  /** Takes a line's next bytes: to its end, or that of the stream, or as many as there is room for. */
  async #linePart(): Promise<{ part: Uint8Array; isEnd: boolean; isCut: boolean }> {
    let seen = 0, isCut = false;
    while (true) {
      const waiting = this.#buffer.subarray(this.#start, this.#end);
      const at = waiting.indexOf(NEWLINE, seen), isEnd = at !== -1;
      seen = waiting.length;
      if (isEnd || isCut || seen === BUFFER_BYTES) {
        const part = waiting.slice(0, isEnd ? at : seen);
        this.#start += part.length + (isEnd ? 1 : 0);
        return { part, isEnd, isCut };
      }
      // What waits may lie elsewhere then.
      isCut = await this.#more() === 0;
    }
  }

  /** Takes a frame: fewer bytes only where the stream has ended. */
  async frame(count: number): Promise<Uint8Array> {
    const frame = new Uint8Array(count);
    for (let done = 0; done < count;) {
      const waiting = this.#take(count - done);
      frame.set(waiting, done);
      done += waiting.length;
      if (done === count) break;
      // What is large goes to its place at once; what is small comes with what follows it.
      const isLarge = count - done >= BUFFER_BYTES;
      const more = isLarge ? await this.#fill(frame.subarray(done)) : await this.#more();
      if (more === 0) return frame.subarray(0, done);
      if (isLarge) done += more;
    }
    return frame;
  }

  /** Drops a frame. Gives how many bytes there were: fewer only where the stream has ended. */
  async skip(count: number): Promise<number> {
    let done = this.#take(count).length;
    while (done < count && await this.#more() > 0) done += this.#take(count - done).length;
    return done;
  }

  /** What waits, and so many bytes at most. Valid until more are read. */
  #take(most: number): Uint8Array {
    const taken = this.#buffer.subarray(this.#start, Math.min(this.#end, this.#start + most));
    this.#start += taken.length;
    return taken;
  }

  /** Drops what is left of a line. Tells whether it ended. */
  async #dropLine(): Promise<boolean> {
    while (true) {
      const waiting = this.#take(BUFFER_BYTES), at = waiting.indexOf(NEWLINE);
      if (at !== -1) {
        this.#start -= waiting.length - at - 1;
        return true;
      }
      if (await this.#more() === 0) return false;
    }
  }

  /** Reads behind what waits, for which there is room. */
  async #more(): Promise<number> {
    if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    const count = await this.#fill(this.#buffer.subarray(this.#end));
    this.#end += count;
    return count;
  }

  async #fill(into: Uint8Array): Promise<number> {
    return await abortable(this.#read(into), this.#stop) ?? 0;
  }
}

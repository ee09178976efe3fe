/** The bytes that a pickle holds, however it does. */

import { type ByteSource, BytesSource } from "../../../io/byte_source.ts";
import type { PlacedBytes } from "../zip.ts";
import { type PickledBytes, ShortBytes } from "./pickled.ts";

/** Finds the bytes of a pickle that was read from `source`. */
export function placeOf(data: PickledBytes, source: ByteSource): PlacedBytes {
  if (data instanceof ShortBytes) {
    const bytes = Uint8Array.from(data.text, (character) => character.charCodeAt(0));
    return { bytes: new BytesSource(bytes, source.name), begin: 0 };
  }
  return data.isText
    ? { bytes: new TextSource(data, source), begin: 0 }
    : { bytes: source, begin: data.offset };
}

const PART_BYTES = 1 << 20;

/** Of each file the text that was decoded last. */
const lastDecoded = new WeakMap<ByteSource, { text: PickledBytes; bytes: BytesSource }>();

/**
 * Bytes that Python 3 wrote for Python 2: as a text, a character each, in UTF-8. They are decoded whole when
 * they are first asked for, and kept until those of another text are.
 */
class TextSource implements ByteSource {
  readonly name: string;
  readonly size: number;

  constructor(readonly text: PickledBytes, readonly source: ByteSource) {
    this.name = source.name;
    this.size = text.length;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    let decoded = lastDecoded.get(this.source);
    if (decoded?.text !== this.text) {
      decoded = { text: this.text, bytes: await this.#decode() };
      lastDecoded.set(this.source, decoded);
    }
    decoded.bytes.read(offset, into);
  }

  async #decode(): Promise<BytesSource> {
    const { offset, length } = this.text;
    const bytes = new Uint8Array(length);
    const decoder = new TextDecoder();
    let size = 0;
    for (let done = 0; done < length; done += PART_BYTES) {
      const part = new Uint8Array(Math.min(PART_BYTES, length - done));
      await this.source.read(offset + done, part);
      const text = decoder.decode(part, { stream: true });
      for (let i = 0; i < text.length; i++) bytes[size++] = text.charCodeAt(i);
    }
    return new BytesSource(bytes.subarray(0, size), this.name);
  }

  close(): void {}
}

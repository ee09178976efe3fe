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

/** Finds them with their end, for which those that are a text have to be decoded. */
export async function rangeOf(
  data: PickledBytes,
  source: ByteSource,
): Promise<PlacedBytes & { readonly end: number }> {
  const { bytes, begin } = placeOf(data, source);
  const length = bytes instanceof TextSource ? (await bytes.decode()).size : data.length;
  return { bytes, begin, end: begin + length };
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
    (await this.decode()).read(offset, into);
  }

  async decode(): Promise<BytesSource> {
    const last = lastDecoded.get(this.source);
    if (last?.text === this.text) return last.bytes;
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
    const decoded = new BytesSource(bytes.subarray(0, size), this.name);
    lastDecoded.set(this.source, { text: this.text, bytes: decoded });
    return decoded;
  }

  close(): void {}
}

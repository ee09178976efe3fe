/** Image files of the corpus, changed ones, and such as are made by hand. */

import { crc32 } from "../../lib/image/codecs/codec.ts";

/** Where the corpus is. */
export const FOLDER = new URL("../fixtures/images/files/", import.meta.url);

/** A file of the corpus. */
export const read = (name: string) => Deno.readFileSync(new URL(name, FOLDER));

/** UTF-8. */
export const text = (value: string) => new TextEncoder().encode(value);

/** A PNG of these chunks, with right checksums. */
export function pngOf(...chunks: [string, Uint8Array][]): Uint8Array {
  const parts = [Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10)];
  for (const [type, data] of [...chunks, ["IEND", new Uint8Array(0)] as const]) {
    const chunk = new Uint8Array(12 + data.length);
    const view = new DataView(chunk.buffer);
    view.setUint32(0, data.length);
    chunk.set(text(type), 4);
    chunk.set(data, 8);
    view.setUint32(8 + data.length, crc32(chunk.subarray(4, 8 + data.length)));
    parts.push(chunk);
  }
  return concatenate(parts);
}

export function concatenate(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

/** The data of an IHDR: RGB of 8 bits. */
export function headerOf(width: number, height: number): Uint8Array {
  const data = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0);
  const view = new DataView(data.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  return data;
}

export async function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The same file with a number at `at` set. */
export function patched(
  name: string,
  at: number,
  set: "setUint16" | "setUint32",
  values: number[],
  little: boolean,
): Uint8Array {
  const bytes = read(name);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => view[set](at + i * (set === "setUint16" ? 2 : 4), value, little));
  return bytes;
}

/** Where some characters of Latin-1 begin. */
export function indexOf(bytes: Uint8Array, word: string): number {
  return new TextDecoder("latin1").decode(bytes).indexOf(word);
}

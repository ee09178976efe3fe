/**
 * Decodes many PNG images in the background, and prints how many of them are decoded at once on this thread. A
 * process of its own: `decoding_at_once.ts`.
 *
 * @module
 */

import { encodePng } from "../../lib/image/codecs/encode_png.ts";
import { decodeImage } from "../../lib/image/decode.ts";
import { MAX_DECODERS } from "../../lib/image/image.ts";

/** Images that are unpacked and not yet pixels: each goes through one such stream. */
let current = 0, most = 0;
const Platform = DecompressionStream;
// As where a platform unpacks beside the program, which goes on meanwhile.
globalThis.DecompressionStream = class {
  readonly readable;
  readonly writable;
  constructor(format: CompressionFormat) {
    const { readable, writable } = new Platform(format);
    const slow = new TransformStream<Uint8Array<ArrayBuffer>>({
      transform: (chunk, out) => new Promise<void>(setImmediate).then(() => out.enqueue(chunk)),
    });
    this.readable = readable.pipeThrough(slow);
    this.writable = writable;
    most = Math.max(most, ++current);
  }
};

const width = 64, height = 48, data = new Uint8Array(width * height * 3);
const bytes = await encodePng({ data, width, height });
const decode = async (): Promise<void> => {
  await decodeImage(bytes, { background: true });
  current--;
};
await Promise.all(Array.from({ length: 4 * MAX_DECODERS }, decode));
console.log(most);

/**
 * Decodes an image of 45x31 in the background, and prints the pixels' checksum and how many threads that
 * started, as far as it may see that. A process of its own: `decoding_threads.ts FROM_PIXELS`.
 *
 * @module
 */

import { crc32 } from "../../lib/image/codecs/codec.ts";
import { decodeImage } from "../../lib/image/decode.ts";

const file = new URL("../fixtures/images/files/420.jpg", import.meta.url);
const bytes = new Uint8Array(await (await fetch(file)).arrayBuffer());

function threads(): number {
  try {
    return [...Deno.readDirSync("/proc/self/task")].length;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return NaN;
    throw error;
  }
}

await decodeImage(bytes); // What the runtime starts for itself is there now.
const before = threads();
const { data } = await decodeImage(bytes, { background: Number(Deno.args[0]) });
console.log(JSON.stringify([crc32(data), threads() > before]));

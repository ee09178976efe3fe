/**
 * JPEG, decoded by imagescript's WebAssembly codec.
 *
 * @module
 */
import type { DecodedPixels } from "./pixels.ts";

interface Codec {
  readonly memory: WebAssembly.Memory;
  walloc(size: number): number;
  wlen(): number;
  decode(file: number, length: number, width: number, height: number): number;
  decode_width(image: number): number;
  decode_height(image: number): number;
  decode_format(image: number): number;
  decode_buffer(image: number): number;
}

/** Decodes a JPEG file. Each file gets an instance of its own, so that a trap harms no other. */
export async function decodeJpeg(bytes: Uint8Array): Promise<DecodedPixels> {
  // @ts-ignore TypeScript does not parse source phase imports yet.
  const module: WebAssembly.Module = await import.source("imagescript/wasm/any/jpeg.wasm");
  const { exports } = await WebAssembly.instantiate(module, {});
  const codec = exports as unknown as Codec; // The codec's own interface, as its wrapper uses it.
  const file = codec.walloc(bytes.length);
  new Uint8Array(codec.memory.buffer, file, bytes.length).set(bytes);
  const image = codec.decode(file, bytes.length, 0, 0);
  if (image < 2) throw new Error("the decoder refused it");
  const data = codec.decode_buffer(image);
  const channels = [1, 3, 4][codec.decode_format(image)] as 1 | 3 | 4;
  return {
    data: new Uint8Array(codec.memory.buffer, data, codec.wlen()).slice(),
    width: codec.decode_width(image),
    height: codec.decode_height(image),
    channels,
  };
}

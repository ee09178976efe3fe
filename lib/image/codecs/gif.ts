/** GIF, first frame, decoded by imagescript's WebAssembly codec. */

import { type Codec, damaged, type Header, viewOf } from "./codec.ts";
import { type Box, onCanvas, type Pixels } from "../image.ts";

interface GifHeader extends Header {
  /** Where the first frame's data ends: what follows is not looked at. */
  readonly end: number;
  /** Where the first frame lies on the screen. */
  readonly frame: Box;
}

export const gif: Codec<GifHeader> = { readHeader, decode };

/** Walks the blocks up to the first image descriptor (GIF89a, sections 18–24). */
function readHeader(bytes: Uint8Array): GifHeader {
  const view = viewOf(bytes);
  const screen = { width: view.getUint16(6, true), height: view.getUint16(8, true) };
  let at = 13 + colorTableBytes(view.getUint8(10));
  while (view.getUint8(at) === 0x21) at = skipSubBlocks(view, at + 2); // extensions
  if (view.getUint8(at) !== 0x2c) throw damaged("gif", `expected an image at byte ${at}`);
  const frame = {
    left: view.getUint16(at + 1, true),
    top: view.getUint16(at + 3, true),
    width: view.getUint16(at + 5, true),
    height: view.getUint16(at + 7, true),
  };
  const data = at + 10 + colorTableBytes(view.getUint8(at + 9));
  const end = skipSubBlocks(view, data + 1);
  // A code has 3 bits at least, and stands for 4096 pixels at most.
  if ((end - data) * 8 / 3 * 4096 < frame.width * frame.height) {
    throw damaged("gif", "its first frame is truncated");
  }
  // A frame may stick out of the screen, which then grows, as in Pillow.
  return {
    width: Math.max(screen.width, frame.left + frame.width),
    height: Math.max(screen.height, frame.top + frame.height),
    orientation: 1,
    end,
    frame,
  };
}

/** Returns where the chain of length-prefixed blocks at `at` has ended. */
function skipSubBlocks(view: DataView, at: number): number {
  while (view.getUint8(at) !== 0) at += 1 + view.getUint8(at);
  return at + 1;
}

function colorTableBytes(flags: number): number {
  return flags & 0x80 ? 3 << ((flags & 7) + 1) : 0;
}

/** The codec's own interface, as imagescript's wrapper uses it. */
interface GifCodec {
  readonly memory: WebAssembly.Memory;
  walloc(size: number): number;
  wlen(): number;
  decoder_new(file: number, length: number, limit: number): number;
  decoder_frame(decoder: number): number;
  decoder_frame_buffer(frame: number): number;
}

/** Each file gets an instance of its own, so that a trap harms no other and all memory goes. */
async function decode(bytes: Uint8Array, header: GifHeader): Promise<Pixels> {
  // @ts-ignore TypeScript does not parse source phase imports yet.
  const module: WebAssembly.Module = await import.source("imagescript/wasm/any/gif.wasm");
  const { exports } = await WebAssembly.instantiate(module, { env: { push_to_stream() {} } });
  const codec = exports as unknown as GifCodec;
  const length = header.end + 1;
  const file = codec.walloc(length);
  const copy = new Uint8Array(codec.memory.buffer, file, length);
  copy.set(bytes.subarray(0, header.end));
  copy[header.end] = 0x3b; // the trailer
  const decoder = codec.decoder_new(file, length, 0);
  if (decoder === 0) throw damaged("gif", "its header is not valid");
  const image = codec.decoder_frame(decoder);
  if (image < 2) throw damaged("gif", "its first frame is damaged or truncated");
  const start = codec.decoder_frame_buffer(image);
  const pixels = new Uint8Array(codec.memory.buffer, start, codec.wlen());
  const { width, height } = header.frame;
  if (pixels.length !== width * height * 4) throw damaged("gif", "its first frame has two sizes");
  return onCanvas(pixels, header.frame, header);
}

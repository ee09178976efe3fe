/**
 * GIF, first frame, decoded by imagescript's WebAssembly codec. It stops at much that others pass over, so
 * it gets a file of that frame alone.
 */

import { GIF } from "./wasm/gif_binary.ts";
import { moduleOf } from "./wasm/decoder.ts";
import { type Codec, damaged, type Header, type Range, truncated, viewOf } from "./codec.ts";
import { type Box, onCanvas, type Pixels, type Size } from "../image.ts";

interface GifHeader extends Header {
  /** Where the first frame that is not empty lies on the screen. */
  readonly frame: Box;
  readonly interlaced: boolean;
  /** `[colors, 3]`: the frame's own or, without it, the file's. */
  readonly palette: Range;
  /** The four bytes that say which color is transparent, if any is. */
  readonly control: Range | undefined;
  /** The size of its codes, then its blocks: what follows is not looked at. */
  readonly data: Range;
}

export const gif: Codec<GifHeader> = { readHeader, decode };

const EXTENSION = 0x21, CONTROL = 0xf9, IMAGE = 0x2c, TRAILER = 0x3b;
const INTERLACED = 0x40;

/**
 * Walks the blocks up to the first image that is not empty (GIF89a, sections 18–24). As Pillow does,
 * passes over bytes between them.
 */
function readHeader(bytes: Uint8Array): GifHeader {
  const view = viewOf(bytes);
  const screen = { width: view.getUint16(6, true), height: view.getUint16(8, true) };
  const colors = colorTable(view, 10, 13);
  let control: Range | undefined;
  for (let at = colors[1]; at < bytes.length;) {
    const kind = bytes[at];
    if (kind === TRAILER) throw damaged("gif", "it has no frame");
    if (kind === EXTENSION) {
      const isTransparent = bytes[at + 1] === CONTROL && bytes[at + 2] >= 4 && bytes[at + 3] & 1;
      if (isTransparent) control = [at + 3, at + 7];
      at = skipSubBlocks(bytes, at + 2);
    } else if (kind === IMAGE) {
      const frame = {
        left: view.getUint16(at + 1, true),
        top: view.getUint16(at + 3, true),
        width: view.getUint16(at + 5, true),
        height: view.getUint16(at + 7, true),
      };
      const own = colorTable(view, at + 9, at + 10);
      const data: Range = [own[1], skipSubBlocks(bytes, own[1] + 1)];
      if (frame.width * frame.height > 0) {
        const interlaced = (bytes[at + 9] & INTERLACED) !== 0;
        const palette = own[0] < own[1] ? own : colors;
        const size = sizeOf(screen, frame);
        return checked({ ...size, orientation: 1, frame, interlaced, palette, control, data });
      }
      control = undefined;
      at = data[1];
    } else at++;
  }
  throw truncated("gif", bytes);
}

/** A frame may stick out of the screen, which then grows, as in Pillow. */
function sizeOf(screen: Size, { left, top, width, height }: Box): Size {
  return {
    width: Math.max(screen.width, left + width),
    height: Math.max(screen.height, top + height),
  };
}

/** A code has 3 bits at least, and stands for 4096 pixels at most. */
function checked(header: GifHeader): GifHeader {
  const { data: [start, end], frame: { width, height } } = header;
  if ((end - start) * 8 / 3 * 4096 >= width * height) return header;
  throw damaged("gif", "its first frame is truncated");
}

/** Returns where the chain of length-prefixed blocks at `at` has ended, or the file. */
function skipSubBlocks(bytes: Uint8Array, at: number): number {
  while (bytes[at] > 0) at += 1 + bytes[at];
  return Math.min(at + 1, bytes.length);
}

/** Where the color table is that the flags at `flags` tell of; empty if there is none. */
function colorTable(view: DataView, flags: number, start: number): Range {
  const value = view.getUint8(flags);
  return [start, start + (value & 0x80 ? 3 << ((value & 7) + 1) : 0)];
}

/** The parts of a file of the first frame alone, whose codes are in `blocks`. */
function fileOf(bytes: Uint8Array, header: GifHeader, blocks: Uint8Array): Uint8Array[] {
  const { frame, control } = header;
  const size = [frame.width & 255, frame.width >> 8, frame.height & 255, frame.height >> 8];
  const bits = bytes[header.data[0]];
  return [
    new TextEncoder().encode("GIF89a"),
    Uint8Array.of(...size, 0xf7, 0, 0),
    fullPalette(bytes.subarray(...header.palette)),
    Uint8Array.from(control ? [EXTENSION, CONTROL, 4, ...bytes.subarray(...control), 0] : []),
    Uint8Array.of(IMAGE, 0, 0, 0, 0, ...size, header.interlaced ? INTERLACED : 0, bits),
    blocks,
    Uint8Array.of(0, TRAILER),
  ];
}

/** What a palette lacks is black, and a file without any is gray, as in Pillow. */
function fullPalette(palette: Uint8Array): Uint8Array {
  const full = Uint8Array.from({ length: 768 }, (_, i) => palette.length > 0 ? 0 : i / 3);
  full.set(palette);
  return full;
}

/** The bytes in a chain of blocks. */
function joined(blocks: Uint8Array): Uint8Array {
  const result = new Uint8Array(blocks.length);
  let to = 0;
  for (let at = 0; blocks[at] > 0; at += 1 + blocks[at]) {
    const block = blocks.subarray(at + 1, at + 1 + blocks[at]);
    result.set(block, to);
    to += block.length;
  }
  return result.subarray(0, to);
}

/**
 * A chain of blocks with the codes as the decoder wants them (appendix F): the one that clears the table
 * first and never twice in a row, and nothing after the one that ends them.
 */
function mended(blocks: Uint8Array, bits: number): Uint8Array {
  const codes = joined(blocks);
  if (bits > 11) throw damaged("gif", `its colors are codes of ${bits} bits`);
  const clear = 1 << bits, end = clear + 1;
  const length = codes.length + 3;
  const result = new Uint8Array(length + Math.ceil(length / 255));
  let to = 0;
  const put = (byte: number): void => {
    if (to % 256 === 0) result[to++] = 255; // the length of a block
    result[to++] = byte;
  };
  let written = clear, writtenBits = bits + 1;
  let read = 0, readBits = 0, width = bits + 1, next = end;
  let isCleared = true, isEnd = false;
  for (let at = 0; !isEnd;) {
    while (readBits < width && at < codes.length) {
      read |= codes[at++] << readBits;
      readBits += 8;
    }
    if (readBits < width) break;
    const code = read & ((1 << width) - 1);
    read >>= width;
    readBits -= width;
    if (code !== clear || !isCleared) {
      written |= code << writtenBits;
      for (writtenBits += width; writtenBits >= 8; writtenBits -= 8) {
        put(written);
        written >>= 8;
      }
    }
    isCleared = code === clear;
    isEnd = code === end;
    if (isCleared) [width, next] = [bits + 1, end];
    else if (next < 4096 && ++next === 1 << width && width < 12) width++;
  }
  put(written);
  put(written >> 8);
  result[to - 1 - (to - 1) % 256] = (to - 1) % 256; // of the last block
  return result.subarray(0, to);
}

const module = await moduleOf("gif", GIF);

/** The codec's own interface, as imagescript's wrapper uses it. */
interface GifCodec {
  readonly memory: WebAssembly.Memory;
  walloc(size: number): number;
  wlen(): number;
  decoder_new(file: number, length: number, limit: number): number;
  decoder_frame(decoder: number): number;
  decoder_frame_buffer(frame: number): number;
}

async function decode(bytes: Uint8Array, header: GifHeader): Promise<Pixels> {
  const [start, end] = header.data;
  const blocks = bytes.subarray(start + 1, end);
  // Mending takes half as long again as decoding, and few files need it.
  const pixels = await decodeFrame(fileOf(bytes, header, blocks)) ??
    await decodeFrame(fileOf(bytes, header, mended(blocks, bytes[start])));
  const { width, height } = header.frame;
  if (pixels?.length !== width * height * 4) {
    throw damaged("gif", "its first frame is damaged or truncated");
  }
  return onCanvas(pixels, header.frame, header);
}

/**
 * Decodes a file that comes in parts. Each gets an instance of its own, so that a trap harms no other and
 * all memory goes.
 *
 * @returns RGBA, unless it is damaged
 */
async function decodeFrame(parts: readonly Uint8Array[]): Promise<Uint8Array | undefined> {
  const { exports } = await WebAssembly.instantiate(module, { env: { push_to_stream() {} } });
  const codec = exports as unknown as GifCodec;
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const file = codec.walloc(length);
  const copy = new Uint8Array(codec.memory.buffer, file, length);
  parts.reduce((at, part) => (copy.set(part, at), at + part.length), 0);
  try {
    const decoder = codec.decoder_new(file, length, 0);
    const image = decoder === 0 ? 0 : codec.decoder_frame(decoder);
    if (image < 2) return undefined;
    const start = codec.decoder_frame_buffer(image);
    return new Uint8Array(codec.memory.buffer, start, codec.wlen());
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) return undefined; // It traps at some codes.
    throw error;
  }
}

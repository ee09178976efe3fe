/** WebP, lossy or lossless, first frame of an animation, decoded by libwebp in WebAssembly. */

import { type Codec, damaged, fourCharacters, type Header, type Range, viewOf } from "./codec.ts";
import { exifOrientation } from "./exif.ts";
import { Decoder, moduleOf } from "./wasm/decoder.ts";
import { WEBP } from "./wasm/webp_binary.ts";
import { type Box, onCanvas, type Pixels } from "../image.ts";

interface WebpHeader extends Header {
  /** The first frame of an animation. */
  readonly frame: WebpFrame | undefined;
}

interface WebpFrame extends Box {
  /** Its chunks: `VP8 ` or `VP8L`, and perhaps `ALPH` before. */
  readonly chunks: Range;
}

export const webp: Codec<WebpHeader> = { readHeader, decode };

/** Walks the chunks (RFC 9649, section 2). */
function readHeader(bytes: Uint8Array): WebpHeader {
  let size: { width: number; height: number } | undefined;
  let exif: Uint8Array | undefined;
  let frame: WebpFrame | undefined;
  for (const [type, start, end] of chunksOf(bytes, [12, bytes.length])) {
    const data = bytes.subarray(start, end);
    if (type === "VP8X") size ??= { width: uint24(data, 4) + 1, height: uint24(data, 7) + 1 };
    else if (type === "VP8 ") size ??= lossySize(data);
    else if (type === "VP8L") size ??= losslessSize(data);
    else if (type === "EXIF") exif ??= data;
    else if (type === "ANMF") frame ??= readFrame(bytes, start, end);
  }
  if (!size) throw damaged("webp", "it holds no image");
  if (frame && (frame.left + frame.width > size.width || frame.top + frame.height > size.height)) {
    throw damaged("webp", "its first frame lies outside of the image");
  }
  return { ...size, orientation: exifOrientation(exif), frame };
}

function readFrame(bytes: Uint8Array, start: number, end: number): WebpFrame {
  const data = bytes.subarray(start, end);
  const frame: WebpFrame = {
    left: uint24(data, 0) * 2,
    top: uint24(data, 3) * 2,
    width: uint24(data, 6) + 1,
    height: uint24(data, 9) + 1,
    chunks: [start + 16, end],
  };
  for (const [type, start, end] of chunksOf(bytes, frame.chunks)) {
    if (type !== "VP8 " && type !== "VP8L") continue;
    const image = bytes.subarray(start, end);
    const { width, height } = type === "VP8 " ? lossySize(image) : losslessSize(image);
    if (width === frame.width && height === frame.height) return frame;
  }
  throw damaged("webp", "its first frame holds no image of the frame's size");
}

const module = await moduleOf("webp", WEBP);

function decode(bytes: Uint8Array, header: WebpHeader): Pixels {
  const { frame } = header;
  const file = frame ? standalone(bytes, frame) : bytes;
  const { width, height } = frame ?? header;
  const isWhole = width === header.width && height === header.height;
  const chunks = chunksOf(bytes, frame?.chunks ?? [12, bytes.length]);
  const isOpaque = isWhole && !chunks.some(([type]) => type === "ALPH" || type === "VP8L");
  // The decoder may hold RGBA twice, and has planes of its own.
  const maxBytes = 64e6 + file.length + width * height * 16;
  const length = width * height * (isOpaque ? 3 : 4);
  const data = new Decoder("webp", module, maxBytes)
    .decode(file, length, width, height, isOpaque ? 0 : 1);
  return frame && !isWhole ? onCanvas(data, frame, header) : { data, width, height };
}

/** A file of one frame, which the decoder takes where it refuses an animation. */
function standalone(bytes: Uint8Array, frame: WebpFrame): Uint8Array {
  const { width, height } = frame;
  const chunks = bytes.subarray(...frame.chunks);
  const file = new Uint8Array(30 + chunks.length);
  const view = viewOf(file);
  file.set(new TextEncoder().encode("RIFF\0\0\0\0WEBPVP8X"));
  view.setUint32(4, file.length - 8, true);
  view.setUint32(16, 10, true);
  file[20] = fourCharacters(chunks, 0) === "VP8 " ? 0 : 0x10; // whether it may have alpha
  view.setUint32(24, width - 1, true);
  view.setUint16(27, (height - 1) & 0xffff, true);
  file[29] = (height - 1) >> 16;
  file.set(chunks, 30);
  return file;
}

function* chunksOf(
  bytes: Uint8Array,
  [start, end]: Range,
): Generator<[type: string, start: number, end: number]> {
  const view = viewOf(bytes);
  for (let at = start; at + 8 <= end;) {
    const length = view.getUint32(at + 4, true);
    yield [fourCharacters(bytes, at), at + 8, Math.min(at + 8 + length, end)];
    at += 8 + length + (length & 1);
  }
}

/** A key frame's header (RFC 6386, section 9.1): 14 bits each. */
function lossySize(data: Uint8Array): { width: number; height: number } {
  const view = viewOf(data);
  return { width: view.getUint16(6, true) & 0x3fff, height: view.getUint16(8, true) & 0x3fff };
}

/** RFC 9649, section 3.4: 14 bits each, less one. */
function losslessSize(data: Uint8Array): { width: number; height: number } {
  const bits = viewOf(data).getUint32(1, true);
  return { width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1 };
}

function uint24(data: Uint8Array, at: number): number {
  return viewOf(data).getUint16(at, true) | data[at + 2] << 16;
}

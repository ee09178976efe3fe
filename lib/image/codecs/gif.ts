/** GIF (CompuServe's GIF89a), first frame. */

import { type Codec, damaged, type Header, type Range, viewOf } from "./codec.ts";
import { type Box, onCanvas, type Pixels } from "../image.ts";

interface GifHeader extends Header {
  /** Where the first frame lies on the screen. */
  readonly frame: Box;
  /** Red, green and blue of each color: the frame's own, or the screen's. */
  readonly palette: Range;
  /** The color that is none. */
  readonly transparent: number | undefined;
  readonly isInterlaced: boolean;
  /** The first frame's data: bits of a color, and blocks. What follows is not looked at. */
  readonly data: Range;
}

export const gif: Codec<GifHeader> = { readHeader, decode };

/** Walks the blocks up to the first image descriptor (sections 18–24). */
function readHeader(bytes: Uint8Array): GifHeader {
  const view = viewOf(bytes);
  const screen = { width: view.getUint16(6, true), height: view.getUint16(8, true) };
  let palette: Range = [13, 13 + colorTableBytes(view.getUint8(10))];
  let at = palette[1];
  let transparent: number | undefined;
  for (; view.getUint8(at) === 0x21; at = skipSubBlocks(view, at + 2)) { // extensions
    if (view.getUint8(at + 1) !== 0xf9) continue;
    transparent = view.getUint8(at + 3) & 1 ? view.getUint8(at + 6) : undefined;
  }
  if (view.getUint8(at) !== 0x2c) throw damaged("gif", `expected an image at byte ${at}`);
  const frame = {
    left: view.getUint16(at + 1, true),
    top: view.getUint16(at + 3, true),
    width: view.getUint16(at + 5, true),
    height: view.getUint16(at + 7, true),
  };
  const flags = view.getUint8(at + 9);
  const start = at + 10 + colorTableBytes(flags);
  if (start > at + 10) palette = [at + 10, start];
  const end = skipSubBlocks(view, start + 1);
  // A code has 3 bits at least, and stands for 4096 pixels at most.
  if ((end - start) * 8 / 3 * 4096 < frame.width * frame.height) {
    throw damaged("gif", "its first frame is truncated");
  }
  // A frame may stick out of the screen, which then grows, as in Pillow.
  return {
    width: Math.max(screen.width, frame.left + frame.width),
    height: Math.max(screen.height, frame.top + frame.height),
    orientation: 1,
    frame,
    palette,
    transparent,
    isInterlaced: (flags & 0x40) !== 0,
    data: [start, end],
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

function decode(bytes: Uint8Array, header: GifHeader): Pixels {
  const { frame, transparent, isInterlaced } = header;
  const { width, height } = frame;
  const palette = bytes.subarray(...header.palette);
  if (palette.length === 0) throw damaged("gif", "it has no colors");
  const indices = unpack(bytes.subarray(...header.data), width * height);
  const isWhole = width === header.width && height === header.height;
  // A color that the palette lacks is transparent, too.
  const isOpaque = isWhole && transparent === undefined && palette.length === 768;
  const channels = isOpaque ? 3 : 4;
  const colors = new Uint8Array(256 * channels);
  for (let i = 0; i * 3 < palette.length; i++) {
    colors.set(palette.subarray(i * 3, i * 3 + 3), i * channels);
    if (!isOpaque) colors[i * 4 + 3] = i === transparent ? 0 : 255;
  }
  const data = new Uint8Array(width * height * channels);
  const rows = isInterlaced ? interlacedRows(height) : Array.from({ length: height }, (_, y) => y);
  for (let y = 0, from = 0; y < height; y++) {
    let to = rows[y] * width * channels;
    for (const end = from + width; from < end; from++) {
      let color = indices[from] * channels;
      data[to++] = colors[color++];
      data[to++] = colors[color++];
      data[to++] = colors[color++];
      if (!isOpaque) data[to++] = colors[color];
    }
  }
  return isWhole ? { data, width, height } : onCanvas(data, frame, header);
}

/** Which row each one in the file is (appendix E). */
function interlacedRows(height: number): number[] {
  const passes = [[0, 8], [4, 8], [2, 4], [1, 2]];
  return passes.flatMap(([start, step]) =>
    Array.from(
      { length: Math.max(0, Math.ceil((height - start) / step)) },
      (_, i) => start + i * step,
    )
  );
}

/** Codes have at most 12 bits. */
const MAX_CODES = 4096;

/**
 * Unpacks variable-length codes (appendix F). Each stands for a color, or for what an earlier code gave
 * and the color after it: a piece of what has been unpacked.
 *
 * @returns `count` colors
 */
function unpack(data: Uint8Array, count: number): Uint8Array {
  const colorBits = data[0];
  if (colorBits < 1 || colorBits > 8) throw damaged("gif", `its colors have ${colorBits} bits`);
  const clear = 1 << colorBits, end = clear + 1;
  const packed = joinBlocks(data.subarray(1));
  const starts = new Uint32Array(MAX_CODES), sizes = new Uint16Array(MAX_CODES);
  const result = new Uint8Array(count);
  let bits = colorBits + 1, next = end + 1; // of a code; the first that is free
  let start = -1, size = 0; // of the piece before
  let buffer = 0, held = 0, at = 0;
  for (let to = 0; to < count;) {
    for (; held < bits; held += 8) {
      if (at === packed.length) throw damaged("gif", "its first frame is truncated");
      buffer |= packed[at++] << held;
    }
    const code = buffer & ((1 << bits) - 1);
    buffer >>>= bits;
    held -= bits;
    if (code === clear) {
      bits = colorBits + 1;
      next = end + 1;
      start = -1;
      continue;
    }
    if (start >= 0 && next < MAX_CODES) {
      starts[next] = start;
      sizes[next++] = size + 1;
    }
    if (code === end) throw damaged("gif", "its first frame is truncated");
    if (code >= next) throw damaged("gif", `its data is corrupt after ${to} pixels`);
    start = to;
    if (code < clear) {
      size = 1;
      result[to++] = code;
    } else { // forwards: the newest piece may reach into what it gives
      size = sizes[code];
      const stop = Math.min(count, to + size);
      for (let from = starts[code]; to < stop;) result[to++] = result[from++];
    }
    if (next === 1 << bits && next < MAX_CODES) bits++;
  }
  return result;
}

/** The bytes of a chain of blocks, each of which begins with its length. */
function joinBlocks(blocks: Uint8Array): Uint8Array {
  const joined = new Uint8Array(blocks.length);
  let length = 0;
  for (let at = 0; blocks[at] > 0; at += 1 + blocks[at]) {
    joined.set(blocks.subarray(at + 1, at + 1 + blocks[at]), length);
    length += blocks[at];
  }
  return joined.subarray(0, length);
}

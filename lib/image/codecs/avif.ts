/** AVIF, decoded by libavif and dav1d in WebAssembly. */

import { type Codec, damaged, fourCharacters, type Header, viewOf } from "./codec.ts";
import { AVIF } from "./wasm/avif_binary.ts";
import { Decoder, type DecoderExports, moduleOf } from "./wasm/decoder.ts";
import type { Pixels } from "../image.ts";

/** What the module says of the pixels that it gave. */
interface AvifExports extends DecoderExports {
  width(): number;
  height(): number;
  channels(): number;
}

/**
 * Most bytes of tables of items and of an animation's frames: libavif compares each item with all. A
 * grid of 50 million pixels needs 20 kB.
 */
const MAX_TABLES = 262_144;
/** Pixels that are decoded for one of the picture: eight frames of color, and as many of transparency. */
const PIXELS_OF_ONE = 16;
/** Pixels that the parts of a small picture may have outside of it: its tiles have 64x64 at least. */
const MAX_PADDING = 16e6;
/** Most boxes in a file or in another box. */
const MAX_BOXES = 8192;

export const avif: Codec = { readHeader, decode };

/**
 * Reads the properties of the primary item (ISO/IEC 23008-12): its size, and how to turn it. Exif has
 * no say in this format.
 */
function readHeader(bytes: Uint8Array): Header {
  const meta = child(bytes, "meta").subarray(4);
  checkTables(bytes, meta);
  const primary = viewOf(child(meta, "pitm"));
  const item = primary.getUint8(0) === 0 ? primary.getUint16(4) : primary.getUint32(4);
  const properties = child(meta, "iprp");
  const all = [...boxesOf(child(properties, "ipco"))];
  let size: { width: number; height: number } | undefined;
  let turns = 0;
  let mirror: number | undefined;
  for (const index of associationsOf(properties, item)) {
    if (index < 1 || index > all.length) continue;
    const [type, data] = all[index - 1];
    const view = viewOf(data);
    if (type === "ispe") size = { width: view.getUint32(4), height: view.getUint32(8) };
    else if (type === "irot") turns = view.getUint8(0) & 3;
    else if (type === "imir") mirror = view.getUint8(0) & 1;
  }
  if (!size) throw damaged("avif", "its primary item has no size");
  return { ...size, orientation: orientationOf(turns, mirror) };
}

/** Refuses what would cost much and give nothing. Profiles and pixels may lie in `meta` as well. */
function checkTables(bytes: Uint8Array, meta: Uint8Array): void {
  let length = meta.length - child(child(meta, "iprp"), "ipco").length;
  for (const [type, data] of boxesOf(meta)) if (type === "idat") length -= data.length;
  for (const [type, data] of boxesOf(bytes)) if (type === "moov") length += data.length;
  if (length <= MAX_TABLES) return;
  throw damaged("avif", `its tables have ${length} bytes: expected at most ${MAX_TABLES}`);
}

/**
 * EXIF's number for a number of anticlockwise quarter turns, followed by a mirror: 0 swaps top and
 * bottom, 1 left and right.
 */
function orientationOf(turns: number, mirror: number | undefined): number {
  if (mirror === undefined) return [1, 8, 3, 6][turns];
  return mirror === 0 ? [4, 5, 2, 7][turns] : [2, 7, 4, 5][turns];
}

/** The numbers of an item's properties in `ipco`, from 1 on (ISO/IEC 14496-12, 8.11.14). */
function associationsOf(properties: Uint8Array, item: number): number[] {
  const tables = [...boxesOf(properties)].filter(([type]) => type === "ipma");
  return tables.flatMap(([, data]) => associationsIn(viewOf(data), item));
}

function associationsIn(view: DataView, item: number): number[] {
  const version = view.getUint8(0);
  const wide = (view.getUint32(0) & 1) === 1;
  const entries = view.getUint32(4);
  for (let i = 0, at = 8; i < entries; i++) {
    const id = version === 0 ? view.getUint16(at) : view.getUint32(at);
    at += version === 0 ? 2 : 4;
    const count = view.getUint8(at++);
    const stride = wide ? 2 : 1;
    const read = (k: number) =>
      wide ? view.getUint16(at + k * 2) & 0x7fff : view.getUint8(at + k) & 0x7f;
    if (id === item) return Array.from({ length: count }, (_, k) => read(k));
    at += count * stride;
  }
  return [];
}

function child(bytes: Uint8Array, type: string): Uint8Array {
  for (const [name, data] of boxesOf(bytes)) if (name === type) return data;
  throw damaged("avif", `it has no ${type} box`);
}

function* boxesOf(bytes: Uint8Array): Generator<[string, Uint8Array]> {
  const view = viewOf(bytes);
  for (let at = 0, count = 1; at + 8 <= bytes.length; count++) {
    if (count > MAX_BOXES) throw damaged("avif", `it has more than ${MAX_BOXES} boxes in a row`);
    const short = view.getUint32(at);
    const start = short === 1 ? 16 : 8;
    if (at + start > bytes.length) return;
    const length = short === 1 ? Number(view.getBigUint64(at + 8)) : short || bytes.length - at;
    if (length < start) return;
    yield [fourCharacters(bytes, at + 4), bytes.subarray(at + start, at + length)];
    at += length;
  }
}

const module = await moduleOf("avif", AVIF);

function decode(bytes: Uint8Array, header: Header): Pixels {
  // Planes, of a grid's tiles too, may have 16-bit samples, and the pixels are RGBA.
  const maxBytes = 32e6 + bytes.length + header.width * header.height * 24;
  const decoder = new Decoder<AvifExports>("avif", module, maxBytes);
  const { width, height, channels } = decoder.exports;
  const mostPixels = header.width * header.height * PIXELS_OF_ONE + MAX_PADDING;
  const data = decoder.decode(bytes, () => width() * height() * channels(), mostPixels);
  return { data, width: width(), height: height() };
}

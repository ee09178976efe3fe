/** AVIF, decoded by libavif in WebAssembly. */

import avifDecoder from "@jsquash/avif/codec/dec/avif_dec.js";
import { type Codec, damaged, fourCharacters, type Header, viewOf } from "./codec.ts";
import { decodeRgba } from "./emscripten.ts";
import type { Pixels } from "../image.ts";

export const avif: Codec = { readHeader, decode };

/**
 * Reads the properties of the primary item (ISO/IEC 23008-12): its size, and how to turn it. Exif has
 * no say in this format.
 */
function readHeader(bytes: Uint8Array): Header {
  const meta = child(bytes, "meta").subarray(4);
  const primary = viewOf(child(meta, "pitm"));
  const item = primary.getUint8(0) === 0 ? primary.getUint16(4) : primary.getUint32(4);
  const properties = child(meta, "iprp");
  const all = [...boxesOf(child(properties, "ipco"))];
  let size: { width: number; height: number } | undefined;
  let turns = 0;
  let mirror: number | undefined;
  for (const index of associationsOf(child(properties, "ipma"), item)) {
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

/**
 * EXIF's number for a number of anticlockwise quarter turns, followed by a mirror: 0 swaps top and
 * bottom, 1 left and right.
 */
function orientationOf(turns: number, mirror: number | undefined): number {
  if (mirror === undefined) return [1, 8, 3, 6][turns];
  return mirror === 0 ? [4, 5, 2, 7][turns] : [2, 7, 4, 5][turns];
}

/** The numbers of an item's properties in `ipco`, from 1 on (ISO/IEC 14496-12, 8.11.14). */
function associationsOf(data: Uint8Array, item: number): number[] {
  const view = viewOf(data);
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
  for (let at = 0; at + 8 <= bytes.length;) {
    const length = view.getUint32(at);
    const end = length === 0 ? bytes.length : at + length;
    if (length !== 0 && length < 8) return; // 1 is a 64-bit length: nothing small enough needs one
    yield [fourCharacters(bytes, at + 4), bytes.subarray(at + 8, end)];
    at = end;
  }
}

async function decode(bytes: Uint8Array, header: Header): Promise<Pixels> {
  // @ts-ignore TypeScript does not parse source phase imports yet.
  const module: WebAssembly.Module = await import.source("@jsquash/avif/codec/dec/avif_dec.wasm");
  // The decoder holds RGBA twice, planes of 16-bit samples, and reference frames.
  const maxBytes = 128e6 + bytes.length * 2 + header.width * header.height * 40;
  return await decodeRgba("avif", avifDecoder, module, maxBytes, bytes, 8);
}

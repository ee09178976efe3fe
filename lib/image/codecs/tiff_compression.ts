/**
 * How TIFF stores the bytes of a strip or tile (TIFF 6.0, sections 9, 13 and 14; Adobe's Deflate).
 */

import { damaged, unsupported, viewOf } from "./codec.ts";
import { inflateWhole } from "./inflate.ts";

const PLAIN = 1, LZW = 5, DEFLATE = 8, OLD_DEFLATE = 32946, PACK_BITS = 32773;

/** Compressions that are refused, so that the refusal can name them. */
const REFUSED: Readonly<Record<number, string>> = {
  2: "CCITT Huffman",
  3: "CCITT group 3 fax",
  4: "CCITT group 4 fax",
  6: "old JPEG",
  7: "JPEG",
  34925: "LZMA",
  50000: "Zstandard",
  50001: "WebP",
};

/**
 * Undoes a compression.
 *
 * @returns `length` bytes, a copy. Data that gives fewer is truncated, data that gives more is cut.
 */
export async function decompress(
  data: Uint8Array,
  compression: number,
  length: number,
): Promise<Uint8Array> {
  if (compression === PLAIN) {
    if (data.length < length) throw truncated();
    return data.slice(0, length);
  }
  if (compression === LZW) return expandLzw(data, length);
  if (compression === PACK_BITS) return expandPackBits(data, length);
  if (compression === DEFLATE || compression === OLD_DEFLATE) {
    return await inflateWhole(data, length);
  }
  const name = REFUSED[compression] ?? `number ${compression}`;
  throw unsupported(
    "tiff",
    `its compression, ${name}, is not decoded: save it with LZW or Deflate`,
  );
}

function truncated(): Error {
  return damaged("tiff", "a strip or tile holds less than it should");
}

function expandPackBits(data: Uint8Array, length: number): Uint8Array {
  if (data.length * 64 < length) throw truncated(); // 128 bytes out of 2 at most
  const result = new Uint8Array(length);
  let to = 0;
  for (let at = 0; at + 1 < data.length && to < length;) {
    const count = data[at++];
    if (count < 128) {
      const run = data.subarray(at, at + Math.min(count + 1, length - to));
      result.set(run, to);
      at += count + 1;
      to += run.length;
    } else if (count > 128) {
      const end = Math.min(to + 257 - count, length);
      result.fill(data[at++], to, end);
      to = end;
    }
  }
  if (to < length) throw truncated();
  return result;
}

const CLEAR = 256, END = 257, FIRST = 258;

/**
 * Codes of 9 to 12 bits, the high bit first, which widen one code early (section 13). TIFF 5.0 had the low
 * bit first and no haste; its files are told by their first code, as libtiff does.
 */
function expandLzw(data: Uint8Array, length: number): Uint8Array {
  if (data.length * 4096 < length) throw truncated(); // no code stands for more bytes
  const isOld = data[0] === 0 && (data[1] & 1) === 1;
  const early = isOld ? 0 : 1;
  const result = new Uint8Array(length);
  // A code above 257 is a stretch of what was written before: where it starts, and its length.
  const starts = new Int32Array(4096);
  const lengths = new Int32Array(4096);
  let to = 0, next = FIRST, width = 9, previous = -1, previousStart = 0;
  let buffer = 0, bits = 0;
  for (let at = 0; to < length;) {
    while (bits < width) {
      if (at >= data.length) throw truncated();
      buffer = isOld ? buffer | data[at++] << bits : (buffer << 8 | data[at++]) & 0xffffff;
      bits += 8;
    }
    bits -= width;
    const code = (isOld ? buffer : buffer >> bits) & ((1 << width) - 1);
    if (isOld) buffer >>= width;
    if (code === END) throw truncated();
    if (code === CLEAR) {
      [next, width, previous] = [FIRST, 9, -1];
      continue;
    }
    if (previous >= 0 && next < 4096) { // the new entry: the previous one and this one's first byte
      starts[next] = previousStart;
      lengths[next] = (previous < CLEAR ? 1 : lengths[previous]) + 1;
      next++;
    }
    if (code >= next || (code >= CLEAR && previous < 0)) {
      throw damaged("tiff", "its LZW data is corrupt");
    }
    previousStart = to;
    if (code < CLEAR) {
      result[to++] = code;
    } else {
      // Byte by byte, since the newest entry overlaps what it writes.
      const end = Math.min(to + lengths[code], length);
      for (let from = starts[code]; to < end;) result[to++] = result[from++];
    }
    previous = code;
    if (next >= (1 << width) - early && width < 12) width++;
  }
  return result;
}

/** Undoes horizontal differencing in place: each sample is stored less the one to the left. */
export function undoPredictor(
  data: Uint8Array,
  header: { readonly predictor: number; readonly bits: number; readonly little: boolean },
  rowBytes: number,
  samples: number,
): void {
  const { predictor, bits, little } = header;
  if (predictor === 1) return;
  if (predictor !== 2 || bits < 8) {
    throw unsupported("tiff", `predictor ${predictor} with samples of ${bits} bits is not decoded`);
  }
  const view = viewOf(data);
  for (let row = 0; row + rowBytes <= data.length; row += rowBytes) {
    if (bits === 8) {
      for (let i = samples; i < rowBytes; i++) data[row + i] += data[row + i - samples];
    } else {
      for (let i = samples * 2; i + 1 < rowBytes; i += 2) {
        const left = view.getUint16(row + i - samples * 2, little);
        view.setUint16(row + i, left + view.getUint16(row + i, little), little);
      }
    }
  }
}

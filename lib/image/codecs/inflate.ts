/**
 * Inflates zlib data (RFC 1950 and 1951): the platform's `DecompressionStream` does most of it. It takes
 * 40 µs to start, and refuses data with something after its end or without its checksum: such data, and
 * what is small, is inflated here. `node:zlib` takes 25 to 40 ms to load.
 */

import { streamOf } from "../../streams.ts";

/** Deflate gives at most 258 bytes for 2 bits. */
const MAX_RATIO = 1032;
/** Bytes that the platform inflates at a time: 4 to 16 MiB can come out of them. */
const MIN_SLICE = 4 * 1024, MAX_SLICE = 16 * 1024;
/** About as many should come out of a slice of data that swells evenly. */
const MAX_CHUNK = 1 << 20;
/** What gives at most so many bytes is quicker here. */
const SMALL = 1 << 15;

/**
 * Inflates zlib data that lies in parts, to exactly `length` bytes, which come in pieces. What would come
 * after is not inflated, and no checksum is needed. A piece is valid until the next is asked for.
 *
 * @throws {Error} If the data is corrupt or gives less.
 */
export async function* inflate(
  parts: readonly Uint8Array[],
  length: number,
): AsyncGenerator<Uint8Array> {
  const stored = parts.reduce((sum, part) => sum + part.length, 0);
  if (stored * MAX_RATIO < length) {
    throw new Error(`${stored} bytes of compressed data cannot hold its ${length} bytes`);
  }
  // Less at a time for a small result, so that a bomb stays in proportion to it, and for data that swells.
  const even = Math.ceil(stored / length * MAX_CHUNK);
  const slice = Math.max(MIN_SLICE, Math.min(MAX_SLICE, length >> 6, even));
  const source = streamOf(slicesOf(parts, slice));
  let at = 0;
  try {
    for await (const chunk of source.pipeThrough(new DecompressionStream("deflate"))) {
      const rest = chunk.subarray(0, length - at);
      at += rest.length;
      yield rest;
      if (at === length) return;
    }
  } catch { // It may end well where the platform gave up.
    let seen = 0;
    for (const piece of inflateHere(parts, length)) {
      if (seen + piece.length > at) yield piece.subarray(Math.max(0, at - seen));
      seen += piece.length;
    }
    return;
  }
  throw endedEarly(at, length);
}

/** Inflates as {@linkcode inflate} does, to one array. */
export async function inflateWhole(data: Uint8Array, length: number): Promise<Uint8Array> {
  if (length <= SMALL) {
    const [result = new Uint8Array(0)] = inflateHere([data], length);
    return result;
  }
  const result = new Uint8Array(length);
  let at = 0;
  for await (const piece of inflate([data], length)) {
    result.set(piece, at);
    at += piece.length;
  }
  return result;
}

function endedEarly(at: number, length: number): Error {
  return new Error(`its compressed data gives ${at} bytes instead of ${length}`);
}

/** Copies of the same bytes, of this length but for the last: parts may have a byte each. */
function* slicesOf(
  parts: readonly Uint8Array[],
  length: number,
): Generator<Uint8Array<ArrayBuffer>> {
  let slice = new Uint8Array(length), filled = 0;
  for (const part of parts) {
    for (let at = 0; at < part.length;) {
      const count = Math.min(length - filled, part.length - at);
      slice.set(part.subarray(at, at + count), filled);
      filled += count;
      at += count;
      if (filled < length) continue;
      yield slice;
      slice = new Uint8Array(length);
      filled = 0;
    }
  }
  if (filled > 0) yield slice.subarray(0, filled);
}

/** How far back a copy may reach. */
const WINDOW = 1 << 15;
/** Bytes of a piece, but for the last. */
const PIECE = 1 << 16;
const MAX_COPY = 258;

/** Blocks of which a few bytes may come; more have one for 16 bytes. */
const MIN_BLOCKS = 8;

/** Inflates what {@linkcode inflate} does, at once. */
function* inflateHere(parts: readonly Uint8Array[], length: number): Generator<Uint8Array> {
  const bits = new BitReader(parts);
  // The window, and the piece after it. A copy may run over.
  let before = 0, from = 0, to = 0, full = Math.min(WINDOW + PIECE, length);
  const out = new Uint8Array(full + MAX_COPY);
  try {
    if ((bits.take(16) & 0x200f) !== 8) throw new Error("it is no Deflate without a dictionary");
    // A block takes time though nothing comes of it.
    let blocks = MIN_BLOCKS + (length >> 4);
    for (let isLast = false; !isLast;) {
      if (--blocks < 0) throw new Error("it has many more blocks than it needs");
      isLast = bits.take(1) === 1;
      const kind = bits.take(2);
      const trees = kind === 0 ? undefined : kind === 1 ? FIXED : readTrees(bits, kind);
      for (let stored = trees ? Infinity : storedLength(bits); stored > 0; stored--) {
        if (to >= full) {
          yield out.subarray(from, full);
          if (before + full === length) return;
          out.copyWithin(0, PIECE, to);
          [before, from, to] = [before + PIECE, WINDOW, to - PIECE];
          full = Math.min(WINDOW + PIECE, length - before);
        }
        const symbol = trees ? bits.symbol(trees.literals) : bits.take(8);
        if (symbol === 256) break;
        if (symbol < 256) {
          out[to++] = symbol;
          continue;
        }
        const end = to + bits.valueOf(LENGTHS, symbol - 257);
        const distance = bits.valueOf(DISTANCES, bits.symbol(trees!.distances));
        if (distance > to) throw new Error("it copies what lies before its start");
        for (; to < end; to++) out[to] = out[to - distance];
      }
    }
  } catch (cause) {
    const at = before + Math.min(to, full);
    throw new Error(`its compressed data is corrupt after ${at} of ${length} bytes`, { cause });
  }
  if (before + to < length) throw endedEarly(before + to, length);
  yield out.subarray(from, full);
}

function storedLength(bits: BitReader): number {
  bits.align();
  const length = bits.take(16);
  if (bits.take(16) !== (length ^ 0xffff)) throw new Error("a stored block's length is wrong");
  return length;
}

/** What symbols stand for: the least value, and how many bits are added to it. */
type Values = readonly (readonly [least: number, bits: number])[];

/** Lengths and distances of copies (RFC 1951, 3.2.5). */
const LENGTHS = valuesFrom(3, Array.from({ length: 28 }, (_, i) => Math.max(0, (i >> 2) - 1)));
LENGTHS.push([MAX_COPY, 0]);
const DISTANCES = valuesFrom(1, Array.from({ length: 30 }, (_, i) => Math.max(0, (i >> 1) - 1)));
/** The order in which the lengths of codes for lengths of codes come (3.2.7). */
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

function valuesFrom(least: number, bits: readonly number[]): [number, number][] {
  return bits.map((n) => [(least += 1 << n) - (1 << n), n]);
}

/** Codes by their length and then their value, which is all that tells them apart (3.2.2). */
interface Tree {
  /** `[16]`: how many codes have this length. */
  readonly counts: Uint16Array;
  readonly symbols: Uint16Array;
  /** `[512]`: the symbol << 4 | the length of the code that these 9 bits begin with, or 0. */
  readonly short: Uint16Array;
}

const SHORT = 9;

function treeOf(lengths: Uint8Array): Tree {
  const counts = new Uint16Array(16), starts = new Uint16Array(17), codes = new Uint16Array(17);
  for (const length of lengths) counts[length]++;
  counts[0] = 0;
  for (let n = 1; n < 16; n++) {
    starts[n + 1] = starts[n] + counts[n];
    codes[n + 1] = codes[n] + counts[n] << 1;
    if (codes[n] + counts[n] > 1 << n) throw new Error("there are more codes than bits for them");
  }
  const symbols = new Uint16Array(starts[16]), short = new Uint16Array(1 << SHORT);
  lengths.forEach((length, symbol) => {
    if (length === 0) return;
    symbols[starts[length]++] = symbol;
    // Codes come with their high bit first, all else with the low bit first.
    let start = 0;
    for (let code = codes[length]++, n = 0; n < length; n++) start = start << 1 | code >> n & 1;
    for (; start < 1 << SHORT && length <= SHORT; start += 1 << length) {
      short[start] = symbol << 4 | length;
    }
  });
  return { counts, symbols, short };
}

interface Trees {
  readonly literals: Tree;
  readonly distances: Tree;
}

const FIXED: Trees = {
  literals: treeOf(
    Uint8Array.from({ length: 288 }, (_, i) => i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8),
  ),
  distances: treeOf(new Uint8Array(30).fill(5)),
};

/** Reads the codes of a block (3.2.7). */
function readTrees(bits: BitReader, kind: number): Trees {
  if (kind === 3) throw new Error("a block is of no kind");
  const literals = bits.take(5) + 257, distances = bits.take(5) + 1;
  const ordered = new Uint8Array(19);
  for (let i = 0, count = bits.take(4) + 4; i < count; i++) ordered[ORDER[i]] = bits.take(3);
  const tree = treeOf(ordered);
  const lengths = new Uint8Array(literals + distances);
  for (let i = 0; i < lengths.length;) {
    const symbol = bits.symbol(tree);
    if (symbol < 16) lengths[i++] = symbol;
    else {
      const [least, extra] = ([[3, 2], [3, 3], [11, 7]] as const)[symbol - 16];
      const end = i + least + bits.take(extra);
      if (end > lengths.length || (symbol === 16 && i === 0)) throw new Error("codes do not fit");
      lengths.fill(symbol === 16 ? lengths[i - 1] : 0, i, end);
      i = end;
    }
  }
  return {
    literals: treeOf(lengths.subarray(0, literals)),
    distances: treeOf(lengths.subarray(literals)),
  };
}

/** Reads bits, the low one of a byte first. */
class BitReader {
  readonly #parts: readonly Uint8Array[];
  #part = 0;
  #at = 0;
  #held = 0;
  #count = 0;

  constructor(parts: readonly Uint8Array[]) {
    this.#parts = parts;
  }

  /** Holds at least `count` bits, of at most 24, if there are so many. */
  #hold(count: number): void {
    while (this.#count < count && this.#part < this.#parts.length) {
      const part = this.#parts[this.#part];
      if (this.#at < part.length) {
        this.#held |= part[this.#at++] << this.#count;
        this.#count += 8;
      } else {
        this.#part++;
        this.#at = 0;
      }
    }
  }

  #drop(count: number): void {
    if (count > this.#count) throw new Error("it ends early");
    this.#held >>>= count;
    this.#count -= count;
  }

  /** A number of up to 16 bits. */
  take(count: number): number {
    this.#hold(count);
    const value = this.#held & ((1 << count) - 1);
    this.#drop(count);
    return value;
  }

  /** Drops what is left of a byte. */
  align(): void {
    this.#drop(this.#count & 7);
  }

  symbol({ counts, symbols, short }: Tree): number {
    this.#hold(15);
    const found = short[this.#held & ((1 << SHORT) - 1)];
    if (found > 0) {
      this.#drop(found & 15);
      return found >> 4;
    }
    for (let length = 1, code = 0, first = 0, index = 0; length < 16; length++) {
      code |= this.#held >> (length - 1) & 1;
      if (code - first < counts[length]) {
        this.#drop(length);
        return symbols[index + code - first];
      }
      index += counts[length];
      first = first + counts[length] << 1;
      code <<= 1;
    }
    throw new Error("it has a code of no meaning");
  }

  /** What a symbol stands for, with the bits that it adds. */
  valueOf(values: Values, symbol: number): number {
    if (symbol >= values.length) throw new Error("it has a symbol of no meaning");
    const [least, bits] = values[symbol];
    return least + this.take(bits);
  }
}

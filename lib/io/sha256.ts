/**
 * SHA-256 whose state can be written down, so that another process can go on with it. The platform's
 * hashes cannot.
 *
 * @see {@link https://doi.org/10.6028/NIST.FIPS.180-4 FIPS 180-4}
 * @module
 */

import type { IncrementalHash } from "./hash.ts";

const BLOCK_BYTES = 64;

/** The first 32 bits of the fractional parts of roots of the first primes (FIPS 180-4, 4.2.2 and 5.3.3). */
function fractions(count: number, root: (prime: number) => number): Int32Array {
  const words: number[] = [];
  for (let n = 2; words.length < count; n++) {
    let isPrime = true;
    for (let d = 2; d * d <= n; d++) isPrime &&= n % d !== 0;
    if (isPrime) words.push(Math.floor((root(n) % 1) * 2 ** 32) | 0);
  }
  return Int32Array.from(words);
}

const ROUND_CONSTANTS = fractions(64, Math.cbrt);
const INITIAL_STATE = fractions(8, Math.sqrt);

/** A hash that can be taken up where another left it. */
export class ResumableSha256 implements IncrementalHash {
  readonly #state: Int32Array;
  readonly #block = new Uint8Array(BLOCK_BYTES);
  readonly #words = new Int32Array(64);
  #length = 0;

  constructor() {
    this.#state = INITIAL_STATE.slice();
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  update(bytes: Uint8Array): void {
    let at = 0;
    const filled = this.#length % BLOCK_BYTES;
    this.#length += bytes.length;
    if (filled > 0) {
      at = Math.min(bytes.length, BLOCK_BYTES - filled);
      this.#block.set(bytes.subarray(0, at), filled);
      if (filled + at < BLOCK_BYTES) return;
      this.#compress(this.#block, 0);
    }
    for (; at + BLOCK_BYTES <= bytes.length; at += BLOCK_BYTES) this.#compress(bytes, at);
    this.#block.set(bytes.subarray(at));
  }

  /** Ends the hash: nothing can be added afterwards. */
  digest(): string {
    const length = this.#length;
    const padding = new Uint8Array(BLOCK_BYTES + 8 - (length + 8) % BLOCK_BYTES);
    padding[0] = 0x80;
    new DataView(padding.buffer).setBigUint64(padding.length - 8, BigInt(length) * 8n);
    this.update(padding);
    return stateBytes(this.#state).toHex();
  }

  /** Everything that {@linkcode ResumableSha256.from} needs, as text. */
  save(): string {
    const rest = this.#block.subarray(0, this.#length % BLOCK_BYTES);
    return `${this.#length}:${stateBytes(this.#state).toHex()}:${rest.toHex()}`;
  }

  /** @throws {SyntaxError} If `saved` is not what {@linkcode ResumableSha256.save} gave. */
  static from(saved: string): ResumableSha256 {
    const [, length, state, rest] = /^(\d{1,15}):([0-9a-f]{64}):((?:[0-9a-f]{2})*)$/.exec(saved) ??
      [];
    if (length === undefined || rest.length / 2 !== Number(length) % BLOCK_BYTES) {
      throw new SyntaxError(`Expected the state of a hash: found "${saved}"`);
    }
    const hash = new ResumableSha256();
    const view = new DataView(Uint8Array.fromHex(state).buffer);
    for (let i = 0; i < 8; i++) hash.#state[i] = view.getInt32(4 * i);
    hash.#block.set(Uint8Array.fromHex(rest));
    hash.#length = Number(length);
    return hash;
  }

  /** FIPS 180-4, 6.2.2. */
  #compress(bytes: Uint8Array, at: number): void {
    const w = this.#words;
    const state = this.#state;
    for (let t = 0; t < 16; t++, at += 4) {
      w[t] = bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3];
    }
    for (let t = 16; t < 64; t++) {
      const x = w[t - 15];
      const y = w[t - 2];
      const s0 = (x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3;
      const s1 = (y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10;
      w[t] = w[t - 16] + s0 + w[t - 7] + s1 | 0;
    }
    const k = ROUND_CONSTANTS;
    let a = state[0], b = state[1], c = state[2], d = state[3];
    let e = state[4], f = state[5], g = state[6], h = state[7];
    // Eight rounds at a time, as the eight words are in their places again then.
    for (let t = 0; t < 64; t += 8) {
      h = early(h, e, f, g, k[t] + w[t]);
      d = d + h | 0;
      h = h + late(a, b, c) | 0;
      g = early(g, d, e, f, k[t + 1] + w[t + 1]);
      c = c + g | 0;
      g = g + late(h, a, b) | 0;
      f = early(f, c, d, e, k[t + 2] + w[t + 2]);
      b = b + f | 0;
      f = f + late(g, h, a) | 0;
      e = early(e, b, c, d, k[t + 3] + w[t + 3]);
      a = a + e | 0;
      e = e + late(f, g, h) | 0;
      d = early(d, a, b, c, k[t + 4] + w[t + 4]);
      h = h + d | 0;
      d = d + late(e, f, g) | 0;
      c = early(c, h, a, b, k[t + 5] + w[t + 5]);
      g = g + c | 0;
      c = c + late(d, e, f) | 0;
      b = early(b, g, h, a, k[t + 6] + w[t + 6]);
      f = f + b | 0;
      b = b + late(c, d, e) | 0;
      a = early(a, f, g, h, k[t + 7] + w[t + 7]);
      e = e + a | 0;
      a = a + late(b, c, d) | 0;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  }
}

/** The first sum of a round: T1. */
function early(h: number, e: number, f: number, g: number, word: number): number {
  const sum = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
  return h + sum + (g ^ e & (f ^ g)) + word | 0;
}

/** The second: T2. */
function late(a: number, b: number, c: number): number {
  const sum = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10);
  return sum + (a & b | c & (a | b)) | 0;
}

/** The eight words, high byte first. */
function stateBytes(state: Int32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(32));
  state.forEach((word, i) => view.setInt32(4 * i, word));
  return new Uint8Array(view.buffer);
}

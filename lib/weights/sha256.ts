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
    for (let t = 0; t < 64; t++) {
      const s1 = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
      const t1 = h + s1 + (g ^ e & (f ^ g)) + k[t] + w[t] | 0;
      const s0 = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10);
      const t2 = s0 + (a & b | c & (a | b)) | 0;
      h = g;
      g = f;
      f = e;
      e = d + t1 | 0;
      d = c;
      c = b;
      b = a;
      a = t1 + t2 | 0;
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

/** The eight words, high byte first. */
function stateBytes(state: Int32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(32));
  state.forEach((word, i) => view.setInt32(4 * i, word));
  return new Uint8Array(view.buffer);
}

/** Results that are kept in memory. */

import { toHex } from "../../encoding.ts";

/** What is kept: its key, and what a result costs. */
export interface Kept<Result> {
  /** What a result depends on besides the image. */
  readonly key: string;
  bytesOf(result: Result): number;
}

interface Entry {
  readonly result: unknown;
  readonly bytes: number;
}

/** Bytes of an entry that may be kept: scores and pooled embeddings, but no layer's every position. */
const MAX_ENTRY_BYTES = 2 ** 17;
/** What an entry costs besides its values: two objects, a text of a hundred characters, a place in a map. */
const ENTRY_BYTES = 512;

/** Keeps the most recently used results, by the hash of their image. */
export class ResultCache {
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  /** A Map iterates in the order of insertion: the first is the least recently used. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  /** With 0 of either nothing is kept. */
  constructor(maxEntries: number, maxBytes: number) {
    this.#maxEntries = maxEntries;
    this.#maxBytes = maxBytes;
  }

  /** Bytes of what is kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Gets the result for an image and a key, or makes it and keeps it if it is small. */
  async getOrMake<Result>(
    image: Uint8Array,
    { key, bytesOf }: Kept<Result>,
    make: () => Promise<Result>,
  ): Promise<{ result: Result; cached: boolean }> {
    if (this.#maxEntries === 0) return { result: await make(), cached: false };
    const id = `${key}:${await sha256(image)}`;
    const kept = this.#entries.get(id);
    const result = kept === undefined ? await make() : kept.result as Result; // What the key was made with.
    this.#remove(id);
    this.#add(id, { result, bytes: ENTRY_BYTES + bytesOf(result) });
    return { result, cached: kept !== undefined };
  }

  #add(id: string, entry: Entry): void {
    if (entry.bytes > MAX_ENTRY_BYTES) return;
    this.#entries.set(id, entry);
    this.#bytes += entry.bytes;
    while (this.#entries.size > this.#maxEntries || this.#bytes > this.#maxBytes) {
      this.#remove(this.#entries.keys().next().value!);
    }
  }

  #remove(id: string): void {
    this.#bytes -= this.#entries.get(id)?.bytes ?? 0;
    this.#entries.delete(id);
  }
}

async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return toHex(new Uint8Array(digest));
}

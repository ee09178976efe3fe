/**
 * Results by the hash of their image.
 *
 * @module
 */

/** Keeps the most recently used values. */
export class ResultCache {
  readonly #capacity: number;
  /** A Map iterates in the order of insertion: the first is the least recently used. */
  readonly #values = new Map<string, unknown>();

  /** `capacity` is a number of values; with 0 nothing is kept. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Number of values that are kept now. */
  get size(): number {
    return this.#values.size;
  }

  /** Gets the value for an image and a key, or makes it and keeps it if it is small. */
  async getOrMake<Value>(
    bytes: Uint8Array,
    key: string,
    make: () => Promise<Value>,
    isSmall: (value: Value) => boolean = () => true,
  ): Promise<{ value: Value; cached: boolean }> {
    if (this.#capacity === 0) return { value: await make(), cached: false };
    const id = `${key}:${await sha256(bytes)}`;
    if (this.#values.has(id)) {
      const value = this.#values.get(id) as Value; // What this key was made with.
      this.#values.delete(id);
      this.#values.set(id, value);
      return { value, cached: true };
    }
    const value = await make();
    if (!isSmall(value)) return { value, cached: false };
    this.#values.set(id, value);
    if (this.#values.size > this.#capacity) {
      this.#values.delete(this.#values.keys().next().value!);
    }
    return { value, cached: false };
  }
}

/** SHA-256 as hex. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return new Uint8Array(digest).toHex();
}

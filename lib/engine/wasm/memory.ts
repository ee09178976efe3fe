/**
 * The WebAssembly memory: what lies where.
 *
 * Everything that lives as long as the engine (weights, constants) is allocated first and never
 * moves; `plan.ts` allocates what one size of input needs behind it, again and again.
 */

const PAGE = 65536;
const MAX_PAGES = 65536;
/** Bytes at the start where threads meet and are told what to do; they begin as zeros. */
const RESERVED = 1024;

/** A WebAssembly memory, handed out from the bottom. */
export class Memory {
  readonly memory: WebAssembly.Memory;
  /** Whether threads can share it. */
  readonly shared: boolean;
  #top = RESERVED;
  #words: Int32Array;

  /**
   * @param bytes What is expected to be needed; more can be allocated.
   * @param shared Whether threads are to share it. Default: if the runtime permits that.
   * @throws {RangeError} If the machine does not have as much.
   */
  constructor(bytes: number, shared: boolean = canShare()) {
    const initial = Math.min(MAX_PAGES, Math.ceil(bytes / PAGE) + 1);
    [this.memory, this.shared] = reserve(initial, shared);
    this.#words = new Int32Array(this.memory.buffer);
  }

  /** A memory of its own with what is allocated below `top`, and room for some bytes more. */
  copy(top: number, more: number): Memory {
    const memory = new Memory(top + more, this.shared);
    memory.words.set(this.words.subarray(RESERVED / 4, top / 4), RESERVED / 4);
    memory.#top = top;
    return memory;
  }

  /** The first free byte. */
  get top(): number {
    return this.#top;
  }

  /** Bytes that the memory has now. */
  get byteLength(): number {
    return this.memory.buffer.byteLength;
  }

  /** Gives back everything from `top` on. */
  release(top: number): void {
    this.#top = top;
  }

  /**
   * Allocates `bytes`, aligned to a cache line; zero only if never used before.
   *
   * @throws {RangeError} If they do not fit in the 4 GiB that WebAssembly can address.
   */
  allocate(bytes: number): number {
    const address = this.#top;
    this.#top = Math.ceil((address + bytes) / 64) * 64;
    if (this.#top > MAX_PAGES * PAGE) {
      throw new RangeError(
        `Cannot hold the network and its input in 4 GiB: ${this.#top} bytes are needed; give a smaller or fewer images`,
      );
    }
    if (this.#top > this.byteLength) {
      this.memory.grow(Math.ceil((this.#top - this.byteLength) / PAGE));
    }
    return address;
  }

  /** All of memory as words; `words[address / 4]`. Valid until the next allocation. */
  get words(): Int32Array {
    if (this.#words.length * 4 !== this.byteLength) {
      this.#words = new Int32Array(this.memory.buffer);
    }
    return this.#words;
  }

  /** A view of bytes. */
  bytes(address: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address, length);
  }

  /** Allocates and fills an array of words. */
  store(values: ArrayLike<number>): number {
    const address = this.allocate(values.length * 4);
    this.words.set(values, address / 4);
    return address;
  }
}

/** Values of a struct's fields; 0 where there is none. */
export type Fields<Struct> = { -readonly [Field in keyof Struct]?: number };

/** A struct of structs.ts as it lies in memory. */
export function wordsOf<Struct extends object>(
  struct: new () => Struct,
  fields: Fields<Struct>,
): number[] {
  return Object.values({ ...new struct(), ...fields });
}

/** Where each field of a struct of structs.ts is, in words. */
export function placesIn<Struct extends object>(
  struct: new () => Struct,
): Readonly<Record<keyof Struct, number>> {
  const places = Object.keys(new struct()).map((field, place) => [field, place]);
  return Object.fromEntries(places);
}

/** Whether threads can be handed a memory: a browser has to have isolated the page from those of other origins. */
const canShare = (): boolean =>
  (globalThis as { readonly crossOriginIsolated?: boolean }).crossOriginIsolated ?? true;

/** Reserves addresses for as much as WebAssembly can have; less where they are scarce. */
function reserve(initial: number, shared: boolean): [WebAssembly.Memory, shared: boolean] {
  for (let maximum = MAX_PAGES;; maximum = Math.max(initial, maximum >> 1)) {
    try {
      return [new WebAssembly.Memory({ initial, maximum, shared }), shared];
    } catch (error) {
      if (maximum > initial) continue;
      if (shared) return reserve(initial, false);
      throw error;
    }
  }
}

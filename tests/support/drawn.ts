/**
 * Properties that hold whatever is drawn: seeds that once failed first, then fresh ones.
 *
 * @module
 */

/** Drawn with a seed of its own each, unless `TESTS_SEED` says which. */
const RUNS = 30;

/** Draws values. The same seed draws the same. */
export class Draw {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** Mulberry32: 0…1. */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number, both ends included. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.fraction() * (max - min + 1));
  }

  isTrue(probability = 0.5): boolean {
    return this.fraction() < probability;
  }

  oneOf<T>(values: readonly T[]): T {
    return values[this.integer(0, values.length - 1)]!;
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => this.integer(0, 255));
  }
}

/** Options of {@linkcode drawnTest}. */
export interface DrawnOptions {
  /** Those that once failed. */
  readonly failed?: readonly number[];
  readonly runs?: number;
}

/** Registers a test of a property. What fails names its seed, for `TESTS_SEED` and for the list. */
export function drawnTest(
  name: string,
  { failed = [], runs = RUNS }: DrawnOptions,
  property: (draw: Draw) => void | Promise<void>,
): void {
  Deno.test(name, async () => {
    const wanted = Deno.env.get("TESTS_SEED");
    const fresh = Array.from({ length: runs }, () => Math.floor(Math.random() * 2 ** 31));
    for (const seed of wanted === undefined ? [...failed, ...fresh] : [Number(wanted)]) {
      try {
        await property(new Draw(seed));
      } catch (error) {
        throw new Error(`Seed ${seed}: ${error instanceof Error ? error.message : error}`, {
          cause: error,
        });
      }
    }
  });
}

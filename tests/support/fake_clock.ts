/**
 * A clock that stands until it is told to go on: `setTimeout` and `performance.now()` go by it.
 *
 * @module
 */

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** Replaces the global clock until it is disposed of. */
export class FakeClock implements Disposable {
  readonly #own = { setTimeout, clearTimeout, now: performance.now };
  readonly #timers = new Map<number, Timer>();
  #now = 0;
  #last = 0;

  constructor() {
    const start = (run: () => void, ms = 0): number => {
      this.#timers.set(++this.#last, { at: this.#now + ms, run });
      return this.#last;
    };
    globalThis.setTimeout = start as unknown as typeof setTimeout; // It has no `__promisify__`.
    globalThis.clearTimeout = (id) => void this.#timers.delete(Number(id));
    performance.now = () => this.#now;
  }

  get now(): number {
    return this.#now;
  }

  /** Timers that have not fired. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Goes on by so many milliseconds; after each timer what is ready runs. */
  async tick(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.settle();
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end)
        .toSorted(([, a], [, b]) => a.at - b.at)[0];
      if (due === undefined) break;
      const [id, { at, run }] = due;
      this.#timers.delete(id);
      this.#now = Math.max(this.#now, at);
      run();
      await this.settle();
    }
    this.#now = end;
  }

  /** Lets all that is ready run, and no timer. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  [Symbol.dispose](): void {
    const { now, ...timers } = this.#own;
    Object.assign(globalThis, timers);
    performance.now = now;
  }
}

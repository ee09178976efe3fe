/**
 * A fixed number of places; who finds none waits in line.
 *
 * @module
 */

/** Limits how many do something at a time, first come, first served. */
export class Slots {
  #free: number;
  readonly #line: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /**
   * Waits for a place, and holds it until the result is disposed of.
   *
   * @throws The signal's reason, if it aborts before there is a place.
   */
  async take(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else await this.#wait(signal);
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        const next = this.#line.shift();
        if (next === undefined) this.#free++;
        else next();
      },
    };
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        signal.removeEventListener("abort", leave);
        // Not at once: decoders run in microtasks, and one after the other would let nothing else
        // run, no answer leave and no health check be answered.
        setImmediate(resolve);
      };
      const leave = (): void => {
        this.#line.splice(this.#line.indexOf(enter), 1);
        reject(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#line.push(enter);
    });
  }
}

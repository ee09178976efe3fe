/**
 * Pauses between attempts, which are noted and not waited for.
 *
 * @module
 */

/** Milliseconds without a byte that are no pause, but a stall. */
const STALL_MS = 30_000;

/** Lets timers fire at once, but for those that tell stalls, until it is disposed of. */
export function notedPauses(): Disposable & { readonly ms: number[] } {
  const { setTimeout } = globalThis, noted: number[] = [];
  globalThis.setTimeout = ((run: () => void, ms = 0) => {
    if (ms === STALL_MS) return setTimeout(run, ms);
    noted.push(ms);
    return setTimeout(run, 0);
  }) as typeof setTimeout;
  return { ms: noted, [Symbol.dispose]: () => void (globalThis.setTimeout = setTimeout) };
}

/** Long work that nothing interrupts: it lets others go first now and then. */

import { IS_DENO } from "../platform.ts";

/** Calls back once all has run that waits already, and no later. */
let soon: ((done: () => void) => void) | undefined;

/**
 * Takes no turns from now on. In an isolate of Cloudflare's what waits for a turn ends with the request that began
 * it, whoever else waits for that as well; and its clock stands still while something computes.
 */
export function takeNoTurns(): void {
  soon = (done) => done();
}

/** A timer would wait for milliseconds. */
function byMessage(done: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    // An open port would keep the process.
    port1.close();
    port2.close();
    done();
  };
  port2.postMessage(undefined);
}

/** Lets whatever waits go first, which no promise that is kept already lets in. */
export function nextTurn(): Promise<void> {
  // The first look at Deno's `setImmediate` loads what it has of Node's timers: 5 to 10 ms.
  soon ??= (IS_DENO ? undefined : globalThis.setImmediate) ?? byMessage;
  return new Promise(soon);
}

/**
 * Lets whatever waits go first, such as a handler of Ctrl-C.
 *
 * @throws What the signal was aborted with.
 */
export async function takeTurn(signal: AbortSignal | undefined): Promise<void> {
  await nextTurn();
  signal?.throwIfAborted();
}

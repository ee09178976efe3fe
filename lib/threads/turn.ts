/** Long work that nothing interrupts: it lets others go first now and then. */

/** Calls back once all has run that waits already, and no later. */
let soon: ((done: () => void) => void) | undefined;

/**
 * Takes no turns from now on. In an isolate of Cloudflare's what waits for a turn ends with the request that began
 * it, whoever else waits for that as well; and its clock stands still while something computes.
 */
export function takeNoTurns(): void {
  soon = (done) => done();
}

/** Where there is no `setImmediate`: a timer would wait for milliseconds. */
function byMessage(): (done: () => void) => void {
  const { port1, port2 } = new MessageChannel(), waiting: (() => void)[] = [];
  port1.onmessage = () => waiting.shift()?.();
  return (done) => {
    waiting.push(done);
    port2.postMessage(undefined);
  };
}

/** Lets whatever waits go first, which no promise that is kept already lets in. */
export function nextTurn(): Promise<void> {
  soon ??= globalThis.setImmediate ?? byMessage();
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

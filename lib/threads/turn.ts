/** Long work that nothing interrupts: it lets others go first now and then. */

/**
 * Lets whatever waits go first, such as a handler of Ctrl-C, which no promise that is kept already lets in.
 *
 * @throws What the signal was aborted with.
 */
export async function takeTurn(signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  signal?.throwIfAborted();
}

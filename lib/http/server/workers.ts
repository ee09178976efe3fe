/** What the workers of `deno serve --parallel`, which share no memory, tell each other. */

import { needed } from "../../system/builtin.ts";
import { delay } from "@std/async/delay";

/** How often a worker looks whether requests have ended. */
const POLL_MS = 20;
/**
 * How long nothing may be under way: workers that got the signal at the same time have heard of each
 * other by then, and the last answers have left.
 */
const QUIET_MS = 200;

/**
 * Tells the other workers where they listen, or asks them: Deno tells one of them only.
 *
 * @param known The address, once this worker knows it.
 * @param learn Called with it if another one does.
 * @returns Tells the others that this worker knows it now.
 */
export function shareAddress(
  known: () => string | undefined,
  learn: (address: string) => void,
): () => void {
  // Node's can be told not to keep the process alive.
  const { BroadcastChannel } = needed("node:worker_threads");
  const channel = new BroadcastChannel("vgg16-address");
  channel.unref();
  const say = (): void => channel.postMessage(known());
  channel.onmessage = (event: unknown) => {
    const { data } = event as MessageEvent<string | undefined>; // Typed as unknown.
    if (known() === undefined && data !== undefined) learn(data);
    else if (known() !== undefined && data === undefined) say();
  };
  say();
  return say;
}

/**
 * Resolves when no worker of this process has had a request under way for a while: the first worker that
 * exits ends them all, so it waits for the others.
 *
 * `deno serve` itself closes the port, at once when the signal comes, and breaks off bodies that are
 * arriving then.
 */
export async function drainTogether(traffic: { readonly active: number }): Promise<void> {
  const id = crypto.randomUUID();
  const busy = new Set<string>();
  const channel = new BroadcastChannel("vgg16-drain");
  channel.onmessage = ({ data }: MessageEvent<{ id: string; active: number }>) => {
    if (data.active > 0) busy.add(data.id);
    else busy.delete(data.id);
  };
  for (let quietMs = 0; quietMs < QUIET_MS; quietMs += POLL_MS) {
    channel.postMessage({ id, active: traffic.active });
    await delay(POLL_MS);
    if (traffic.active > 0 || busy.size > 0) quietMs = 0;
  }
  channel.close();
}

/**
 * The end of `deno serve --parallel`: the first worker that exits ends them all, so it waits for
 * the others.
 *
 * @module
 */

import type { Service } from "./service.ts";

/** How often a worker looks whether its requests have ended. */
const POLL_MS = 20;
/**
 * How long nothing may be under way: workers that got the signal at the same time have heard of each
 * other by then, and the last answers have left.
 */
const QUIET_MS = 200;

/**
 * Resolves when no worker of this process has had a request under way for a while.
 *
 * `deno serve` itself closes the port, at once when the signal comes, and breaks off bodies that are
 * arriving then. What is left to do is to wait for the others.
 */
export async function drainTogether(service: Pick<Service, "traffic">): Promise<void> {
  const id = crypto.randomUUID();
  const busy = new Set<string>();
  const channel = new BroadcastChannel("vgg16-drain");
  channel.onmessage = ({ data }: MessageEvent<{ id: string; active: number }>) => {
    if (data.active > 0) busy.add(data.id);
    else busy.delete(data.id);
  };
  for (let quietMs = 0; quietMs < QUIET_MS; quietMs += POLL_MS) {
    channel.postMessage({ id, active: service.traffic.active });
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    if (service.traffic.active > 0 || busy.size > 0) quietMs = 0;
  }
  channel.close();
}

/**
 * The end of `deno serve --parallel`: the first worker that exits ends them all, so it waits for
 * the others.
 *
 * @module
 */

import type { Service } from "./service.ts";

/** How often a worker looks whether its requests have ended. */
const POLL_MS = 20;
/** All workers get the signal at the same time; within this time they have heard of each other. */
const GREETING_MS = 200;

/**
 * Resolves when no worker of this process has a request under way.
 *
 * `deno serve` cannot be told to close its port: requests that come until the end are answered, and
 * one that comes in the very moment of the end is not.
 */
export async function drainTogether(service: Pick<Service, "traffic">): Promise<void> {
  const id = crypto.randomUUID();
  const busy = new Set<string>();
  const channel = new BroadcastChannel("vgg16-drain");
  channel.onmessage = ({ data }: MessageEvent<{ id: string; active: number }>) => {
    if (data.active > 0) busy.add(data.id);
    else busy.delete(data.id);
  };
  const deadline = performance.now() + GREETING_MS;
  for (;;) {
    channel.postMessage({ id, active: service.traffic.active });
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    if (service.traffic.active === 0 && busy.size === 0 && performance.now() > deadline) break;
  }
  channel.close();
}

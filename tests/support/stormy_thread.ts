/**
 * A thread that starts or does not, as a file says, and then answers, dies or hangs, as it is told.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers";
import { fileURLToPath } from "node:url";
import { parentPort } from "node:worker_threads";

/** What the thread is told. */
export type Order = { readonly echo: number; readonly ms: number } | "throw" | "hang";
function obey(order: Order): void {
  if (order === "throw") throw new Error("as was ordered");
  if (order === "hang") { for (;;); }
  setTimeout(() => parentPort!.postMessage(order.echo), order.ms);
}

/**
 * What a thread does when it starts: start, wait until it says so, or one of {@linkcode Order}. The file
 * that says so is the fragment of this module's address.
 */
function atStart(): string {
  return readFileSync(fileURLToPath(new URL(import.meta.url).hash.slice(1)), "utf8");
}

if (parentPort !== null) {
  while (atStart() === "wait") await new Promise((done) => setTimeout(done, 10));
  const order = atStart();
  if (order === "throw" || order === "hang") obey(order);
  parentPort.on("message", obey);
  parentPort.postMessage("ready");
}

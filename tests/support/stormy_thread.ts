/**
 * A thread that starts or does not, as the environment says (threads see it change), and then answers,
 * dies in one of several ways, or hangs, as it is told.
 *
 * @module
 */

import process from "node:process";
import { parentPort } from "node:worker_threads";

/** What the thread is told. */
export type Order = { readonly echo: number; readonly ms: number } | "throw" | "exit" | "hang";
/**
 * Name of the variable that says what a thread does when it starts: start, wait until it says so, or one
 * of `Order`.
 */
export const AT_START = "STORMY_THREAD";

function obey(order: Order): void {
  if (order === "throw") throw new Error("as was ordered");
  if (order === "exit") process.exit(0);
  if (order === "hang") { for (;;); }
  setTimeout(() => parentPort!.postMessage(order.echo), order.ms);
}

if (parentPort !== null) {
  while (Deno.env.get(AT_START) === "wait") await new Promise((done) => setTimeout(done, 10));
  const atStart = Deno.env.get(AT_START);
  if (atStart === "throw" || atStart === "exit" || atStart === "hang") obey(atStart);
  parentPort.on("message", obey);
  parentPort.postMessage("ready");
}

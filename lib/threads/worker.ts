/** Workers of the runtime's: Node's, which Deno and Bun have too, or the web's. */

import { builtin } from "../system/builtin.ts";

/** What a thread is made of: some of Node's `Worker`. */
export interface RuntimeWorker {
  postMessage(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  /** Tells of messages, of the error that ends it, and of its end. */
  listen(listener: WorkerListener): void;
  /** Whether it keeps the process alive. */
  keepAlive(isNeeded: boolean): void;
  terminate(): Promise<unknown> | void;
}

/** Who hears what a worker says. */
export interface WorkerListener {
  message(message: unknown): void;
  error(cause: unknown): void;
  exit(code: number): void;
}

/**
 * How a thread begins. Its code finds what it was given, and whoever started it, as `port`. Deno kills a
 * thread that is in a loop only if it holds a lock; so it holds one all its life. What confines it comes beside
 * it, or every stack trace would begin with it.
 */
const BEGIN_BY_NODE =
  `import { parentPort as parent, workerData as begin } from "node:worker_threads";
// Below 2.6 Deno's is the global object, of which nothing is left, and 2.1 has the web's events alone.
const { postMessage: post, on, addEventListener: hear } = parent;
const port = {
  given: begin.given,
  send: (message, transfer) => post.call(parent, message, transfer ?? []),
  listen: (listener) => on?.call(parent, "message", listener) ??
    hear.call(parent, "message", ({ data }) => listener(data)),
};
await new Promise((held) =>
  globalThis.navigator?.locks?.request(crypto.randomUUID(), () => {
    held();
    return new Promise(() => {});
  }) ?? held());
(0, eval)(begin.confine);
`;

/**
 * The same in a browser, which tells what is given by a first message, and nobody of a promise that was rejected: as
 * elsewhere that is an error, or who asked would wait for ever.
 */
const BEGIN_BY_WEB = `self.addEventListener("unhandledrejection", (event) => {
  event.preventDefault(); // It is told once.
  throw event.reason;
});
const { post, hear } = {
  post: postMessage.bind(self),
  hear: (listener) => self.addEventListener("message", listener),
};
const listeners = [];
const given = await new Promise((first) => {
  listeners.push(first);
  hear(({ data }) => listeners.at(-1)(data));
});
const port = {
  given,
  send: (message, transfer) => post(message, transfer ?? []),
  listen: (listener) => void listeners.push(listener),
};
`;

/**
 * Starts a worker.
 *
 * @param code A module's text. It may say `port`.
 * @param confine What it runs first: a program's text.
 * @throws If the runtime has none, or its permissions allow none.
 */
export function startWorker(code: string, confine: string, given: unknown): RuntimeWorker {
  const threads = builtin("node:worker_threads");
  if (threads !== undefined) {
    const address = new URL(`data:text/javascript,${encodeURIComponent(BEGIN_BY_NODE + code)}`);
    return nodeWorker(new threads.Worker(address, { workerData: { confine, given }, env: {} }));
  }
  const text = `${BEGIN_BY_WEB}${confine};\n${code}`;
  const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const worker = new Worker(address, { type: "module" });
  worker.postMessage(given);
  return webWorker(worker, () => URL.revokeObjectURL(address));
}

/** A worker of Node's, Deno's or Bun's. */
export function nodeWorker(worker: import("node:worker_threads").Worker): RuntimeWorker {
  return {
    postMessage: (message, transfer) => worker.postMessage(message, transfer),
    listen({ message, error, exit }) {
      worker.on("message", message).once("error", error).once("exit", exit);
    },
    keepAlive: (isNeeded) => isNeeded ? worker.ref() : worker.unref(),
    terminate: () => worker.terminate(),
  };
}

function webWorker(worker: Worker, forget: () => void): RuntimeWorker {
  let tellExit = (_code: number): void => {}, isOver = false;
  const end = (): void => {
    if (isOver) return;
    isOver = true;
    worker.terminate();
    forget();
    tellExit(1);
  };
  return {
    postMessage: (message, transfer = []) => worker.postMessage(message, [...transfer]),
    listen({ message, error, exit }) {
      tellExit = exit;
      worker.onmessage = ({ data }) => message(data);
      worker.onerror = (event) => {
        event.preventDefault();
        error(new Error(event.message || "It could not be started"));
        end(); // A browser tells of no other end.
      };
    },
    keepAlive() {},
    terminate: end,
  };
}

/**
 * The HDF5 library on a thread of its own, which asks for the file's bytes and waits for them, and which
 * is ended when it takes too long.
 *
 * @module
 */

import type { Worker } from "node:worker_threads";
import type { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import type { Box, Hdf5Contents } from "./hdf5_library.ts";
import { type Hdf5Answer, type Hdf5Request, WINDOW, WINDOW_HEAD_BYTES } from "./hdf5_protocol.ts";
import { damaged, type Hdf5Options, type Hdf5Session } from "./hdf5_session.ts";

/** Milliseconds of its own that the library has for one answer; the largest takes one second. */
const LIMIT_MS = 20_000;
/** Milliseconds in which a thread starts, even on a busy machine; one that does not is none. */
const START_LIMIT_MS = 60_000;
/** Bytes of the file that the thread gets at a time. */
const WINDOW_BYTES = 1 << 20;

/** The library on a thread, which asks for the file's bytes and waits for them. */
export class SandboxedHdf5 implements Hdf5Session {
  readonly #window = new SharedArrayBuffer(WINDOW_HEAD_BYTES + WINDOW_BYTES);
  readonly #limitMs: number;
  #isClosed = false;
  #isEnded = false;
  /** Settles when the thread is free. */
  #turn: Promise<unknown> = Promise.resolve();
  /** What was wrong with the source, if something was. */
  #sourceError: unknown;

  constructor(
    private readonly thread: Worker,
    private readonly source: ByteSource,
    private readonly options: Hdf5Options,
  ) {
    this.#limitMs = options.limitMs ?? LIMIT_MS;
  }

  async contents(): Promise<Hdf5Contents> {
    const { roots, attributes: names } = this.options;
    const open = { size: this.source.size!, window: this.#window };
    const answer = await this.#ask({ open, roots, names });
    return "contents" in answer ? answer.contents : this.#unexpected();
  }

  async read(path: string, box: Box): Promise<ArrayLike<number>> {
    const answer = await this.#ask({ read: path, box });
    return "values" in answer ? answer.values : this.#unexpected();
  }

  /** A sound thread waits for the next file; memory that it has taken only its end gives back. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#ask({ close: true }).then(
      (answer) => "closed" in answer && !answer.isWorn ? giveThread(this.thread) : this.#end(),
      () => {}, // It has been ended.
    );
  }

  /** The thread answers one request after the other. */
  #ask(request: Hdf5Request): Promise<Hdf5Answer> {
    const answer = this.#turn.then(() => this.#askNow(request));
    this.#turn = answer.catch(() => {});
    return answer;
  }

  async #askNow(request: Hdf5Request): Promise<Hdf5Answer> {
    const { thread } = this;
    if (this.#isEnded) throw damaged(this.source, "nothing more of it can be read");
    const { promise, resolve, reject } = Promise.withResolvers<Hdf5Answer>();
    const limit = new StopWatch(this.#limitMs, () => reject(this.#tooSlow()));
    const onMessage = async (answer: Hdf5Answer): Promise<void> => {
      if (!("need" in answer)) return resolve(answer);
      // Whatever the disk takes is not the library's fault.
      limit.stop();
      const state = await this.#fill(answer.need);
      limit.start();
      const word = new Int32Array(this.#window, 0, 1);
      Atomics.store(word, 0, state);
      Atomics.notify(word, 0);
    };
    const onEnd = () => reject(damaged(this.source, "the library broke down"));
    thread.on("message", onMessage).once("error", onEnd).once("exit", onEnd).ref();
    try {
      limit.start();
      thread.postMessage(request);
      const answer = await promise;
      if ("damaged" in answer) throw this.#sourceError ?? damaged(this.source, answer.damaged);
      return answer;
    } catch (error) {
      // After an error nobody knows what state the library is in.
      this.#end();
      throw error;
    } finally {
      limit.stop();
      thread.off("message", onMessage).off("error", onEnd).off("exit", onEnd).unref();
    }
  }

  async #fill(begin: number): Promise<number> {
    const count = Math.min(WINDOW_BYTES, this.source.size! - begin);
    try {
      await this.source.read(begin, new Uint8Array(this.#window, WINDOW_HEAD_BYTES, count));
      return WINDOW.filled;
    } catch (error) {
      this.#sourceError = error;
      return WINDOW.failed;
    }
  }

  #end(): void {
    this.#isEnded = true;
    this.thread.terminate();
  }

  #tooSlow(): CheckpointFormatError {
    return damaged(this.source, `the HDF5 library came to no end in ${this.#limitMs / 1000} s`);
  }

  #unexpected(): never {
    throw new Error("The HDF5 thread gave another answer than was asked for");
  }
}

/** Counts the time while it runs, and says when it is over. */
class StopWatch {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #since = 0;

  constructor(private left: number, private readonly over: () => void) {}

  start(): void {
    this.#since = performance.now();
    this.#timer = setTimeout(this.over, Math.max(0, this.left));
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.left -= performance.now() - this.#since;
  }
}

/** A thread that waits for a file. It does not keep the process alive. */
let idle: Worker | undefined;

/** Gives a thread with the library loaded; `undefined` where there are no threads. */
export async function takeThread(): Promise<Worker | undefined> {
  const waiting = idle;
  idle = undefined;
  if (waiting !== undefined) return waiting;
  try {
    const { Worker } = await import("node:worker_threads");
    const script = new URL("./hdf5_thread.ts", import.meta.url);
    // A module that came over the network cannot be a thread, but be imported by one.
    const isFile = script.protocol === "file:";
    const code = `data:text/javascript,import ${JSON.stringify(script.href)}`;
    const thread = new Worker(isFile ? script : new URL(code));
    return await started(thread);
  } catch {
    return undefined;
  }
}

/** Waits until the library is loaded. */
async function started(thread: Worker): Promise<Worker> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const timer = setTimeout(reject, START_LIMIT_MS);
  thread.once("message", resolve).once("error", reject).once("exit", reject);
  try {
    await promise;
    thread.removeAllListeners().unref();
    return thread;
  } catch (error) {
    await thread.terminate();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function giveThread(thread: Worker): void {
  if (idle === undefined) idle = thread;
  else thread.terminate();
}

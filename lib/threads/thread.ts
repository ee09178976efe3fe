/**
 * Threads: how they start and end, and that nobody waits for one that has died. README.md says what the
 * runtime does and does not do about it.
 */

import { HAND_OVER } from "./port.ts";
import { Cleanup } from "../cleanup.ts";
import { confine } from "./confine.ts";
import { type RuntimeWorker, startWorker } from "./worker.ts";

/** Milliseconds in which a thread starts, even on a busy machine; one that does not is none. */
const START_LIMIT_MS = 60_000;
/** Milliseconds that a thread has to finish what it does before it is killed. */
const GRACE_MS = 2000;

/** The first message of a thread that has started. */
const READY = "ready";

/** How long to wait. */
export interface WaitOptions {
  /** Gives up when it aborts. */
  readonly signal?: AbortSignal;
  /** Milliseconds after which to give up. Default: never. */
  readonly limitMs?: number;
}

/** A thread that answers one question at a time, or that is told what to do in shared memory. */
export class Thread {
  readonly #worker: RuntimeWorker;
  /** What it has not answered; the first is whether it has started. */
  #question: PromiseWithResolvers<unknown> | undefined = Promise.withResolvers();
  readonly #first = this.#question!.promise;
  /** Why it can no longer be used. */
  #death: Error | undefined;
  readonly #watchers = new Set<(death: Error) => void>();

  constructor(worker: RuntimeWorker) {
    this.#worker = worker;
    worker.listen({
      message: (message) => this.#hear(message),
      error: (cause) => this.#die("A thread failed", cause),
      // It may also leave without an error.
      exit: (code) => {
        this.#die(`A thread ended with code ${code}`);
        this.#hear(undefined); // There will be no other answer.
      },
    });
    worker.keepAlive(false);
  }

  /**
   * Waits for its first message, which may have come: Deno loads a global that is touched for the first
   * time, and lets messages be heard in the midst of that.
   *
   * @throws A `TimeoutError`, why it has died, or why it could not load its module.
   */
  async started(options: WaitOptions): Promise<void> {
    const first = await until(this.#first, [this], options);
    if (first !== READY) throw new Error("A thread did not start", { cause: first });
  }

  /** Whether it can be asked. */
  get isFree(): boolean {
    return this.#death === undefined && this.#question === undefined;
  }

  /**
   * Sends a message, and waits for the next one of the thread.
   *
   * @throws The signal's reason, a `TimeoutError`, or why the thread has died. If it lives it is not free
   *   until it has answered nevertheless.
   */
  ask<Answer>(
    message: unknown,
    { transfer = [], ...options }: WaitOptions & { readonly transfer?: readonly ArrayBuffer[] } =
      {},
  ): Promise<Answer> {
    return this.#next(options, () => this.#worker.postMessage(message, transfer));
  }

  /** Waits for the next message, likewise. */
  next<Answer>(options: WaitOptions = {}): Promise<Answer> {
    return this.#next(options, () => {});
  }

  async #next<Answer>(options: WaitOptions, ask: () => void): Promise<Answer> {
    options.signal?.throwIfAborted();
    if (!this.isFree) throw this.#death ?? new Error("Expected a thread without a question");
    ask();
    this.#question = Promise.withResolvers();
    const answer = this.#question.promise as Promise<Answer>; // As the caller knows the script.
    return await until(answer, [this], options);
  }

  /** Waits until it is free or gone: in a moment it is one or the other. */
  async rest(): Promise<void> {
    await this.#finish();
    if (!this.isFree) await this.end();
  }

  /** Ends it, whatever it does. Who waits for it is told at once. */
  async end(): Promise<void> {
    this.#die("A thread was ended");
    await this.#finish();
    await this.#worker.terminate();
  }

  /** Waits for its last answer, but not for long. */
  async #finish(): Promise<void> {
    const question = this.#question;
    if (question === undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    // Deno may let an answer be heard while it loads this global.
    const timer = setTimeout(resolve, GRACE_MS);
    question.promise.then(() => resolve());
    await promise;
    clearTimeout(timer);
  }

  #hear(message: unknown): void {
    this.#question?.resolve(message);
    this.#question = undefined;
  }

  #die(message: string, cause?: unknown): void {
    this.#death ??= new Error(message, { cause });
    for (const tell of this.#watchers) tell(this.#death);
  }

  /** Tells of its death, and keeps the process alive, until the result is disposed of. */
  watch(tell: (death: Error) => void): Disposable {
    this.#watchers.add(tell);
    this.#worker.keepAlive(true);
    if (this.#death !== undefined) tell(this.#death);
    return {
      [Symbol.dispose]: () => {
        this.#watchers.delete(tell);
        if (this.#watchers.size === 0) this.#worker.keepAlive(false);
      },
    };
  }
}

/**
 * Waits for something that threads do. It leaves nothing behind, however often it is called: with
 * `Promise.race()` against their death each call would cost memory for as long as they live.
 *
 * @throws Whatever `promise` throws, the signal's reason, a `TimeoutError`, or why a thread has died.
 */
export async function until<Value>(
  promise: Promise<Value>,
  threads: readonly Thread[],
  { signal, limitMs }: WaitOptions = {},
): Promise<Value> {
  const first = Promise.withResolvers<Value>();
  promise.then(first.resolve, first.reject);
  using watching = new Cleanup();
  for (const thread of threads) watching.use(thread.watch(first.reject));
  if (signal !== undefined) {
    const giveUp = (): void => first.reject(signal.reason);
    if (signal.aborted) giveUp();
    signal.addEventListener("abort", giveUp, { once: true });
    watching.defer(() => signal.removeEventListener("abort", giveUp));
  }
  if (limitMs !== undefined) {
    const error = new DOMException(`A thread did not answer in ${limitMs} ms`, "TimeoutError");
    const timer = setTimeout(() => first.reject(error), limitMs);
    watching.defer(() => clearTimeout(timer));
  }
  return await first.promise;
}

/**
 * Starts a thread for each of `data`, which it finds as its port's `given`, and waits until each has sent
 * `"ready"`. All start, or none. They are confined: see {@linkcode confine}.
 *
 * @param script The address of a module, or the code of one without imports of its own, which needs no
 *   permission to read.
 * @throws If the runtime or its permissions allow no threads: compute on this one then.
 */
export async function startThreads(
  script: URL | string,
  data: readonly unknown[],
): Promise<Thread[]> {
  // A module that came over the network cannot be a thread, but be imported by one. Why it cannot, the
  // runtime would print.
  const code = typeof script === "string"
    ? script
    : `${HAND_OVER}await import("${script.href}").catch((error) => port.send(String(error)));`;
  const threads: Thread[] = [];
  try {
    for (const given of data) {
      threads.push(new Thread(startWorker(code, `(${confine})()`, given)));
    }
    await Promise.all(threads.map((thread) => thread.started({ limitMs: START_LIMIT_MS })));
    return threads;
  } catch (error) {
    await Promise.all(threads.map((thread) => thread.end()));
    throw error;
  }
}

/** The ending of a module's file, `.ts` or `.js`, by its address: a thread's module beside it has the same. */
export function endingOf(address: string): string {
  return /\.[jt]s(?=$|[?#])/.exec(address)?.[0] ?? ".js";
}

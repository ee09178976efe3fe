/** Waiting in line, and threads that are waited for in line. */

import { nextTurn } from "./turn.ts";
import { AsyncCleanup, Cleanup } from "../cleanup.ts";
import { startThreads, type Thread, until } from "./thread.ts";

/** Milliseconds without another try, where a thread could not be started. */
const PAUSE_MS = 5000;

/**
 * Lets so many do something at a time; others wait in line, first come, first served. Who takes several
 * places waits until all of them are free.
 *
 * ```ts ignore
 * using _place = await line.take(request.signal); // given back at the end of the block
 * ```
 */
export class Line {
  /** Who waits for how many places, in the order in which they came. */
  readonly #waiting = new Map<() => void, number>();

  constructor(private free: number) {}

  /**
   * Waits for a place, and holds it until the result is disposed of. A second time changes nothing.
   *
   * @param places How many to take, of those that there are.
   * @throws The signal's reason, if it aborts before there is a place.
   */
  async take(signal?: AbortSignal, places: number = 1): Promise<Disposable> {
    signal?.throwIfAborted();
    if (this.#waiting.size === 0 && this.free >= places) this.free -= places;
    else await this.#wait(signal, places);
    const held = new Cleanup();
    held.defer(() => this.#leave(places));
    return held;
  }

  async #wait(signal: AbortSignal | undefined, places: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // Not at once: decoders run in microtasks, and one after the other would let nothing else run, no
    // answer leave and no health check be answered.
    const enter = (): void => void nextTurn().then(resolve);
    const giveUp = (): void => {
      if (!this.#waiting.delete(enter)) return;
      reject(signal?.reason);
      this.#leave(0); // Those behind may find enough.
    };
    signal?.addEventListener("abort", giveUp, { once: true });
    this.#waiting.set(enter, places);
    try {
      await promise;
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
  }

  #leave(places: number): void {
    this.free += places;
    for (const [enter, places] of this.#waiting) {
      if (this.free < places) return;
      this.free -= places;
      this.#waiting.delete(enter);
      enter();
    }
  }
}

/** A thread for oneself, until it is disposed of. */
export interface Lease extends Disposable {
  readonly thread: Thread;
}

/** Threads of one script, which start when they are needed, and stay until their last holder leaves. */
export class ThreadPool {
  /** Who wants no thread but must not be one too many takes a place here. */
  readonly line: Line;
  /** Those without work. */
  readonly #idle: Thread[] = [];
  #retryAt = 0;
  #holders = 0;
  /** How often the last holder has left: what was taken before is not kept. */
  #era = 0;

  /**
   * @param script Sends a message when it is ready, and then one for each message that it gets; `undefined`
   *   where there are no threads.
   */
  constructor(
    private readonly script: URL | undefined,
    most: number = Infinity,
    private readonly pauseMs: number = PAUSE_MS,
  ) {
    this.line = new Line(most);
  }

  /** Wants the threads to stay, until the result is disposed of. */
  hold(): AsyncDisposable {
    this.#holders++;
    const held = new AsyncCleanup();
    held.defer(async () => {
      if (--this.#holders > 0) return;
      this.#era++;
      await Promise.all(this.#idle.splice(0).map((thread) => thread.end()));
    });
    return held;
  }

  /**
   * Waits in line for a thread. One that is still busy or has died when it is given back makes room for
   * another once it is free or gone.
   *
   * @returns `undefined` where none can be started, so that the caller does its work itself. It is tried
   *   again at a later call.
   * @throws The signal's reason, if it aborts before there is a thread.
   */
  async take(signal?: AbortSignal): Promise<Lease | undefined> {
    using held = new Cleanup();
    const place = await this.line.take(signal);
    const era = this.#era, taking = this.#takeIdleOrStart();
    held.defer(async () => this.#giveBack(await taking, place, era));
    const thread = await until(taking, [], { signal });
    if (thread === undefined) return undefined;
    const lease = held.move();
    return { thread, [Symbol.dispose]: () => lease.dispose() };
  }

  async #takeIdleOrStart(): Promise<Thread | undefined> {
    while (this.#idle.length > 0) {
      const thread = this.#idle.pop()!;
      if (thread.isFree) return thread; // It has not died meanwhile.
    }
    if (this.script === undefined || performance.now() < this.#retryAt) return undefined;
    try {
      const [thread] = await startThreads(this.script, [undefined]);
      return thread;
    } catch {
      this.#retryAt = performance.now() + this.pauseMs;
      return undefined;
    }
  }

  async #giveBack(thread: Thread | undefined, place: Disposable, era: number): Promise<void> {
    if (thread !== undefined) {
      if (!thread.isFree) await thread.rest();
      if (era !== this.#era) await thread.end();
      else if (thread.isFree) this.#idle.push(thread);
    }
    place[Symbol.dispose]();
  }
}

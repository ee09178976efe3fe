/** Dynamic batching: what waits for the engine goes through it together. */

import { nextTurn } from "../../threads/turn.ts";
import { isVggError } from "../../errors.ts";

/** What is to be done with some inputs at once. */
export interface Work<Input, Output> {
  /** Inputs go together if their work has the same key. */
  readonly key: string;
  /** Gives one output per input, in their order. */
  run(inputs: readonly Input[], signal: AbortSignal): Promise<readonly Output[]>;
}

/** An output, and how it came about. */
export interface Outcome<Output> {
  readonly output: Output;
  /** Milliseconds from submission to the start of the run. */
  readonly queueMs: number;
  /** Milliseconds of the run. */
  readonly runMs: number;
  /** Inputs in the run. */
  readonly batch: number;
}

/** Options of {@linkcode BatchQueue}. */
export interface QueueOptions {
  /** Most that the inputs of a run cost together; one that costs more goes alone. */
  readonly maxBatch: number;
  readonly maxQueueDelayMs: number;
  /** Called after each run with its number of inputs and its milliseconds. */
  readonly onRun?: (batch: number, runMs: number) => void;
}

interface Entry {
  readonly work: Work<unknown, unknown>;
  readonly input: unknown;
  readonly cost: number;
  readonly signal: AbortSignal;
  readonly submitted: number;
  resolve(outcome: Outcome<unknown>): void;
  reject(reason: unknown): void;
}

/**
 * Runs one batch after the other: each takes all that came while the last one ran, up to
 * `maxBatch`.
 *
 * What costs least goes first, and what came first is passed over only once: small pictures wait for
 * one run of large ones, however many these are, and those do not wait for all small ones.
 *
 * It waits up to `maxQueueDelayMs` for inputs that are announced and not yet here. Where none is,
 * it waits for nobody.
 */
export class BatchQueue {
  readonly #options: QueueOptions;
  #waiting: Entry[] = [];
  #announced = 0;
  #running = false;
  /** Whether the last run did without the input that had waited longest. */
  #passedOver = false;
  #wake: (() => void) | undefined;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  /** Announces an input that is on its way, until the result is disposed of. */
  announce(): Disposable {
    this.#announced++;
    return {
      [Symbol.dispose]: () => {
        this.#announced--;
        this.#wake?.();
      },
    };
  }

  /**
   * Submits an input and waits for its output.
   *
   * @param cost In images that are looked at once.
   * @throws What the work throws; the signal's reason, if it aborts. An input that still waits is
   * then taken out of the queue, and a run whose every input was given up is told so by its
   * signal.
   */
  async submit<Input, Output>(
    work: Work<Input, Output>,
    input: Input,
    signal: AbortSignal,
    cost: number = 1,
  ): Promise<Outcome<Output>> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Outcome<unknown>>();
    const submitted = performance.now();
    const entry = {
      work: work as Work<unknown, unknown>,
      input,
      cost,
      signal,
      submitted,
      resolve,
      reject,
    };
    const leave = (): void => {
      this.#waiting = this.#waiting.filter((waiting) => waiting !== entry);
      reject(signal.reason);
    };
    signal.addEventListener("abort", leave, { once: true });
    this.#waiting.push(entry);
    this.#wake?.();
    if (!this.#running) this.#runAll();
    try {
      return await promise as Outcome<Output>;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  async #runAll(): Promise<void> {
    this.#running = true;
    while (this.#waiting[0] !== undefined) {
      await this.#gather(this.#waiting[0]);
      const batch = this.#takeBatch(), work = batch[0]?.work;
      if (work !== undefined) await this.#run(work, batch);
    }
    this.#running = false;
  }

  /** Waits for announced inputs: until the batch is full, all have come, or the delay is over. */
  async #gather(first: Entry): Promise<void> {
    const { maxBatch, maxQueueDelayMs } = this.#options;
    const deadline = first.submitted + maxQueueDelayMs;
    while (this.#announced > 0 && this.#waiting.length > 0 && this.#waiting.length < maxBatch) {
      const left = deadline - performance.now();
      if (left <= 0) break;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
  }

  #takeBatch(): Entry[] {
    const [oldest] = this.#waiting;
    if (oldest === undefined) return [];
    const cheapest = this.#waiting.reduce((a, b) => b.cost < a.cost ? b : a);
    const first = this.#passedOver ? oldest : cheapest;
    let left = this.#options.maxBatch - first.cost;
    const batch: Entry[] = [first], others: Entry[] = [];
    for (const entry of this.#waiting) {
      if (entry === first) continue;
      const fits = entry.work.key === first.work.key && entry.cost <= left;
      if (fits) left -= entry.cost;
      (fits ? batch : others).push(entry);
    }
    this.#waiting = others;
    this.#passedOver = !batch.includes(oldest);
    return batch;
  }

  async #run(work: Entry["work"], batch: readonly Entry[]): Promise<void> {
    const started = performance.now();
    const abort = abortWithAll(batch.map(({ signal }) => signal));
    try {
      const outputs = await work.run(batch.map(({ input }) => input), abort.signal);
      const runMs = performance.now() - started;
      this.#options.onRun?.(batch.length, runMs);
      batch.forEach(({ submitted, resolve }, i) =>
        resolve({ output: outputs[i], queueMs: started - submitted, runMs, batch: batch.length })
      );
    } catch (error) {
      const isLoss = isVggError(error, "backend-lost");
      if (batch.length === 1 || abort.signal.aborted || isLoss) {
        batch.forEach(({ reject }) => reject(error));
      } else {
        await this.#runEachAlone(batch);
      }
    } finally {
      abort[Symbol.dispose]();
    }
    // An engine on this thread lets nothing else happen while it runs: answers leave now, and what
    // has come meanwhile is decoded.
    await nextTurn();
  }

  /** What one input is to blame for is not the others' error. */
  async #runEachAlone(batch: readonly Entry[]): Promise<void> {
    for (const entry of batch) {
      if (!entry.signal.aborted) await this.#run(entry.work, [entry]);
    }
  }
}

/** A signal that aborts once all the given ones have. */
function abortWithAll(signals: readonly AbortSignal[]): Disposable & { signal: AbortSignal } {
  const controller = new AbortController();
  const check = (): void => {
    if (signals.every(({ aborted }) => aborted)) controller.abort(signals[0]?.reason);
  };
  for (const signal of signals) signal.addEventListener("abort", check);
  check();
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const signal of signals) signal.removeEventListener("abort", check);
    },
  };
}

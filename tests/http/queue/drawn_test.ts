/**
 * The queue and the cache of results as machines: whatever comes in whatever order, what they promise holds.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { BatchQueue, type Work } from "../../../lib/http/queue/batch_queue.ts";
import { ResultCache } from "../../../lib/http/queue/result_cache.ts";
import { type Draw, drawnTest } from "../../support/drawn.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const MAX_BATCH = 4, DELAY_MS = 100, RUN_MS = 7;

/** One input: what was asked, and what became of it. */
interface Submitted {
  readonly id: number;
  readonly key: string;
  readonly cost: number;
  readonly at: number;
  readonly aborting: AbortController;
  outcome?: string;
}

/** A queue in front of an engine that takes its time, and what it was given. */
class Machine {
  readonly inputs: Submitted[] = [];
  readonly announced: Disposable[] = [];
  #running = 0;
  readonly #begun = new Set<Submitted>();
  /** Runs that did without the input that had waited longest. */
  readonly #passedOver = new Map<Submitted, number>();
  readonly #queue: BatchQueue;
  readonly #clock: FakeClock;
  readonly #draw: Draw;

  constructor(clock: FakeClock, draw: Draw) {
    this.#clock = clock;
    this.#draw = draw;
    this.#queue = new BatchQueue({ maxBatch: MAX_BATCH, maxQueueDelayMs: DELAY_MS });
  }

  /** Inputs of which nothing has become. */
  get open(): Submitted[] {
    return this.inputs.filter(({ outcome }) => outcome === undefined);
  }

  announce(): void {
    this.announced.push(this.#queue.announce());
  }

  submit(): void {
    const draw = this.#draw, aborting = new AbortController();
    const input: Submitted = {
      id: this.inputs.length,
      key: draw.oneOf(["a", "a", "b"]),
      cost: draw.oneOf([1, 1, 1, 2, 3, 9]),
      at: this.#clock.now,
      aborting,
    };
    this.inputs.push(input);
    this.#queue.submit(this.#workOf(input.key), input, aborting.signal, input.cost).then(
      ({ output }) => this.#end(input, output),
      (error) => this.#end(input, `${error}`),
    );
  }

  #end(input: Submitted, outcome: string): void {
    assertEquals(input.outcome, undefined, `${input.id} ends twice`);
    input.outcome = outcome;
  }

  #workOf(key: string): Work<Submitted, string> {
    return { key, run: (inputs) => this.#run(key, inputs) };
  }

  async #run(key: string, inputs: readonly Submitted[]): Promise<string[]> {
    try {
      assertEquals(++this.#running, 1, "two runs at once");
      this.#check(key, inputs);
      await new Promise<void>((resolve) => setTimeout(resolve, RUN_MS));
      if (this.#draw.isTrue(0.1)) throw new Error("the engine failed");
      return inputs.map(({ id }) => `output ${id}`);
    } finally {
      this.#running--;
    }
  }

  #check(key: string, inputs: readonly Submitted[]): void {
    assertEquals(inputs.map((input) => input.key), inputs.map(() => key));
    const cost = inputs.reduce((sum, input) => sum + input.cost, 0);
    assert(cost <= MAX_BATCH || inputs.length === 1, `${cost} together`);
    for (const { id, outcome } of inputs) assertEquals(outcome, undefined, `${id} runs again`);
    // What failed together runs again alone, before anything else.
    const isAgain = inputs.some((input) => this.#begun.has(input));
    const oldest = this.open.find((input) =>
      !this.#begun.has(input) && !input.aborting.signal.aborted
    );
    for (const input of inputs) this.#begun.add(input);
    if (isAgain || oldest === undefined || inputs.includes(oldest)) return;
    const times = (this.#passedOver.get(oldest) ?? 0) + 1;
    this.#passedOver.set(oldest, times);
    assertEquals(times, 1, `${oldest.id} is passed over again`);
  }
}

drawnTest(
  "each input of a queue ends once, with its own output, an error or its abort",
  {},
  async (draw) => {
    using clock = new FakeClock();
    const machine = new Machine(clock, draw);
    for (let steps = draw.integer(5, 60); steps > 0; steps--) {
      const step = draw.fraction();
      if (step < 0.5) machine.submit();
      else if (step < 0.6) machine.announce();
      else if (step < 0.7) machine.announced.pop()?.[Symbol.dispose]();
      else if (step < 0.8 && machine.open.length > 0) {
        draw.oneOf(machine.open).aborting.abort(
          "left",
        );
      } else await clock.tick(draw.integer(0, 2 * RUN_MS));
    }
    // Whatever is announced and never comes holds up an input for the delay at most.
    for (let ms = 0; machine.open.length > 0; ms += DELAY_MS) {
      assert(ms < 1e5, `${machine.open.map(({ id }) => id)} wait for ever`);
      await clock.tick(DELAY_MS);
    }
    for (const { id, outcome, aborting: { signal } } of machine.inputs) {
      const allowed = [
        `output ${id}`,
        "Error: the engine failed",
        ...signal.aborted ? ["left"] : [],
      ];
      assert(allowed.includes(outcome!), `${id}: ${outcome}`);
    }
    // Of what was given up a run, or a wait, may go on.
    await clock.tick(10 * DELAY_MS);
    assertEquals(clock.waiting, 0, "timers that are left");
  },
);

drawnTest(
  "a queue whose inputs all came waits for none, and for announced ones no longer than it may",
  {},
  async (draw) => {
    using clock = new FakeClock();
    const machine = new Machine(clock, draw);
    const isAnnounced = draw.isTrue();
    if (isAnnounced) machine.announce();
    machine.submit();
    await clock.tick(0);
    const before = DELAY_MS - 1;
    await clock.tick(before);
    assertEquals(machine.open.length, isAnnounced ? 1 : 0);
    await clock.tick(1 + RUN_MS + RUN_MS);
    assertEquals(machine.open.length, 0);
  },
);

/** What a cache of results should do, in a list: the last is the most recently used. */
class ListedCache {
  readonly entries: { id: string; bytes: number }[] = [];

  constructor(private readonly maxEntries: number, private readonly maxBytes: number) {}

  /** @returns Whether it was there. */
  use(id: string, bytes: number): boolean {
    const at = this.entries.findIndex((entry) => entry.id === id);
    const [found] = at < 0 ? [] : this.entries.splice(at, 1);
    if (bytes <= 2 ** 17) this.entries.push(found ?? { id, bytes });
    while (this.entries.length > this.maxEntries || this.bytes > this.maxBytes) {
      this.entries.shift();
    }
    return found !== undefined;
  }

  get bytes(): number {
    return this.entries.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

drawnTest("a cache of results keeps what a list of the last ones does", {}, async (draw) => {
  const maxEntries = draw.integer(1, 6), maxBytes = draw.integer(1000, 400_000);
  const cache = new ResultCache(maxEntries, maxBytes);
  const listed = new ListedCache(maxEntries, maxBytes);
  for (let steps = 80; steps > 0; steps--) {
    const image = draw.integer(0, 5), key = draw.oneOf(["classify", "embed"]);
    // What an image is embedded as has always one size; some are too large to be kept.
    const bytes = [100, 1000, 10_000, 60_000, 130_000, 200_000][image]!;
    const { result, cached } = await cache.getOrMake(
      Uint8Array.of(image),
      { key, bytesOf: () => bytes },
      () => Promise.resolve(`${key} ${image}`),
    );
    assertEquals(result, `${key} ${image}`);
    assertEquals(cached, listed.use(result, bytes + 512), `${result}`);
    assertEquals(cache.bytes, listed.bytes);
  }
});

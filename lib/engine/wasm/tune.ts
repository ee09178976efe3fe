/**
 * Which kernel is the fastest for each layer on this machine: a short timed trial.
 *
 * No result depends on it: all kernels give the same integers.
 *
 * @module
 */

import type { Memory } from "./memory.ts";
import { makePlan, type Network, type PlanKey, type PlannedStep } from "./plan.ts";
import type { Executor } from "./pool.ts";
import { type Kernel, KERNELS, type Stage } from "./stage.ts";
import { FIELDS, STEP_BYTES } from "./steps.ts";

/** The fastest of some repetitions counts; the first ones also let V8 finish its compilation. */
const REPETITIONS = 3;
/** A kernel has to be this much faster than those before it: a trial this short is not exact. */
const MARGIN = 1.15;

/** Milliseconds by layer and kernel. */
type Times = Map<string, Map<Kernel, number>>;

/** Layers of one shape take the same time: only the first is tried. */
const shapeOf = ({ layer, full, pooled }: Stage): string =>
  [layer.channels, layer.padded, full.rows, full.columns, pooled].join();

/**
 * Tries all kernels on the network's shapes; the memory that it uses is free again afterwards.
 *
 * @param executor One thread: how tasks compare does not depend on how many run at once.
 * @param key The size of input to tune for.
 * @returns The kernel of each layer that has a choice.
 */
export async function tune(
  memory: Memory,
  network: Network,
  executor: Executor,
  key: PlanKey,
  hasChoice: (stage: Stage) => boolean,
): Promise<Map<string, Kernel>> {
  const top = memory.top;
  const times: Times = new Map();
  /** The layer whose times count for a layer. */
  const representative = new Map<string, string>();
  for (const kernel of KERNELS) {
    const shapes = new Map<string, string>();
    const plan = makePlan(memory, network, key, executor.threads, (stage) => {
      if (!hasChoice(stage)) return "direct";
      const shape = shapeOf(stage), { name } = stage.layer;
      if (!shapes.has(shape)) shapes.set(shape, name);
      representative.set(name, shapes.get(shape)!);
      return kernel;
    });
    for (const step of plan.convolutions) {
      if (representative.get(step.layer) !== step.layer) continue;
      const ofLayer = times.get(step.layer) ?? new Map<Kernel, number>();
      const ms = await time(memory, executor, step);
      times.set(step.layer, ofLayer.set(kernel, (ofLayer.get(kernel) ?? 0) + ms));
    }
    memory.release(top);
  }
  return new Map(
    [...representative].map(([layer, of]) => [layer, fastest(times.get(of)!)] as const),
  );
}

/** Estimates a step's time from one of its tasks. */
async function time(memory: Memory, executor: Executor, step: PlannedStep): Promise<number> {
  const word = (field: typeof FIELDS[number]): number =>
    (step.address >> 2) + FIELDS.indexOf(field);
  const all = memory.words[word("tasks")];
  memory.words[word("tasks")] = 1;
  // There are no images, so there is nothing to scale.
  memory.words[word("endLayer")] = memory.words[word("beginLayer")] = 0;
  let least = Infinity;
  for (let i = 0; i < REPETITIONS; i++) {
    const start = performance.now();
    await executor.execute(step.address, step.address + STEP_BYTES);
    least = Math.min(least, performance.now() - start);
  }
  return least * all;
}

function fastest(times: ReadonlyMap<Kernel, number>): Kernel {
  return [...times].reduce((best, next) => next[1] * MARGIN < best[1] ? next : best)[0];
}

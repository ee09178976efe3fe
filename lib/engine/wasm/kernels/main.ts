// The kernels' entry: runs some steps of a plan, on one of several threads.

import * as Kernel from "../kernel_numbers";
import { Barrier, Layer, Step } from "../structs";
import { average, averageFloat } from "./average";
import { convolve } from "./direct";
import { beginLayer, endLayer } from "./fixed";
import { convolveFloat, rectifyFloat, tabulateFloat } from "./float";
import { pool, requantize, tabulate } from "./values";
import { convolvePatches, multiplyPatches, transformPatches } from "./winograd";

export { pack, packFirst } from "./pack";
export { transformFilters } from "./winograd";

/** Times a waiting thread looks again before it sleeps: some 20 microseconds. */
const SPINS = 4000;

/** Runs the steps at `from` up to `to`, together with the other threads. */
export function execute(from: usize, to: usize, barrier: usize, thread: i32): void {
  for (let at = from; at < to; at += offsetof<Step>()) {
    const step = changetype<Step>(at);
    const scratch = step.scratch + thread * step.scratchBytes;
    const next = at + offsetof<Step>("next");
    for (;;) {
      const task = atomic.add<i32>(next, 1);
      if (task >= step.tasks) break;
      runTask(step, task, scratch);
    }
    meet(changetype<Barrier>(barrier), step);
    if (changetype<Barrier>(barrier).stopped) return;
  }
}

function runTask(step: Step, task: i32, scratch: usize): void {
  switch (step.kernel) {
    case Kernel.TABULATE:
      return tabulate(step, task);
    case Kernel.TABULATE_FLOAT:
      return tabulateFloat(step, task);
    case Kernel.REQUANTIZE:
      return requantize(step, task);
    case Kernel.RECTIFY_FLOAT:
      return rectifyFloat(step, task);
    case Kernel.AVERAGE:
      return average(step, task);
    case Kernel.AVERAGE_FLOAT:
      return averageFloat(step, task);
    case Kernel.CONVOLVE:
      return convolve(step, task, scratch);
    case Kernel.CONVOLVE_FLOAT:
      return convolveFloat(step, task, scratch);
    case Kernel.CONVOLVE_PATCHES:
      return convolvePatches(step, task, scratch);
    case Kernel.TRANSFORM_PATCHES:
      return transformPatches<i16>(step, task, scratch);
    case Kernel.TRANSFORM_PATCHES_FLOAT:
      return transformPatches<f32>(step, task, scratch);
    case Kernel.MULTIPLY_PATCHES:
      return multiplyPatches<i16>(step, task, scratch);
    case Kernel.MULTIPLY_PATCHES_FLOAT:
      return multiplyPatches<f32>(step, task, scratch);
    case Kernel.POOL:
      return pool<i32>(step, task);
    case Kernel.POOL_FLOAT:
      return pool<f32>(step, task);
  }
}

function meet(barrier: Barrier, step: Step): void {
  const at = changetype<usize>(barrier);
  const generation = atomic.load<i32>(at, offsetof<Barrier>("generation"));
  if (atomic.add<i32>(at, 1, offsetof<Barrier>("arrived")) < barrier.threads - 1) {
    for (let i = 0; i < SPINS; i++) {
      if (atomic.load<i32>(at, offsetof<Barrier>("generation")) != generation) return;
    }
    while (atomic.load<i32>(at, offsetof<Barrier>("generation")) == generation) {
      atomic.wait<i32>(at + offsetof<Barrier>("generation"), generation, -1);
    }
    return;
  }
  step.next = 0;
  if (step.endLayer) endLayer(step);
  if (step.beginLayer) beginLayer(step, changetype<Layer>(step.beginLayer));
  barrier.stopped = atomic.load<i32>(at, offsetof<Barrier>("stop"));
  atomic.store<i32>(at, 0, offsetof<Barrier>("arrived"));
  atomic.store<i32>(at, generation + 1, offsetof<Barrier>("generation"));
  atomic.notify(at + offsetof<Barrier>("generation"), -1);
}

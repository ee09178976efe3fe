// The kernels' entry: runs some steps of a plan, on one of several threads.

import { directTask } from "./direct";
import { beginLayer, endLayer } from "./fixed";
import { floatTask, rectifyRow, tabulateFloatRow } from "./float";
import { Layer, Step } from "./structs";
import { convolveTiles, multiplyTiles, transformInput } from "./winograd";
import { multiplyFloatTiles, transformFloatInput } from "./winograd_float";
import { requantizeRow, tabulateRow } from "./values";

export { pack, packFirst } from "./pack";
export { transformFilters } from "./winograd";

/** Where the threads meet. */
@unmanaged
class Barrier {
  threads: i32;
  arrived: i32;
  generation: i32;
  stop: i32; // the host sets it to end early,
  stopped: i32; // and all threads see the same answer
}

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
  switch (step.kind) {
    case 0:
      return tabulateRow(step, task);
    case 1:
      return requantizeRow(step, task);
    case 3:
      return directTask(step, task, scratch);
    case 4:
      return transformInput(step, task, scratch);
    case 5:
      return multiplyTiles(step, task, scratch);
    case 6:
      return floatTask(step, task, scratch);
    case 7:
      return tabulateFloatRow(step, task);
    case 8:
      return rectifyRow(step, task);
    case 9:
      return transformFloatInput(step, task, scratch);
    case 10:
      return multiplyFloatTiles(step, task, scratch);
    case 11:
      convolveTiles(step, task, scratch);
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

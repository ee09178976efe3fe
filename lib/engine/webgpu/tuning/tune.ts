/**
 * Chooses tiles by timing candidates on the device. No result of the integer program depends on the
 * choice.
 *
 * What was timed is kept in the cache directory, so what one load has no time for is tried by the
 * next.
 */

import { BackendUnavailableError } from "../../../errors.ts";
import { type ProgressOptions, ProgressTeller } from "../../../progress.ts";
import type { Precision } from "../../engine.ts";
import type { Program } from "../../program.ts";
import type { Gpu } from "../device/device.ts";
import type { MemoryKind } from "../device/tfjs.ts";
import type { Tile } from "../kernels/convolution.ts";
import type { DenseTile } from "../kernels/dense.ts";
import { type PlannedLayer, planOneImage } from "../resident/plan.ts";
import {
  type Candidate,
  candidateName,
  CANDIDATES,
  canTry,
  defaultTile,
  defaultTuning,
  DENSE_TILES,
  type Tuning,
} from "./tile.ts";
import { trialConvolution, trialDense } from "./timing.ts";
import { readTimes, type Times, writeTimes } from "./tune_cache.ts";

/** What a load may spend on trials, compiling them included. The last one may take longer. */
const BUDGET_MS = 2000;
/** A candidate so many times slower than another is not tried at a workload that costs less. */
const HOPELESS = 1.5;
const MEMORIES: readonly MemoryKind[] = ["buffer", "texture"];

/** Layers that take the same time. */
interface Workload {
  readonly name: string;
  readonly planned: PlannedLayer;
  readonly layers: readonly string[];
}

/** A way to compute a workload. */
interface Trial extends Candidate<Tile | DenseTile> {
  readonly workload: Workload;
  readonly name: string;
}

/** Options of {@linkcode tune}. */
export interface TuneOptions extends ProgressOptions {
  /** Milliseconds after which no trial begins. Default: 2000. */
  readonly budgetMs?: number;
  /** Milliseconds in which a candidate has to be compiled, or it is left out. Default: 10,000. */
  readonly compileLimitMs?: number;
  /** Ends it between two trials. What was timed is kept. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Times candidates until the budget is spent or none is left, and chooses. The memory is that in
 * which all layers together take the least time. Nobody else may be using the device.
 */
export async function tune(
  gpu: Gpu,
  program: Program,
  precision: Precision,
  cacheDir: string,
  options: TuneOptions = {},
): Promise<Tuning> {
  const { budgetMs = BUDGET_MS, compileLimitMs, signal } = options;
  const progress = new ProgressTeller(options, { stage: "tune", unit: "trials" });
  const adapter = [gpu.description, gpu.driver, precision].join(" | ");
  const times = await readTimes(cacheDir, adapter);
  const deadline = performance.now() + budgetMs;
  const workloads = costliestFirst(program, precision);
  const trials = allTrials(workloads, defaultTuning(gpu.isFallback).memory);
  let timed = 0;
  for (const trial of trials) {
    const known = times[trial.workload.name] ??= {};
    if (trial.name in known || isHopeless(times, workloads, trial)) continue;
    if (performance.now() >= deadline || signal?.aborted) break;
    known[trial.name] = await time(gpu, precision, trial, compileLimitMs);
    progress.reach(++timed);
  }
  if (timed > 0) await writeTimes(cacheDir, adapter, times);
  signal?.throwIfAborted();
  if (timed > 0) progress.end();
  return choose(times, trials, defaultTuning(gpu.isFallback));
}

/** A candidate that the device refuses, or does not compile in time, takes forever. */
async function time(
  gpu: Gpu,
  precision: Precision,
  { workload: { planned }, memory, tile }: Trial,
  limitMs: number | undefined,
): Promise<number> {
  try {
    return "innerLanes" in tile
      ? await trialDense(gpu, precision, planned, { memory, tile }, limitMs)
      : await trialConvolution(gpu, precision, planned, { memory, tile }, limitMs);
  } catch (error) {
    if (error instanceof BackendUnavailableError) return Infinity;
    throw error;
  }
}

/** The workloads of the layers that have candidates, for one image of the training size. */
function costliestFirst(program: Program, precision: Precision): Workload[] {
  const plan = planOneImage(program, precision);
  const byName = new Map<string, Workload>();
  // One tile serves all dense layers: the costliest decides.
  const [dense] = plan.filter(({ kernel }) => kernel === "dense")
    .toSorted((a, b) => b.operations - a.operations);
  for (const planned of plan) {
    const { kernel } = planned;
    if (kernel !== "convolution" && planned !== dense) continue;
    const name = workloadName(planned);
    const layers = [...byName.get(name)?.layers ?? [], planned.layer.name];
    byName.set(name, { name, planned, layers });
  }
  const cost = ({ planned, layers }: Workload): number => planned.operations * layers.length;
  return [...byName.values()].toSorted((a, b) => cost(b) - cost(a));
}

function workloadName({ kernel, layer, input, output, pool }: PlannedLayer): string {
  const channels = `${input.channels}-${layer.outChannels}`;
  if (kernel === "dense") return `dense ${layer.filterSize.join("x")} ${channels}`;
  const size = `${output.height}x${output.width}${pool ? " pool" : ""}`;
  return `${layer.filterSize.join("x")} ${channels} ${size}`;
}

/**
 * All trials: those of the preferred memory first, and in each memory those of the default tiles.
 * One candidate goes through all workloads before the next, as compiling costs more than running.
 */
function allTrials(workloads: readonly Workload[], preferred: MemoryKind): Trial[] {
  return MEMORIES.toSorted((a) => a === preferred ? -1 : 1).flatMap((memory) => {
    const defaults = defaultTuning(memory === "texture");
    const ofKernel = (kernel: string): Workload[] =>
      workloads.filter(({ planned }) => planned.kernel === kernel);
    const convolutions = ofKernel("convolution");
    const trial = (workload: Workload, tile: Tile | DenseTile): Trial => {
      return { workload, memory, tile, name: candidateName({ memory, tile }) };
    };
    const trials = [
      ...convolutions.map((workload) => trial(workload, defaultTile(defaults, workload.planned))),
      ...ofKernel("dense").flatMap((workload) =>
        [defaults.dense, ...DENSE_TILES].map((tile) => trial(workload, tile))
      ),
      ...CANDIDATES.filter((candidate) => candidate.memory === memory).flatMap(({ tile }) =>
        convolutions.filter(({ planned }) => canTry(tile, planned))
          .map((workload) => trial(workload, tile))
      ),
    ];
    // A default is a candidate too.
    return [...new Map(trials.map((trial) => [trial.workload.name + trial.name, trial])).values()];
  });
}

/**
 * Whether what is known makes a trial needless: the same candidate was slow at a costlier workload,
 * or two others in the same memory were slow at the costliest of all.
 */
function isHopeless(
  times: Times,
  workloads: readonly Workload[],
  { workload, memory, name }: Trial,
): boolean {
  const slow = (at: Workload, least: number, names: (name: string) => boolean): boolean => {
    const known = Object.entries(times[at.name] ?? {});
    const best = Math.min(...known.map(([, ms]) => ms));
    const own = known.filter(([name]) => names(name)).map(([, ms]) => ms);
    return own.length >= least && Math.min(...own) > HOPELESS * best;
  };
  const alike = workloads.filter(({ planned }) => planned.kernel === workload.planned.kernel);
  return slow(alike[0]!, 2, (other) => other.startsWith(memory)) ||
    alike.slice(0, alike.indexOf(workload)).some((at) => slow(at, 1, (other) => other === name));
}

/**
 * The fastest tiles, in the memory in which every workload was timed and all take the least; the
 * rest keeps its defaults.
 */
function choose(times: Times, trials: readonly Trial[], defaults: Tuning): Tuning {
  const workloads = [...new Set(trials.map(({ workload }) => workload))];
  const ms = ({ workload, name }: Trial): number => times[workload.name]?.[name] ?? Infinity;
  const fastest = (workload: Workload, memory: MemoryKind): Trial | undefined =>
    trials.filter((trial) =>
      trial.workload === workload && trial.memory === memory && ms(trial) < Infinity
    )
      .toSorted((a, b) => ms(a) - ms(b))[0];
  const total = (memory: MemoryKind): number =>
    workloads.reduce((sum, workload) => {
      const best = fastest(workload, memory);
      return sum + (best ? ms(best) * workload.layers.length : Infinity);
    }, 0);
  const memory = MEMORIES.reduce(
    (best, memory) => total(memory) < total(best) ? memory : best,
    defaults.memory,
  );
  const convolutions: Record<string, Tile> = {};
  let { dense } = memory === defaults.memory ? defaults : defaultTuning(memory === "texture");
  for (const workload of workloads) {
    const tile = fastest(workload, memory)?.tile;
    if (tile === undefined) continue;
    if ("innerLanes" in tile) dense = tile;
    else for (const layer of workload.layers) convolutions[layer] = tile;
  }
  return { memory, convolutions, dense };
}

/**
 * Chooses tiles by timing candidates on the device. No result of the integer program depends on the choice.
 *
 * What was timed is kept in the cache directory, so what one load has no time for is tried by the next.
 *
 * @module
 */

import { BackendUnavailableError } from "../../../errors.ts";
import type { Precision } from "../../engine.ts";
import type { Program } from "../../program.ts";
import type { DenseTile } from "../kernels/dense.ts";
import type { Gpu } from "../device/device.ts";
import type { MemoryKind } from "../device/memory.ts";
import { type LayerPlan, planLayers } from "../network/plan.ts";
import { operationsOf } from "./profile.ts";
import {
  canCompute,
  candidateName,
  CANDIDATES,
  defaultTile,
  defaultTuning,
  DENSE_TILES,
  denseName,
  type Tile,
  type Tuning,
} from "./tile.ts";
import { trialConvolution, trialDense } from "./trial.ts";
import { readTimes, type Times, writeTimes } from "./tune_cache.ts";

/** What a load may spend on trials, compiling them included. The last one may take longer. */
const BUDGET_MS = 2000;
/** A candidate so many times slower than another is not tried at a shape that costs less. */
const HOPELESS = 1.5;
const MEMORIES: readonly MemoryKind[] = ["buffer", "texture"];

/** Layers that take the same time. */
interface Shape {
  readonly name: string;
  readonly step: LayerPlan;
  readonly layers: readonly string[];
}

/** A way to compute a shape. */
interface Trial {
  readonly shape: Shape;
  readonly memory: MemoryKind;
  readonly tile: Tile | DenseTile;
  readonly name: string;
}

/**
 * Times candidates until the budget is spent or none is left, and chooses. The memory is that in which all layers together take
 * the least time. Nobody else may be using the device.
 */
export async function tune(
  gpu: Gpu,
  program: Program,
  precision: Precision,
  cacheDir: string,
  budgetMs: number = BUDGET_MS,
): Promise<Tuning> {
  const adapter = [gpu.description, gpu.driver, precision].join(" | ");
  const times = await readTimes(cacheDir, adapter);
  const deadline = performance.now() + budgetMs;
  const shapes = costliestFirst(program, precision);
  const trials = allTrials(shapes, defaultTuning(gpu.isFallback).memory);
  let timed = 0;
  for (const trial of trials) {
    const known = times[trial.shape.name] ??= {};
    if (trial.name in known || isHopeless(times, shapes, trial)) continue;
    if (performance.now() >= deadline) break;
    known[trial.name] = await time(gpu, precision, trial);
    timed++;
  }
  if (timed > 0) await writeTimes(cacheDir, adapter, times);
  return choose(times, trials, defaultTuning(gpu.isFallback));
}

/** A candidate that the device refuses takes forever. */
async function time(
  gpu: Gpu,
  precision: Precision,
  { shape: { step }, memory, tile }: Trial,
): Promise<number> {
  try {
    return "innerLanes" in tile
      ? await trialDense(gpu, precision, step, { memory, tile })
      : await trialConvolution(gpu, precision, step, { memory, tile });
  } catch (error) {
    if (error instanceof BackendUnavailableError) return Infinity;
    throw error;
  }
}

/** The shapes of the layers that have candidates, for one image of the training size. */
function costliestFirst(program: Program, precision: Precision): Shape[] {
  const { height, width } = program.input;
  const plan = planLayers(program, precision, { count: 1, height, width });
  const byName = new Map<string, Shape>();
  // One tile serves all dense layers: the costliest decides.
  const dense = costliest(plan.filter(({ kernel }) => kernel === "dense"));
  for (const step of plan) {
    if (step.kernel === "first" || step.kernel === "dense" && step !== dense) continue;
    const name = shapeName(step);
    const layers = [...byName.get(name)?.layers ?? [], step.layer.name];
    byName.set(name, { name, step, layers });
  }
  const cost = ({ step, layers }: Shape): number => operationsOf(step) * layers.length;
  return [...byName.values()].toSorted((a, b) => cost(b) - cost(a));
}

function costliest(steps: readonly LayerPlan[]): LayerPlan | undefined {
  return steps.toSorted((a, b) => operationsOf(b) - operationsOf(a))[0];
}

function shapeName({ kernel, layer, input, output, pool }: LayerPlan): string {
  const channels = `${input.channels}-${layer.outChannels}`;
  if (kernel === "dense") return `dense ${layer.kernel.join("x")} ${channels}`;
  return `${layer.kernel.join("x")} ${channels} ${output.height}x${output.width}${
    pool ? " pool" : ""
  }`;
}

/**
 * All trials: those of the preferred memory first, and in each memory those of the default tiles. One candidate goes through
 * all shapes before the next, as compiling costs more than running.
 */
function allTrials(shapes: readonly Shape[], preferred: MemoryKind): Trial[] {
  return MEMORIES.toSorted((a) => a === preferred ? -1 : 1).flatMap((memory) => {
    const defaults = defaultTuning(memory === "texture");
    const convolutions = shapes.filter(({ step }) => step.kernel === "convolution");
    const convolution = (shape: Shape, tile: Tile): Trial => {
      return { shape, memory, tile, name: candidateName({ memory, tile }) };
    };
    const trials = [
      ...convolutions.map((shape) => convolution(shape, defaultTile(defaults, shape.step))),
      ...shapes.filter(({ step }) => step.kernel === "dense").flatMap((shape) =>
        [defaults.dense, ...DENSE_TILES].map((tile): Trial => {
          return { shape, memory, tile, name: denseName({ memory, tile }) };
        })
      ),
      ...CANDIDATES.filter((candidate) => candidate.memory === memory).flatMap(({ tile }) =>
        convolutions.filter(({ step }) => canCompute(tile, step))
          .map((shape) => convolution(shape, tile))
      ),
    ];
    // A default is a candidate too.
    return [...new Map(trials.map((trial) => [trial.shape.name + trial.name, trial])).values()];
  });
}

/**
 * Whether what is known makes a trial needless: the same candidate was slow at a costlier shape, or two others in the same
 * memory were slow at the costliest of all.
 */
function isHopeless(
  times: Times,
  shapes: readonly Shape[],
  { shape, memory, name }: Trial,
): boolean {
  const slow = (at: Shape, least: number, names: (name: string) => boolean): boolean => {
    const known = Object.entries(times[at.name] ?? {});
    const best = Math.min(...known.map(([, ms]) => ms));
    const own = known.filter(([name]) => names(name)).map(([, ms]) => ms);
    return own.length >= least && Math.min(...own) > HOPELESS * best;
  };
  const alike = shapes.filter(({ step }) => step.kernel === shape.step.kernel);
  return slow(alike[0], 2, (other) => other.startsWith(memory)) ||
    alike.slice(0, alike.indexOf(shape)).some((at) => slow(at, 1, (other) => other === name));
}

/** The fastest tiles, in the memory in which every shape was timed and all take the least; the rest keeps its defaults. */
function choose(times: Times, trials: readonly Trial[], defaults: Tuning): Tuning {
  const shapes = [...new Set(trials.map(({ shape }) => shape))];
  const ms = ({ shape, name }: Trial): number => times[shape.name]?.[name] ?? Infinity;
  const fastest = (shape: Shape, memory: MemoryKind): Trial | undefined =>
    trials.filter((trial) =>
      trial.shape === shape && trial.memory === memory && ms(trial) < Infinity
    )
      .toSorted((a, b) => ms(a) - ms(b))[0];
  const total = (memory: MemoryKind): number =>
    shapes.reduce((sum, shape) => {
      const best = fastest(shape, memory);
      return sum + (best ? ms(best) * shape.layers.length : Infinity);
    }, 0);
  const memory = MEMORIES.reduce(
    (best, memory) => total(memory) < total(best) ? memory : best,
    defaults.memory,
  );
  const convolutions: Record<string, Tile> = {};
  let { dense } = memory === defaults.memory ? defaults : defaultTuning(memory === "texture");
  for (const shape of shapes) {
    const tile = fastest(shape, memory)?.tile;
    if (tile === undefined) continue;
    if ("innerLanes" in tile) dense = tile;
    else for (const layer of shape.layers) convolutions[layer] = tile;
  }
  return { memory, convolutions, dense };
}

/**
 * Which algorithm each layer takes: as told, by a short timed trial, or by a rule of thumb.
 *
 * No int8 result depends on it: all algorithms give the same integers. Floats they round differently: so that
 * an image has the same ones whatever else is computed with it, and whenever, nothing is tried for these.
 */

import { layerOutput, networkOperations } from "../geometry.ts";
import type { Precision } from "../engine.ts";
import type { Program } from "../program.ts";
import { type Memory, placesIn } from "./memory.ts";
import { type Choose, makePlan, type PlannedStep, STEP_BYTES } from "./plan.ts";
import type { Executor } from "./executor.ts";
import { type Algorithm, ALGORITHMS, area, type PackedGeometry } from "./stage.ts";
import { Step } from "./structs.ts";
import type { PackedNetwork } from "./weights.ts";

/** Below this many multiplications and additions of an image nothing is tried. */
const TUNE_FROM = 2e9;
/**
 * Output pixels, those of all images together or those of one, from which on Winograd's algorithm is taken where
 * nothing was tried.
 */
const WINOGRAD_FROM = { int8: 64, float: 16 } as const;

const STEP = placesIn(Step);

const hasChoice = ({ layer, first }: PackedGeometry): boolean => layer.padding === 1 && !first;

/** Takes the algorithm that is told or was tried, or else goes by a rule of thumb. */
export function chooser(
  precision: Precision,
  algorithm: Algorithm | undefined,
  tried?: ReadonlyMap<string, Algorithm>,
): Choose {
  return (geometry, images) => {
    if (!hasChoice(geometry)) return "direct";
    const pixels = area(geometry.full) * (precision === "float" ? 1 : images);
    return algorithm ?? tried?.get(geometry.layer.name) ??
      (pixels >= WINOGRAD_FROM[precision] ? "winograd" : "direct");
  };
}

/** Whether algorithms may be tried, and a network is so large that it pays. */
export const isWorthTrying = (program: Program, precision: Precision): boolean =>
  precision === "int8" && networkOperations(program) >= TUNE_FROM;

/** The fastest of some repetitions counts; the first ones also let V8 finish its compilation. */
const REPETITIONS = 3;
/** An algorithm has to be this much faster than those before it: so short a trial is not exact. */
const MARGIN = 1.15;

/** Layers of one size take the same time: only the first is tried. */
const sizeOf = ({ layer, full, pooled }: PackedGeometry): string =>
  [layer.channels, layer.padded, full.height, full.width, pooled].join();

/**
 * Tries all algorithms on the network's layers for some 50 ms, for an image of the training size; the
 * memory that it uses is free again afterwards.
 *
 * @param executor On one thread: how tasks compare does not depend on how many run at once.
 * @returns The algorithm of each layer that has a choice.
 */
export async function tryAlgorithms(
  memory: Memory,
  program: Program,
  network: PackedNetwork,
  executor: Executor,
): Promise<Map<string, Algorithm>> {
  const top = memory.top;
  const size = { count: 1, ...program.input }, outputs = [layerOutput(program)];
  /** Milliseconds by layer and algorithm. */
  const times = new Map<string, Map<Algorithm, number>>();
  /** The layer whose times count for a layer. */
  const representative = new Map<string, string>();
  for (const algorithm of ALGORITHMS) {
    const firstOf = new Map<string, string>();
    const plan = makePlan(memory, network, size, outputs, executor.threads, (geometry) => {
      if (!hasChoice(geometry)) return "direct";
      const { name } = geometry.layer, size = sizeOf(geometry);
      if (!firstOf.has(size)) firstOf.set(size, name);
      representative.set(name, firstOf.get(size)!);
      return algorithm;
    });
    for (const step of plan.convolutions.flatMap(({ steps }) => steps)) {
      if (representative.get(step.layer) !== step.layer) continue;
      const ofLayer = times.get(step.layer) ?? new Map<Algorithm, number>();
      const ms = await time(memory, executor, step);
      times.set(step.layer, ofLayer.set(algorithm, (ofLayer.get(algorithm) ?? 0) + ms));
    }
    memory.release(top);
  }
  return new Map([...representative].map(([layer, of]) => [layer, fastest(times.get(of)!)]));
}

/** Estimates a step's time from one of its tasks. */
async function time(memory: Memory, executor: Executor, step: PlannedStep): Promise<number> {
  const word = step.address / 4;
  const all = memory.words[word + STEP.tasks];
  memory.words[word + STEP.tasks] = 1;
  // There are no images, so there is nothing to scale.
  memory.words[word + STEP.endLayer] = memory.words[word + STEP.beginLayer] = 0;
  let least = Infinity;
  for (let i = 0; i < REPETITIONS; i++) {
    const start = performance.now();
    await executor.execute(step.address, step.address + STEP_BYTES);
    least = Math.min(least, performance.now() - start);
  }
  return least * all;
}

function fastest(times: ReadonlyMap<Algorithm, number>): Algorithm {
  return [...times].reduce((best, next) => next[1] * MARGIN < best[1] ? next : best)[0];
}

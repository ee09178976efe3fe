/**
 * Times a way to compute a convolution.
 *
 * @module
 */

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Precision } from "../engine.ts";
import { convolutionSteps, maximaGroups, scratchOf } from "./convolution_steps.ts";
import type { Gpu } from "./device.ts";
import { checked } from "./errors.ts";
import { elements, stateVectors } from "./layout.ts";
import { Memory } from "./memory.ts";
import type { LayerPlan } from "./plan.ts";
import { operationsOf, timeOnDevice } from "./profile.ts";
import type { Candidate } from "./tile.ts";
import { weightVectors } from "./weights.ts";
import type { Step } from "./winograd_steps.ts";

/** A trial computes as many rows of a layer as this many operations allow. */
const TRIAL_OPERATIONS = 1e8;
const TRIAL_RUNS = 3;

/**
 * The least milliseconds that a layer would take, by some of its rows on whatever lies in memory. Transforms of filters do not
 * depend on the rows.
 */
export async function trial(
  gpu: Gpu,
  precision: Precision,
  layer: LayerPlan,
  { memory: kind, tile }: Candidate,
): Promise<number> {
  const memory = new Memory(gpu.backend);
  try {
    const { step, share } = fewRows(layer);
    const { kernel, relu } = step.layer;
    const convolution = { ...step, kernel, relu, precision, tile };
    const steps = await checked(gpu.device, () => {
      const perVector = precision === "int8" ? 16 : 4;
      const allocate = (vectors: number): TensorInfo => memory.allocate(vectors, kind);
      const { input, output } = step;
      const tensors = {
        x: allocate(elements(input) / perVector),
        weights: allocate(weightVectors(step.layer, false)),
        scales: allocate(stateVectors(output.channels)),
      };
      const scratch = scratchOf(convolution);
      const gives = allocate(elements(output) / 4 + maximaGroups(convolution));
      const between = (role: keyof typeof scratch): TensorInfo => allocate(scratch[role]);
      return convolutionSteps(gpu.backend, tensors, convolution, between, gives);
    });
    const filters = steps.filter(({ kernel }) => kernel === "filters");
    const others = steps.filter(({ kernel }) => kernel !== "filters");
    return await least(gpu, filters) + await least(gpu, others) / share;
  } finally {
    if (gpu.lost() === undefined) memory[Symbol.dispose]();
  }
}

async function least(gpu: Gpu, steps: readonly Step[]): Promise<number> {
  if (steps.length === 0) return 0;
  let least = Infinity;
  // The first one compiles.
  for (let run = 0; run <= TRIAL_RUNS; run++) {
    const ms = await timeOnDevice(gpu, () => steps.forEach((step) => step.run()));
    if (run > 0) least = Math.min(least, ms);
  }
  return least;
}

/** A layer cut down to its first rows, a multiple of four, and which share of all they are. */
function fewRows(step: LayerPlan): { step: LayerPlan; share: number } {
  const { layer, input, output, pool, padding } = step;
  const [kernelHeight] = layer.kernel;
  const rows = input.height + 2 * padding - kernelHeight + 1;
  const affordable = Math.floor(rows * TRIAL_OPERATIONS / operationsOf(step) / 4) * 4;
  const kept = Math.min(rows, Math.max(4, affordable));
  return {
    step: {
      ...step,
      input: { ...input, images: 1, height: kept + kernelHeight - 1 - 2 * padding },
      output: { ...output, images: 1, height: pool ? kept >> 1 : kept },
    },
    share: kept / rows,
  };
}

/**
 * Times a way to compute a layer.
 *
 * @module
 */

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Precision } from "../../engine.ts";
import { convolutionSteps, maximaGroups, scratchOf } from "../kernels/convolution_steps.ts";
import { type DenseTile, multiplyDense } from "../kernels/dense.ts";
import type { Gpu } from "../device/device.ts";
import { checked } from "../device/errors.ts";
import { CHANNEL_STEP, elements, stateVectors } from "../kernels/layout.ts";
import { Memory, type MemoryKind } from "../device/memory.ts";
import type { LayerPlan } from "../network/plan.ts";
import { operationsOf, timeOnDevice } from "./profile.ts";
import type { Candidate } from "./tile.ts";
import { weightVectors } from "../network/weights.ts";
import type { Step } from "../kernels/winograd_steps.ts";

/**
 * A trial computes as many rows of a layer, or channels of a dense one, as this many operations allow: few on a software adapter,
 * and whole layers on a GPU, which has to be full to show its speed.
 */
const TRIAL_OPERATIONS = { software: 1e8, gpu: 1e10 };
const TRIAL_RUNS = 3;

/**
 * The least milliseconds that a layer would take, by some of its rows on whatever lies in memory. Transforms of filters do not
 * depend on the rows.
 */
export async function trialConvolution(
  gpu: Gpu,
  precision: Precision,
  layer: LayerPlan,
  { memory: kind, tile }: Candidate,
): Promise<number> {
  const memory = new Memory(gpu.backend);
  try {
    const { step, share } = fewRows(layer, affordable(gpu));
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

/** The least milliseconds that a dense layer would take, by some of its channels. */
export async function trialDense(
  gpu: Gpu,
  precision: Precision,
  { layer, output: { channels } }: LayerPlan,
  { memory: kind, tile }: { readonly memory: MemoryKind; readonly tile: DenseTile },
): Promise<number> {
  const memory = new Memory(gpu.backend);
  try {
    const groups = weightVectors(layer, false) / channels;
    const kept = Math.ceil(
      Math.min(channels, Math.max(256, affordable(gpu) / (32 * groups))) / CHANNEL_STEP,
    ) * CHANNEL_STEP;
    const output = { images: 1, height: 1, width: 1, channels: kept };
    const run = await checked(gpu.device, () => {
      const x = memory.allocate(precision === "int8" ? groups : 4 * groups, kind);
      const weights = memory.allocate(groups * kept, kind);
      const scales = memory.allocate(stateVectors(kept), kind);
      const gives = memory.allocate(kept / 4, kind);
      const attributes = { precision, relu: layer.relu, groups, output, tile };
      return () => multiplyDense(gpu.backend, { x, weights, scales }, attributes, gives);
    });
    return await least(gpu, [{ run }]) * channels / kept;
  } finally {
    if (gpu.lost() === undefined) memory[Symbol.dispose]();
  }
}

function affordable({ isFallback }: Gpu): number {
  return isFallback ? TRIAL_OPERATIONS.software : TRIAL_OPERATIONS.gpu;
}

async function least(gpu: Gpu, steps: readonly Pick<Step, "run">[]): Promise<number> {
  if (steps.length === 0) return 0;
  const run = (): void => steps.forEach((step) => step.run());
  // Compiles, and says so if the device refuses.
  await checked(gpu.device, run);
  let least = Infinity;
  // The first one still waits for what was recorded.
  for (let count = 0; count <= TRIAL_RUNS; count++) {
    const ms = await timeOnDevice(gpu, run);
    if (count > 0) least = Math.min(least, ms);
  }
  return least;
}

/** A layer cut down to its first rows, a multiple of four, and which share of all they are. */
function fewRows(step: LayerPlan, operations: number): { step: LayerPlan; share: number } {
  const { layer, input, output, pool, padding } = step;
  const [kernelHeight] = layer.kernel;
  const rows = input.height + 2 * padding - kernelHeight + 1;
  const affordable = Math.floor(rows * operations / operationsOf(step) / 4) * 4;
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

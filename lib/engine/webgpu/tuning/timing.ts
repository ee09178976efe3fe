/** Times the layers of a model, and ways to compute a layer. */

import type { Batch, LayerProfile, Precision } from "../../engine.ts";
import { compileSteps } from "../device/compile.ts";
import { checked, type Gpu } from "../device/device.ts";
import { Memory } from "../device/memory.ts";
import { runStep, type Step, type Tensor, timeSteps } from "../device/tfjs.ts";
import { convolutionSteps, scratchOf, workgroupsPerImage } from "../kernels/convolution.ts";
import { type DenseTile, multiplyDense } from "../kernels/dense.ts";
import { CHANNEL_MULTIPLE, elements, stateVectors } from "../kernels/kernel.ts";
import { weightVectors } from "../resident/pack.ts";
import type { PlannedLayer } from "../resident/plan.ts";
import type { ResidentModel } from "../resident/resident_model.ts";
import type { Candidate } from "./tile.ts";

/** Runs a model once, one step after the other, and adds up the time of each layer's. */
export async function profileLayers(
  gpu: Gpu,
  resident: ResidentModel,
  plan: readonly PlannedLayer[],
  batch: Batch,
): Promise<LayerProfile[]> {
  const recording = resident.record(plan, batch);
  try {
    const ms = new Map<string, number>();
    for (const step of recording.steps) {
      const spent = await timeSteps(gpu.backend, [step]);
      ms.set(step.layer, (ms.get(step.layer) ?? 0) + spent);
    }
    return plan.map((planned) => ({
      layer: planned.layer.name,
      ms: ms.get(planned.layer.name)!,
      operations: planned.operations,
      candidate: resident.candidate(planned),
    }));
  } finally {
    resident.release(recording);
  }
}

/**
 * A trial computes as many rows of a layer, or channels of a dense one, as this many operations
 * allow: few on a software adapter, and whole layers on a GPU, which has to be full to show its
 * speed.
 */
const TRIAL_OPERATIONS = { software: 1e8, gpu: 1e10 };
const TRIAL_RUNS = 3;
/** Milliseconds in which the programs of a candidate have to be compiled: one that takes longer is left out. */
const COMPILE_LIMIT_MS = 10_000;

/**
 * The least milliseconds that a layer would take, by some of its rows on whatever lies in memory.
 * Transforms of filters do not depend on the rows.
 */
export async function trialConvolution(
  gpu: Gpu,
  precision: Precision,
  layer: PlannedLayer,
  { memory: kind, tile }: Candidate,
  compileLimitMs: number = COMPILE_LIMIT_MS,
): Promise<number> {
  const memory = new Memory(gpu.backend);
  try {
    const { planned, share } = fewRows(layer, affordable(gpu));
    const { input, output, layer: { filterSize, relu } } = planned;
    const convolution = { ...planned, filterSize, relu, precision, tile };
    const steps = await checked(gpu.device, () => {
      const perVector = precision === "int8" ? 16 : 4;
      const allocate = (vectors: number): Tensor => memory.allocate(vectors, kind);
      const tensors = {
        x: allocate(elements(input) / perVector),
        weights: allocate(weightVectors(planned.layer, false)),
        scales: allocate(stateVectors(output.channels)),
      };
      const scratch = scratchOf(convolution);
      const gives = allocate(elements(output) / 4 + workgroupsPerImage(convolution));
      return convolutionSteps(tensors, convolution, (role) => allocate(scratch[role]), gives);
    });
    const filters = steps.filter(({ kernel }) => kernel === "winograd-filters");
    const others = steps.filter(({ kernel }) => kernel !== "winograd-filters");
    await compileSteps(gpu, steps, compileLimitMs);
    return await least(gpu, filters) + await least(gpu, others) / share;
  } finally {
    if (gpu.lost() === undefined) memory[Symbol.dispose]();
  }
}

/** The least milliseconds that a dense layer would take, by some of its channels. */
export async function trialDense(
  gpu: Gpu,
  precision: Precision,
  { layer, output: { channels } }: PlannedLayer,
  { memory: kind, tile }: Candidate<DenseTile>,
  compileLimitMs: number = COMPILE_LIMIT_MS,
): Promise<number> {
  const memory = new Memory(gpu.backend);
  try {
    const sixteens = weightVectors(layer, false) / channels;
    const kept = Math.ceil(
      Math.min(channels, Math.max(256, affordable(gpu) / (32 * sixteens))) / CHANNEL_MULTIPLE,
    ) * CHANNEL_MULTIPLE;
    const output = { images: 1, height: 1, width: 1, channels: kept };
    const step = await checked(gpu.device, () => {
      const x = memory.allocate(precision === "int8" ? sixteens : 4 * sixteens, kind);
      const weights = memory.allocate(sixteens * kept, kind);
      const scales = memory.allocate(stateVectors(kept), kind);
      const gives = memory.allocate(kept / 4, kind);
      const attributes = { precision, relu: layer.relu, sixteens, output, tile };
      return multiplyDense({ x, weights, scales }, attributes, gives);
    });
    await compileSteps(gpu, [step], compileLimitMs);
    return await least(gpu, [step]) * channels / kept;
  } finally {
    if (gpu.lost() === undefined) memory[Symbol.dispose]();
  }
}

function affordable({ isFallback }: Gpu): number {
  return isFallback ? TRIAL_OPERATIONS.software : TRIAL_OPERATIONS.gpu;
}

async function least(gpu: Gpu, steps: readonly Step[]): Promise<number> {
  if (steps.length === 0) return 0;
  // Says so if the device refuses.
  await checked(gpu.device, () => steps.forEach((step) => runStep(gpu.backend, step)));
  let least = Infinity;
  // The first one still waits for what was recorded.
  for (let count = 0; count <= TRIAL_RUNS; count++) {
    const ms = await timeSteps(gpu.backend, steps);
    if (count > 0) least = Math.min(least, ms);
  }
  return least;
}

/** A layer cut down to its first rows, a multiple of four, and which share of all they are. */
function fewRows(
  planned: PlannedLayer,
  operations: number,
): { planned: PlannedLayer; share: number } {
  const { layer, input, output, pool, padding } = planned;
  const [filterHeight] = layer.filterSize;
  const rows = input.height + 2 * padding - filterHeight + 1;
  const affordable = Math.floor(rows * operations / planned.operations / 4) * 4;
  const kept = Math.min(rows, Math.max(4, affordable));
  return {
    planned: {
      ...planned,
      input: { ...input, images: 1, height: kept + filterHeight - 1 - 2 * padding },
      output: { ...output, images: 1, height: pool ? kept >> 1 : kept },
      operations: planned.operations * kept / rows,
    },
    share: kept / rows,
  };
}

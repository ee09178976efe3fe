/**
 * Brings a model onto a device: checks that it fits, uploads the weights while the pipelines
 * compile, and checks the kernels.
 */

import { Cleanup } from "../../../cleanup.ts";
import type { Model } from "../../../model/model.ts";
import type { Batch, Precision } from "../../engine.ts";
import type { Program } from "../../program.ts";
import { compileSteps } from "../device/compile.ts";
import { checked, type Gpu } from "../device/device.ts";
import type { Tuning } from "../tuning/tile.ts";
import { planOneImage, preflight } from "./plan.ts";
import { ResidentModel } from "./resident_model.ts";
import { checkAnswers } from "./known_answers.ts";

/**
 * Loads a model, whose pipelines are then ready for one image of the training size.
 *
 * @throws {BackendUnavailableError} If it does not fit, the device fails, or its answers are wrong.
 */
export async function loadResident(
  gpu: Gpu,
  model: Model,
  program: Program,
  precision: Precision,
  tuning: Tuning,
  signal: AbortSignal | undefined,
): Promise<ResidentModel> {
  preflight(program, precision, gpu.device.limits, tuning.memory);
  return await gpu.exclusively(async () => {
    using made = new Cleanup();
    const resident = await checked(
      gpu.device,
      () => made.use(new ResidentModel(gpu, model, program, precision, tuning)),
    );
    const upload = async (): Promise<void> => await resident.upload(model.weights({ signal }));
    // Others get the device once neither goes on: they would meet pipelines that still compile.
    await allEnded([compilePipelines(gpu, resident, program, precision), upload()]);
    await checkAnswers(gpu, model.architecture, precision, tuning);
    made.move();
    return resident;
  });
}

/** Compiles what a run of one image needs, all pipelines at once. */
async function compilePipelines(
  gpu: Gpu,
  resident: ResidentModel,
  program: Program,
  precision: Precision,
): Promise<void> {
  const { height, width, channels } = program.input;
  const batch: Batch = { data: new Uint8Array(height * width * channels), count: 1, height, width };
  let compiled: Promise<void> = Promise.resolve();
  const called = checked(gpu.device, () => {
    const recording = resident.record(planOneImage(program, precision), batch);
    compiled = compileSteps(gpu, recording.steps);
    resident.release(recording);
  });
  // If both fail, the call's error is the one that says what is wrong with a program.
  await allEnded([called, compiled]);
}

/** Waits until all have ended. @throws The reason of the first one in the list that has failed. */
async function allEnded(work: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(work);
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

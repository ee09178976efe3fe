/**
 * Brings a model onto a device: checks that it fits, uploads the weights while the pipelines compile, and checks the kernels.
 *
 * @module
 */

import { env } from "@tensorflow/tfjs-core";
import type { Model } from "../../../model/model.ts";
import type { Batch, Precision } from "../../engine.ts";
import type { Program } from "../../program.ts";
import type { Gpu } from "../device/device.ts";
import { checked } from "../device/errors.ts";
import { Network } from "./network.ts";
import { planLayers } from "./plan.ts";
import { preflight } from "./preflight.ts";
import { checkAnswers } from "./self_test.ts";
import type { Tuning } from "../tuning/tile.ts";

/**
 * Loads a network, whose pipelines are then ready for one image of the training size.
 *
 * @throws {BackendUnavailableError} If it does not fit, the device fails, or its answers are wrong.
 */
export async function loadNetwork(
  gpu: Gpu,
  model: Model,
  program: Program,
  precision: Precision,
  tuning: Tuning,
  signal: AbortSignal | undefined,
): Promise<Network> {
  preflight(program, precision, gpu.device.limits, tuning.memory);
  return await gpu.exclusively(async () => {
    let made: Network | undefined;
    try {
      const network = await checked(
        gpu.device,
        () => made = new Network(gpu.backend, program, precision, tuning),
      );
      await Promise.all([
        compilePipelines(gpu, network, program, precision),
        network.upload(model.weights({ signal })),
      ]);
      await checkAnswers(gpu, model.architecture, precision, tuning);
      return network;
    } catch (error) {
      if (gpu.lost() === undefined) made?.[Symbol.dispose]();
      throw error;
    }
  });
}

/** Compiles what a run of one image needs, all pipelines at once. */
async function compilePipelines(
  { backend, device }: Gpu,
  network: Network,
  program: Program,
  precision: Precision,
): Promise<void> {
  const { height, width, channels } = program.input;
  const batch: Batch = { data: new Uint8Array(height * width * channels), count: 1, height, width };
  let compiled: Promise<void> = Promise.resolve();
  const called = checked(device, () => {
    const recording = network.record(planLayers(program, precision, batch), batch);
    // tfjs then starts to compile, and dispatches nothing.
    env().set("WEBGPU_ENGINE_COMPILE_ONLY", true);
    try {
      recording.passes.forEach((pass) => pass.run());
    } finally {
      env().set("WEBGPU_ENGINE_COMPILE_ONLY", false);
    }
    network.release(recording);
    compiled = backend.checkCompileCompletionAsync();
  });
  // If both fail, the call's error is the one that says what is wrong with a program.
  const results = await Promise.allSettled([called, compiled]);
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

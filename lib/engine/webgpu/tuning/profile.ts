/**
 * Times the layers of a network.
 *
 * @module
 */

import type { Batch, LayerProfile } from "../../engine.ts";
import type { Gpu } from "../device/device.ts";
import type { Network } from "../network/network.ts";
import type { LayerPlan } from "../network/plan.ts";

/**
 * The milliseconds that the device spends on recorded dispatches: its own timestamps where it has them, and otherwise the
 * time until all is done.
 */
export async function timeOnDevice({ backend, device }: Gpu, record: () => void): Promise<number> {
  if (device.features.has("timestamp-query")) {
    const { kernelMs } = await backend.time(record);
    // An object with an error is what tfjs gives for backends that cannot time.
    return kernelMs as number;
  }
  const start = performance.now();
  record();
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.submitQueue();
  await device.queue.onSubmittedWorkDone();
  return performance.now() - start;
}

/** Multiplications and additions of a layer, as it is defined. */
export function operationsOf({ layer, input, padding, output }: LayerPlan): number {
  const [height, width] = layer.kernel;
  const rows = input.height + 2 * padding - height + 1;
  const columns = input.width + 2 * padding - width + 1;
  return 2 * output.images * rows * columns * height * width * layer.inChannels * layer.outChannels;
}

/** Runs a network once, one dispatch after the other, and adds up the time of each layer's. */
export async function profileLayers(
  gpu: Gpu,
  network: Network,
  plan: readonly LayerPlan[],
  batch: Batch,
): Promise<LayerProfile[]> {
  const recording = network.record(plan, batch);
  try {
    const ms = new Map<string, number>();
    for (const { layer, run } of recording.passes) {
      ms.set(layer, (ms.get(layer) ?? 0) + await timeOnDevice(gpu, run));
    }
    return plan.map((step) => ({
      layer: step.layer.name,
      ms: ms.get(step.layer.name)!,
      operations: operationsOf(step),
      candidate: network.candidate(step),
    }));
  } finally {
    if (gpu.lost() === undefined) network.release(recording);
  }
}

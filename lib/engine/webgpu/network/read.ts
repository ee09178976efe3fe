/**
 * Runs a network and reads the result back.
 *
 * @module
 */

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Activations, Batch } from "../../engine.ts";
import type { Gpu } from "../device/device.ts";
import { checked } from "../device/errors.ts";
import { elements, padChannels, stateVectors } from "../kernels/layout.ts";
import type { Network } from "./network.ts";
import type { LayerPlan } from "./plan.ts";
import type { Recording } from "./record.ts";

/** Records all passes, and waits once: for what the last layer gives. */
export async function readActivations(
  gpu: Gpu,
  network: Network,
  plan: readonly LayerPlan[],
  batch: Batch,
): Promise<Activations> {
  const { backend, device } = gpu;
  const read = (tensor: TensorInfo): Promise<Int32Array> =>
    backend.read(tensor.dataId) as Promise<Int32Array>;
  let recording: Recording | undefined;
  let reads: Promise<[Int32Array, Int32Array | undefined]> | undefined;
  try {
    await checked(device, () => {
      const { passes, values, state } = recording = network.record(plan, batch);
      passes.forEach((pass) => pass.run());
      reads = Promise.all([read(values), state && read(state)]);
    });
    const [values, state] = await gpu.unlessLost(reads!);
    if (gpu.lost() === undefined) network.release(recording!);
    return activations(plan.at(-1)!, values, state);
  } catch (error) {
    await gpu.unlessLost(Promise.resolve(reads)).catch(() => {});
    if (gpu.lost() === undefined) network.forget(recording);
    throw error;
  }
}

function activations(
  { layer, output, pool }: LayerPlan,
  words: Int32Array,
  state: Int32Array | undefined,
): Activations {
  const { images, height, width, channels } = output;
  const used = words.subarray(0, elements(output));
  const data = state === undefined
    ? new Float32Array(used.buffer, used.byteOffset, used.length)
    : used;
  return {
    layer: pool ? layer.pool! : layer.name,
    shape: [images, height, width, layer.outChannels],
    data: withoutPadding(data, layer.outChannels),
    scale: Float64Array.from(
      { length: images },
      (_, image) => state === undefined ? 1 : unit(state, image * stateVectors(channels) * 4),
    ),
  };
}

/** `2^(E - Ue) / Um`, the real value of 1. */
function unit(state: Int32Array, at: number): number {
  const [mantissa, exponent, shift] = state.subarray(at, at + 3);
  return 2 ** (shift - exponent) / mantissa;
}

/** Copies the channels that there are, without those that rounding up has added. */
function withoutPadding<T extends Int32Array | Float32Array>(values: T, channels: number): T {
  const pitch = padChannels(channels);
  if (pitch === channels) return values.slice() as T;
  const out = values.slice(0, values.length / pitch * channels) as T;
  for (let from = 0, to = 0; from < values.length; from += pitch, to += channels) {
    out.set(values.subarray(from, from + channels), to);
  }
  return out;
}

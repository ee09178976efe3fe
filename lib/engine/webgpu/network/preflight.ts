/**
 * Compares what a network needs with what a device offers, before anything is allocated.
 *
 * @module
 */

import { BackendUnavailableError } from "../../../errors.ts";
import type { Precision } from "../../engine.ts";
import type { Program } from "../../program.ts";
import { allocatedBytes, type MemoryKind, TEXTURE_WIDTH } from "../device/memory.ts";
import { type LayerPlan, planLayers, runVectors } from "./plan.ts";
import { weightVectors } from "./weights.ts";

/** The limits of a device that matter here. */
export type Limits = Pick<
  GPUSupportedLimits,
  "maxStorageBufferBindingSize" | "maxBufferSize" | "maxTextureDimension2D"
>;

/** Bytes that one tensor can have. */
export function largestTensor(limits: Limits, memory: MemoryKind): number {
  return memory === "texture"
    ? allocatedBytes(TEXTURE_WIDTH, "texture") * limits.maxTextureDimension2D
    : Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
}

/** How many images of a plan for one fit a run; 0 if not one does. */
export function imagesPerRun(
  plan: readonly LayerPlan[],
  precision: Precision,
  limits: Limits,
  memory: MemoryKind,
): number {
  // The result is a buffer, the others are what the engine's memory is. Maxima of workgroups, at most one for each
  // sixteen vectors, are allowed for.
  const { image, activations, values } = runVectors(plan, precision, () => 0);
  const { height, width, channels } = plan.at(-1)!.output;
  const bytes = (vectors: number): number => Math.ceil(vectors * 16 * 17 / 16);
  return Math.floor(Math.min(
    largestTensor(limits, memory) / bytes(Math.max(image, activations, values)),
    largestTensor(limits, "buffer") / bytes(height * width * channels / 4),
  ));
}

/**
 * Checks that a network fits a device, for one image of the training size.
 *
 * @throws {BackendUnavailableError} If it does not, with everything that does not fit.
 */
export function preflight(
  program: Program,
  precision: Precision,
  limits: Limits,
  memory: MemoryKind,
): void {
  const largest = largestTensor(limits, memory);
  const problems = program.layers.flatMap((layer, index) => {
    const bytes = allocatedBytes(weightVectors(layer, index === 0), memory);
    return bytes > largest ? [`the weights of ${layer.name} take ${mebibytes(bytes)}`] : [];
  });
  const { height, width } = program.input;
  const plan = planLayers(program, precision, { count: 1, height, width });
  if (imagesPerRun(plan, precision, limits, memory) < 1) {
    problems.push(`the activations of one image of ${height}x${width} do not fit`);
  }
  if (problems.length > 0) {
    throw new BackendUnavailableError(
      "webgpu",
      `the model does not fit the device, which allows ${mebibytes(largest)} for a ${memory}: ` +
        `${problems.join("; ")}. Use a smaller model, or backend "wasm"`,
    );
  }
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}

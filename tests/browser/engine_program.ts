/** What the tests run in a browser of the engine on its WebGPU: the cases that Deno's is held to. */

import { acquireGpu } from "../../lib/engine/webgpu/device/device.ts";
import { createWebgpuEngine } from "../../lib/engine/webgpu/engine.ts";
import { defaultTuning, type Tuning } from "../../lib/engine/webgpu/tuning/tile.ts";
import { checkEveryLayer, engineCases } from "../support/engine_cases.ts";

/** The names of the cases, in their order. */
export const NAMES: readonly string[] = engineCases().map(({ name }) => name);

/** Holds every layer of a case to the reference's bits, as a software adapter computes it or as a GPU does. */
export async function check(index: number, memory: Tuning["memory"]): Promise<void> {
  await acquireGpu(); // Until the page is closed: so what was compiled stays.
  const tuning = defaultTuning(memory === "texture");
  await checkEveryLayer(
    (model, program) => createWebgpuEngine(model, { program, tuning }),
    engineCases()[index]!,
  );
}

/** Programs of steps, compiled before anything runs. */

import { BackendUnavailableError } from "../../../errors.ts";
import type { Gpu } from "./device.ts";
import { compileWithin, type Step } from "./tfjs.ts";

/**
 * Compiles the programs of steps, all at once, and runs none of them. Nobody else may use the device meanwhile.
 *
 * @param limitMs Default: as long as it takes.
 * @throws {BackendUnavailableError} If the device refuses a program, or is not ready with it in time.
 */
export async function compileSteps(
  { backend, lost }: Gpu,
  steps: readonly Step[],
  limitMs?: number,
): Promise<void> {
  let reason = `a program was not compiled in ${limitMs} ms`;
  try {
    if (await compileWithin(backend, steps, limitMs)) return;
  } catch (error) {
    if (lost() !== undefined || !(error instanceof GPUPipelineError)) throw error;
    reason = `a program was refused: ${error.message}`;
  }
  throw new BackendUnavailableError("backend-missing", "webgpu", reason);
}

/**
 * Chooses the executor. Each is imported only when it is chosen: `auto` on a machine without a GPU
 * never loads tfjs.
 */

import { provided } from "../provided.ts";
import { BackendUnavailableError } from "../errors.ts";
import { completeOptions, ENGINE_OPTIONS } from "../options.ts";
import type { Model } from "../model/model.ts";
import type { BackendOptions, Engine } from "./engine.ts";

/**
 * Loads a model's weights into an engine.
 *
 * @throws {RangeError} If an option is not one of its values.
 * @throws {BackendUnavailableError} If the backend that was asked for cannot run here.
 */
export async function createEngine(model: Model, options: BackendOptions = {}): Promise<Engine> {
  const { backend } = completeOptions(ENGINE_OPTIONS, options);
  if (backend === "wasm") return await createWasm(model, options);
  if (backend === "webgpu") return await createWebgpu(model, options);

  if (provided.webgpu === undefined) return await createWasm(model, options);
  const { findAdapter, mayHaveGpu } = await import("./webgpu/device/adapter.ts");
  const adapter = mayHaveGpu() ? await findAdapter() : undefined;
  if (adapter === undefined || adapter.isFallback) return await createWasm(model, options);
  // What ends the loading does not end the substitute's, which comes later.
  const substitute = (): Promise<Engine> => createWasm(model, { ...options, signal: undefined });
  try {
    return await createWebgpu(model, options, substitute);
  } catch (error) {
    if (error instanceof BackendUnavailableError) return await createWasm(model, options);
    throw error;
  }
}

async function createWasm(model: Model, options: BackendOptions): Promise<Engine> {
  const { createWasmEngine } = await import("./wasm/engine.ts");
  return await createWasmEngine(model, options);
}

async function createWebgpu(
  model: Model,
  options: BackendOptions,
  substitute?: () => Promise<Engine>,
): Promise<Engine> {
  if (provided.webgpu === undefined) {
    throw new BackendUnavailableError(
      "backend-missing",
      "webgpu",
      "this entry of the package brings none: import @edge/vgg16, or choose wasm",
    );
  }
  const { createWebgpuEngine } = await provided.webgpu();
  return await createWebgpuEngine(model, { ...options, substitute });
}

/**
 * Chooses the executor. Each is imported only when it is chosen: `auto` on a machine without a GPU
 * never loads tfjs.
 *
 * @module
 */

import { BackendUnavailableError } from "../errors.ts";
import type { Model } from "../model/model.ts";
import type { Backend, Engine, Precision } from "./engine.ts";

/** What an engine can be asked for. */
export interface EngineOptions {
  /**
   * `"auto"`, the default, takes WebGPU on a real adapter, and WebAssembly where there is none, only
   * a software one, or one that the model does not fit.
   */
  readonly backend?: "auto" | Backend;
  /** `"int8"`, the default, is exact and the same everywhere. */
  readonly precision?: Precision;
  /** Threads of the WebAssembly engine. Default: `"auto"`. */
  readonly threads?: "auto" | number;
  /** Whether kernels are chosen by a timed trial. No int8 result depends on it. Default: `"auto"`. */
  readonly tune?: "auto" | "off";
  /**
   * Where WebGPU's times of kernels are kept, as `webgpu_tuning.json`. A load tries what is not there yet, for some two seconds;
   * without a folder there is no trial, and the defaults run.
   */
  readonly cacheDir?: string;
  /** Ends loading early. */
  readonly signal?: AbortSignal;
}

const BACKENDS = ["auto", "webgpu", "wasm"];
const PRECISIONS = ["int8", "float"];
const TUNES = ["auto", "off"];

/**
 * Loads a model's weights into an engine.
 *
 * @throws {RangeError} If an option is not one of its values.
 * @throws {BackendUnavailableError} If the backend that was asked for cannot run here.
 */
export async function createEngine(model: Model, options: EngineOptions = {}): Promise<Engine> {
  const { backend = "auto", precision = "int8", threads = "auto", tune = "auto" } = options;
  checkChoice("backend", backend, BACKENDS);
  checkChoice("precision", precision, PRECISIONS);
  checkChoice("tune", tune, TUNES);
  if (threads !== "auto" && !(Number.isInteger(threads) && threads >= 1)) {
    throw new RangeError(`threads must be "auto" or an integer of at least 1: found ${threads}`);
  }
  if (backend === "wasm") return await createWasm(model, options);
  if (backend === "webgpu") return await createWebgpu(model, options);

  const { findAdapter } = await import("./webgpu/device/adapter.ts");
  const adapter = await findAdapter();
  if (adapter === undefined || adapter.isFallback) return await createWasm(model, options);
  try {
    return await createWebgpu(model, options);
  } catch (error) {
    if (error instanceof BackendUnavailableError) return await createWasm(model, options);
    throw error;
  }
}

async function createWasm(model: Model, options: EngineOptions): Promise<Engine> {
  const { createWasmEngine } = await import("./wasm/engine.ts");
  return await createWasmEngine(model, options);
}

async function createWebgpu(model: Model, options: EngineOptions): Promise<Engine> {
  const { createWebgpuEngine } = await import("./webgpu/engine.ts");
  return await createWebgpuEngine(model, options);
}

function checkChoice(name: string, value: string, choices: readonly string[]): void {
  if (!choices.includes(value)) {
    throw new RangeError(
      `${name} must be one of ${choices.map((c) => `"${c}"`).join(", ")}: found "${value}"`,
    );
  }
}

/**
 * The GPU device that all engines of a process share, registered with tfjs as a backend.
 *
 * @module
 */

import { findBackendFactory, registerBackend, removeBackend } from "@tensorflow/tfjs-core";
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { BackendUnavailableError } from "../../errors.ts";
import { findAdapter } from "./adapter.ts";
import { BACKEND_NAME } from "./kernel.ts";

/** A device and the tfjs backend on it. */
export interface Gpu {
  readonly device: GPUDevice;
  readonly backend: WebGPUBackend;
  /** The adapter's name. */
  readonly description: string;
  /** Why the device was lost, once it was. */
  lost: GPUDeviceLostInfo | undefined;
}

let shared: Promise<Gpu> | undefined;
let users = 0;

/**
 * Takes a share of the device; the first one requests it. Give it back with {@linkcode releaseGpu}.
 *
 * @throws {BackendUnavailableError} If there is no adapter, or it gives no device.
 */
export async function acquireGpu(): Promise<Gpu> {
  users++;
  try {
    shared ??= requestGpu();
    const gpu = await shared;
    if (gpu.lost === undefined) return gpu;
    shared = requestGpu();
    return await shared;
  } catch (error) {
    await releaseGpu();
    throw error;
  }
}

/** Gives a share back; the last one destroys the device. */
export async function releaseGpu(): Promise<void> {
  users--;
  if (users > 0 || shared === undefined) return;
  const last = shared;
  shared = undefined;
  const gpu = await last.catch(() => undefined);
  if (gpu === undefined) return;
  if (findBackendFactory(BACKEND_NAME)) removeBackend(BACKEND_NAME);
  gpu.device.destroy();
}

async function requestGpu(): Promise<Gpu> {
  const found = await findAdapter();
  if (found === undefined) {
    throw new BackendUnavailableError(
      "webgpu",
      "no GPU adapter was found. Install a Vulkan driver (for the software one, on Debian: " +
        'mesa-vulkan-drivers and libvulkan1), or use backend "wasm"',
    );
  }
  const { adapter, description } = found;
  const device = await adapter.requestDevice({
    requiredFeatures: adapter.features.has("timestamp-query") ? ["timestamp-query"] : [],
    requiredLimits: {
      maxBufferSize: adapter.limits.maxBufferSize,
      maxStorageBufferBindingSize: adapter.limits.maxStorageBufferBindingSize,
    },
  });
  const backend = new WebGPUBackend(device, adapter.info);
  const gpu: Gpu = { device, backend, description, lost: undefined };
  device.lost.then((info) => gpu.lost = info);
  if (findBackendFactory(BACKEND_NAME)) removeBackend(BACKEND_NAME);
  registerBackend(BACKEND_NAME, () => backend);
  return gpu;
}

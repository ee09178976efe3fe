/** The GPU device that all engines of a process share, and what it reports, as named errors. */

import { RUNTIME_VERSION } from "../../../platform.ts";
import { readPermitted } from "../../../environment.ts";
import { BackendUnavailableError } from "../../../errors.ts";
import { driverOf, findAdapter } from "./adapter.ts";
import { type Backend, openBackend, unregisterBackend } from "./tfjs.ts";

/** A device and the tfjs backend on it. */
export interface Gpu {
  readonly device: GPUDevice;
  readonly backend: Backend;
  /** The adapter's name. */
  readonly description: string;
  /** What else the adapter says of itself, its driver, and what WebGPU reaches that by. */
  readonly driver: string;
  readonly isFallback: boolean;
  /** Why the device was lost, once it was. */
  lost(): GPUDeviceLostInfo | undefined;
  /**
   * Whether the device was lost. A failed call may be heard of before the loss that made it fail.
   */
  wasLost(): Promise<boolean>;
  /** Calls a function once the device is lost. Gives what forgets it. */
  onLoss(notify: () => void): () => void;
  /** Waits for something that a lost device would never give. */
  unlessLost<T>(result: Promise<T>): Promise<T>;
  /** Does something while no other engine uses the device. */
  exclusively<T>(work: () => Promise<T>): Promise<T>;
}

/** How long the news of a loss may take. */
const LOSS_DELAY_MS = 200;

let shared: Promise<Gpu> | undefined;
let users = 0;

/**
 * Takes a share of the device; the first one requests it, and a lost one is replaced. Give it back
 * with {@linkcode releaseGpu}.
 *
 * @throws {BackendUnavailableError} If there is no adapter, or it gives no device.
 */
export async function acquireGpu(): Promise<Gpu> {
  users++;
  try {
    return await currentGpu();
  } catch (error) {
    await releaseGpu();
    throw error;
  }
}

/**
 * The device, or a new one if it was lost: for those who have a share.
 *
 * @param software Whether a software adapter will do.
 * @throws {BackendUnavailableError} If there is no adapter, none that will do, or it gives no device.
 */
export async function currentGpu(software: boolean = true): Promise<Gpu> {
  for (;;) {
    const isOthers = shared !== undefined, asked = shared ?? requestShared(software);
    let gpu: Gpu;
    try {
      gpu = await asked;
    } catch (error) {
      if (isOthers) continue; // Whose request may have been for more.
      throw error;
    }
    if (isOthers && gpu.lost() !== undefined) {
      // Whoever notices the loss first requests the next device.
      if (shared === asked) shared = undefined;
      continue;
    }
    if (gpu.isFallback && !software) throw onlySoftware();
    return gpu;
  }
}

function onlySoftware(): BackendUnavailableError {
  const reason = "only a software adapter was found";
  return new BackendUnavailableError("backend-missing", "webgpu", reason);
}

/** Requests the device for all. A request that fails is not kept: the next call makes another. */
function requestShared(software: boolean): Promise<Gpu> {
  const asked = shared = requestGpu(software);
  asked.catch(() => {
    if (shared === asked) shared = undefined;
  });
  return asked;
}

/** Gives a share back; the last one destroys the device. */
export async function releaseGpu(): Promise<void> {
  users--;
  if (users > 0 || shared === undefined) return;
  const last = shared;
  shared = undefined;
  const gpu = await last.catch(() => undefined);
  if (gpu === undefined) return;
  gpu.backend.dispose();
  gpu.device.destroy();
  if (shared === undefined) unregisterBackend();
}

/** @throws {BackendUnavailableError} Where a driver has an adapter, and gives no device: `"auto"` goes on without. */
async function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const { features, limits: { maxBufferSize, maxStorageBufferBindingSize } } = adapter;
  try {
    return await adapter.requestDevice({
      requiredFeatures: features.has("timestamp-query") ? ["timestamp-query"] : [],
      requiredLimits: { maxBufferSize, maxStorageBufferBindingSize },
    });
  } catch (cause) {
    const reason = `the adapter gives no device: ${(cause as Error).message}`;
    throw new BackendUnavailableError("backend-missing", "webgpu", reason, { cause });
  }
}

/** What of the language the kernels need: four integers in a word. */
const PACKED = "packed_4x8_integer_dot_product";

async function requestGpu(software: boolean): Promise<Gpu> {
  const found = await findAdapter();
  if (found === undefined) {
    throw new BackendUnavailableError(
      "backend-missing",
      "webgpu",
      "no GPU adapter was found. Install a Vulkan driver (for the software one, on Debian: " +
        'mesa-vulkan-drivers and libvulkan1), or use backend "wasm"',
    );
  }
  const { adapter, description, isFallback } = found;
  if (isFallback && !software) throw onlySoftware();
  // Deno's types do not say it, and 2.7 and 2.8 have what is needed without a list.
  const { wgslLanguageFeatures } = navigator.gpu as { wgslLanguageFeatures?: ReadonlySet<string> };
  if (!(wgslLanguageFeatures?.has(PACKED) ?? /^2\.[78]\./.test(RUNTIME_VERSION))) {
    const reason = `this runtime's WGSL has no ${PACKED}, which Deno's has from 2.7 on`;
    throw new BackendUnavailableError("backend-missing", "webgpu", reason);
  }
  const device = await requestDevice(adapter);
  const backend = openBackend(device, adapter.info);
  let lost: GPUDeviceLostInfo | undefined;
  // Not a race with `device.lost`: each would stay with that promise for as long as the device
  // lives.
  const listeners = new Set<() => void>();
  const onLoss = (notify: () => void): () => void => {
    if (lost === undefined) listeners.add(notify);
    else queueMicrotask(notify);
    return () => void listeners.delete(notify);
  };
  device.lost.then((info) => {
    lost = info;
    for (const notify of listeners) notify();
    listeners.clear();
  });
  let queue: Promise<unknown> = Promise.resolve();
  return {
    device,
    backend,
    description,
    driver: driverOf(adapter.info, readPermitted("DENO_WEBGPU_BACKEND")),
    isFallback,
    lost: () => lost,
    async wasLost() {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, LOSS_DELAY_MS);
      const forget = onLoss(resolve);
      await promise;
      clearTimeout(timer);
      forget();
      return lost !== undefined;
    },
    onLoss,
    async unlessLost<T>(result: Promise<T>): Promise<T> {
      const { promise, reject } = Promise.withResolvers<never>();
      const forget = onLoss(() => reject(new Error(`The device was lost: ${lost!.message}`)));
      try {
        return await Promise.race([result, promise]);
      } finally {
        forget();
      }
    },
    exclusively(work) {
      const result = queue.then(work);
      queue = result.catch(() => {});
      return result;
    },
  };
}

const FILTERS: readonly GPUErrorFilter[] = ["out-of-memory", "validation"];

/**
 * Calls a function, which must not wait, and catches what the device has to say about it.
 *
 * @throws {BackendUnavailableError} Later, if memory ran out or a call was not valid.
 */
export async function checked<T>(device: GPUDevice, call: () => T): Promise<T> {
  FILTERS.forEach((filter) => device.pushErrorScope(filter));
  let result: T;
  let scopes: ReturnType<GPUDevice["popErrorScope"]>[] = [];
  try {
    result = call();
  } finally {
    // The scopes close before anything else can happen on the device.
    scopes = FILTERS.map(() => device.popErrorScope());
  }
  // The last scope opened is the first one closed.
  const [invalid, memory] = await Promise.all(scopes);
  if (memory) throw outOfMemory(memory.message);
  if (invalid) {
    const reason = `a call was not valid: ${invalid.message}`;
    throw new BackendUnavailableError("backend-missing", "webgpu", reason);
  }
  return result;
}

function outOfMemory(message: string): BackendUnavailableError {
  return new BackendUnavailableError(
    "backend-capacity",
    "webgpu",
    `the device ran out of memory. Use smaller batches, close what else uses the GPU, or use backend "wasm" (${message})`,
  );
}

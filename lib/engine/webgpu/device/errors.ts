/**
 * What a device reports while something is done, as named errors.
 *
 * @module
 */

import { BackendUnavailableError } from "../../../errors.ts";

const FILTERS: readonly GPUErrorFilter[] = ["out-of-memory", "validation"];

/** What is asked of a device. */
export interface ErrorScopes {
  pushErrorScope(filter: GPUErrorFilter): void;
  popErrorScope(): Promise<{ readonly message: string } | null>;
}

/**
 * Calls a function, which must not wait, and catches what the device has to say about it.
 *
 * @throws {BackendUnavailableError} Later, if memory ran out or a call was not valid.
 */
export async function checked<T>(device: ErrorScopes, call: () => T): Promise<T> {
  FILTERS.forEach((filter) => device.pushErrorScope(filter));
  let result: T;
  let scopes: ReturnType<ErrorScopes["popErrorScope"]>[] = [];
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
    throw new BackendUnavailableError("webgpu", `a call was not valid: ${invalid.message}`);
  }
  return result;
}

function outOfMemory(message: string): BackendUnavailableError {
  return new BackendUnavailableError(
    "webgpu",
    `the device ran out of memory. Use smaller batches, close what else uses the GPU, or use backend "wasm" (${message})`,
  );
}

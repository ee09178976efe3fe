/**
 * Tests that need a GPU adapter: skipped visibly where there is none, failed where one is required.
 *
 * @module
 */

import "../../lib/entries/whole.ts";
import { findAdapter } from "../../lib/engine/webgpu/device/adapter.ts";

const MISSING =
  "no GPU adapter. For the software one: apt-get install mesa-vulkan-drivers libvulkan1";

const available = await findAdapter() !== undefined;
const required = Deno.env.get("TESTS_REQUIRE_WEBGPU") === "1";

/** Whether to ask for WebGPU: where there is an adapter, be it a software one, or where one is required. */
export const CAN_ASK_GPU: boolean = available || required;

/** Registers a test that runs where there is a GPU adapter. */
export function gpuTest(name: string, fn: () => Promise<void>): void {
  if (available) {
    Deno.test(name, fn);
  } else if (required) {
    Deno.test(name, () => {
      throw new Error(`TESTS_REQUIRE_WEBGPU is set, but there is ${MISSING}`);
    });
  } else {
    Deno.test({ name: `${name} (skipped: ${MISSING})`, ignore: true, fn });
  }
}

/**
 * Until it is disposed, every device that is requested has WebGPU's default limits, whatever the
 * adapter can do.
 */
export function defaultLimits(): Disposable {
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = function (descriptor) {
    return requestDevice.call(this, { ...descriptor, requiredLimits: {} });
  };
  return { [Symbol.dispose]: () => void (GPUAdapter.prototype.requestDevice = requestDevice) };
}

/** Looks for a GPU, without loading tfjs. */

import { isGranted, kindOf, NotFound, SYSTEM } from "../../../platform.ts";

/** A WebGPU adapter and what it is. */
export interface Adapter {
  readonly adapter: GPUAdapter;
  /** True for a software adapter, which WebAssembly outruns. */
  readonly isFallback: boolean;
  /** The adapter's name. */
  readonly description: string;
}

/** What drivers of GPUs put into `/dev`: Mesa's and AMD's, NVIDIA's, WSL's, those of boards and phones. */
const DEVICES = ["dri", "nvidiactl", "nvidia0", "kfd", "dxg", "nvmap", "mali0", "kgsl-3d0"];

/**
 * Whether there may be a GPU. On Linux `/dev` tells, where it may be read: to ask for an adapter takes 100 ms and
 * 70 MB, and software drivers write about the session on standard error.
 */
export function mayHaveGpu(): boolean {
  if (!SYSTEM.startsWith("linux") || !isGranted({ name: "read", path: "/dev" })) return true;
  return DEVICES.some((name) => {
    try {
      return kindOf(`/dev/${name}`) !== undefined;
    } catch (error) {
      return !(error instanceof NotFound); // Nothing is known of what may not be looked at.
    }
  });
}

/** Finds the adapter that the engine would run on, or `undefined` where there is none. */
export async function findAdapter(): Promise<Adapter | undefined> {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) return undefined;
  const { info } = adapter;
  const description = info.description || [info.vendor, info.architecture, info.device].join(" ");
  return { adapter, isFallback: info.isFallbackAdapter, description };
}

/** What Chromium's implementation says beyond the standard, where a page is trusted with it. */
interface MoreInfo {
  /** `vulkan`, `metal`, `D3D12`, … */
  readonly backend?: string;
  readonly driver?: string;
}

/**
 * What an adapter says of itself but for its name. One GPU is several adapters, with compilers of their own: by Vulkan,
 * by OpenGL, by Metal. Few runtimes name these, so their sizes of subgroups tell them apart too.
 *
 * @param backend What Deno was told to take, if anything.
 */
export function driverOf(info: GPUAdapterInfo, backend: string | undefined): string {
  const { backend: own = backend, driver } = info as MoreInfo;
  const { vendor, architecture, device, subgroupMinSize, subgroupMaxSize } = info;
  const subgroups = `subgroups ${subgroupMinSize}-${subgroupMaxSize}`;
  return [vendor, architecture, device, driver, own, subgroups].filter(Boolean).join(" ");
}

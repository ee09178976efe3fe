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

/** Looks for a GPU, without loading tfjs. */

/** A WebGPU adapter and what it is. */
export interface Adapter {
  readonly adapter: GPUAdapter;
  /** True for a software adapter, which WebAssembly outruns. */
  readonly isFallback: boolean;
  /** The adapter's name. */
  readonly description: string;
}

/** Finds the adapter that the engine would run on, or `undefined` where there is none. */
export async function findAdapter(): Promise<Adapter | undefined> {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) return undefined;
  const { info } = adapter;
  const description = info.description || [info.vendor, info.architecture, info.device].join(" ");
  return { adapter, isFallback: info.isFallbackAdapter, description };
}

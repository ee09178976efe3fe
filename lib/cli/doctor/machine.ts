/** What of the machine and the runtime decides how a model runs. */

import { HUB_ENDPOINT, HUB_TOKEN, readPermitted } from "../../environment.ts";
import { type Adapter, findAdapter, mayHaveGpu } from "../../engine/webgpu/device/adapter.ts";
import { bestVariant, type Variant } from "../../engine/wasm/kernels.ts";
import { Memory } from "../../engine/wasm/memory.ts";
import { ENV_PREFIX, envName } from "../../options.ts";
import { SETTINGS } from "../../options/service.ts";
import {
  environmentVariables,
  isGranted,
  RUNTIME_VERSION,
  SYSTEM,
  V8_VERSION,
} from "../../platform.ts";
import { publicText } from "../../public_url.ts";
import { VERSION } from "../../version.ts";
import { VARIABLES } from "../environment.ts";

/** What runs here. */
export const VERSIONS = { vgg16: VERSION, deno: RUNTIME_VERSION, v8: V8_VERSION, system: SYSTEM };

/** A GPU, or why there is none. */
export interface Gpu {
  /** The adapter's name. */
  readonly adapter: string | null;
  /** Whether it is a real one, which is taken unless something else is asked for. */
  readonly isReal: boolean;
  /** Why not. */
  readonly problem: string | null;
}

/**
 * Looks for a GPU, as an engine does.
 *
 * @param isWanted Whether WebGPU is asked for: any adapter does then.
 */
export async function findGpu(isWanted: boolean): Promise<Gpu> {
  const none = (problem: string): Gpu => ({ adapter: null, isReal: false, problem });
  if (globalThis.navigator?.gpu === undefined) return none("this runtime has no WebGPU");
  if (!isWanted && !mayHaveGpu()) return none("/dev holds no GPU, so none is asked for");
  let found: Adapter | undefined;
  try {
    found = await findAdapter();
  } catch (error) {
    return none(`the runtime finds no adapter: ${error instanceof Error ? error.message : error}`);
  }
  if (found === undefined) {
    return none("no adapter was found: it takes a GPU and its Vulkan driver");
  }
  const adapter = found.description.trim();
  return found.isFallback
    ? { adapter, isReal: false, problem: "only a software adapter, which WebAssembly outruns" }
    : { adapter, isReal: true, problem: null };
}

/** What WebAssembly has here. */
export interface Wasm {
  /** The kernels that are taken: every runtime has plain SIMD. */
  readonly simd: Variant;
  readonly cores: number;
  /** Whether threads can share memory; otherwise there is only one. */
  readonly sharedMemory: boolean;
}

export function describeWasm(): Wasm {
  return {
    simd: bestVariant(),
    cores: globalThis.navigator?.hardwareConcurrency ?? 1,
    sharedMemory: new Memory(0, true).shared,
  };
}

/** Variables of others that this program obeys. */
const FOREIGN = ["NO_COLOR", "FORCE_COLOR", HUB_ENDPOINT, HUB_TOKEN];

/**
 * The variables that are set, as far as they may be read, with their values: `null` where these may be secrets.
 */
export function describeEnvironment(): Record<string, string | null> {
  const listed = isGranted({ name: "env" }) ? Object.keys(environmentVariables()) : [];
  const own = listed.filter((name) => name.startsWith(ENV_PREFIX)).sort();
  const names = new Set([...Object.keys(SETTINGS).map(envName), ...own, ...FOREIGN]);
  return Object.fromEntries([...names].flatMap((name) => {
    const text = readPermitted(name);
    if (text === undefined) return [];
    return [[name, VARIABLES.includes(name) ? publicText(text) : null]];
  }));
}

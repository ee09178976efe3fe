/** The compiled kernels, for what the runtime has. */

import { fromBase64 } from "../../encoding.ts";
import { provided } from "../../provided.ts";
import { PLAIN, RELAXED } from "./binary.ts";
import type { Memory } from "./memory.ts";

/** Relaxed SIMD, or that which every runtime has. */
export type Variant = "relaxed" | "plain";

/** What kernels/main.ts exports. */
export interface Kernels {
  readonly execute: (from: number, to: number, barrier: number, thread: number) => void;
  readonly pack: Pack;
  readonly packFirst: Pack;
  readonly transformFilters: (from: number, channels: number, blocks: number, to: number) => void;
}

type Pack = (
  from: number,
  to: number,
  count: number,
  filterRows: number,
  filterColumns: number,
  inChannels: number,
  padded: number,
) => void;

/** The kernels on a memory, and the module with which other threads have them too. */
export interface CompiledKernels {
  readonly module: WebAssembly.Module;
  readonly kernels: Kernels;
}

/** The kernels on a memory: of the program's own module, or compiled here. */
export async function compileKernels(variant: Variant, memory: Memory): Promise<CompiledKernels> {
  const module = provided.module?.(`kernels_${variant}`) ??
    await WebAssembly.compile(kernelBinary(variant, memory.shared));
  const { exports } = await WebAssembly.instantiate(module, { env: { memory: memory.memory } });
  return { module, kernels: exports as unknown as Kernels }; // As kernels/main.ts has them.
}

/** The import of the memory, up to its limits: flags that say "shared, with a maximum". */
const SHARED_IMPORT = "\x03env\x06memory\x02\x03";

/** The kernels, for a memory that is shared or not: their import has to say the same. */
export function kernelBinary(variant: Variant, isShared: boolean): Uint8Array<ArrayBuffer> {
  const bytes = fromBase64({ relaxed: RELAXED, plain: PLAIN }[variant]);
  if (!isShared) {
    const binary = new TextDecoder("latin1").decode(bytes); // A letter for each byte.
    bytes[binary.indexOf(SHARED_IMPORT) + SHARED_IMPORT.length - 1] = 1;
  }
  return bytes;
}

/** The smallest module with an instruction of relaxed SIMD. */
const RELAXED_PROBE = new Uint8Array([
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0],
  ...[65, 1, 253, 15, 65, 2, 253, 15, 253, 146, 2, 11],
]);

/** The best variant that this runtime has. */
export function bestVariant(): Variant {
  return WebAssembly.validate(RELAXED_PROBE) ? "relaxed" : "plain";
}

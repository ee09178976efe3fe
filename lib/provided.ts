/**
 * What an entry of the package brings for when it is needed: `entries/whole.ts` all of it, `entries/edge.ts`
 * nothing. So what is heavy is in the module graph of those programs alone that may need it. And what a program
 * provides in the place of what the package has itself.
 */

import type { PackagedFile } from "./io/wrapped_file.ts";
import type { ModuleName } from "./module_name.ts";

/** Loads a part. */
type Load<Part> = () => Promise<Part>;

interface Provided {
  /** The model of those who name none. */
  model?: PackagedFile;
  /** Compiled modules, where the runtime compiles none from bytes. The kernels' memory is not shared. */
  module?: (name: ModuleName) => WebAssembly.Module;
  /** The engine on WebGPU, and TensorFlow.js with it. */
  webgpu?: Load<typeof import("./engine/webgpu/engine.ts")>;
  /** What pulls published checkpoints, and the converter with it. */
  pull?: Load<typeof import("./convert/pull/pull.ts")>;
}

/** The parts that are at hand. */
export const provided: Provided = {};

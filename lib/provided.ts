/**
 * What an entry of the package brings for when it is needed: `entries/whole.ts` all of it, `entries/edge.ts`
 * nothing. So what is heavy is in the module graph of those programs alone that may need it.
 */

/** Loads a part. */
type Load<Part> = () => Promise<Part>;

interface Provided {
  /** The engine on WebGPU, and TensorFlow.js with it. */
  webgpu?: Load<typeof import("./engine/webgpu/engine.ts")>;
  /** What pulls published checkpoints, and the converter with it. */
  pull?: Load<typeof import("./convert/pull/pull.ts")>;
}

/** The parts that are at hand. */
export const provided: Provided = {};

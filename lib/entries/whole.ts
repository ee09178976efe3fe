/**
 * What every entry but `edge` and `image` brings: WebGPU with TensorFlow.js, and published checkpoints with the
 * converter. Both are named in full, so that they are in the program's module graph, and work offline, but are
 * loaded only when they are needed.
 */

import { provided } from "../provided.ts";

provided.webgpu = () => import("../engine/webgpu/engine.ts");
provided.pull = () => import("../convert/pull/pull.ts");

/**
 * Our WebGPU engine as a subject of a comparison: `webgpu_subject.ts [OPTIONS as JSON] [IMAGES]`
 *
 * @module
 */

import { createWebgpuEngine } from "../lib/engine/webgpu/engine.ts";
import { serve } from "./peers/subject.mjs";
import { randomImages, randomVgg16, VGG16 } from "./vgg16.ts";

const [options = "{}", images = "1"] = Deno.args;
const { features, ...engineOptions } = JSON.parse(options);
const architecture = features ? { ...VGG16, dense: [] } : VGG16;
const start = performance.now();
const engine = await createWebgpuEngine(randomVgg16(architecture), engineOptions);
const loadMs = performance.now() - start;
const batch = randomImages(Number(images), architecture);
const { weightBytes } = randomVgg16(architecture);
await engine.run(batch);
console.error(
  `${(engine.bytesResident / 1e6).toFixed(1)} MB on the GPU, ${
    (weightBytes / 1e6).toFixed(1)
  } MB of them weights`,
);
await serve(loadMs, engine.device, () => engine.run(batch));

/**
 * Our WebAssembly engine as a subject of a comparison. In Deno, and in Node, which runs TypeScript.
 * `wasm_subject.ts [OPTIONS as JSON] [IMAGES]`
 *
 * @module
 */

import process from "node:process";
import { createWasmEngine } from "../lib/engine/wasm/engine.ts";
import { serve } from "./peers/subject.mjs";
import { randomImages, randomVgg16, VGG16 } from "./vgg16.ts";

const [options = "{}", images = "1"] = process.argv.slice(2);
const { features, ...engineOptions } = JSON.parse(options);
const architecture = features ? { ...VGG16, dense: [] } : VGG16;
const start = performance.now();
const engine = await createWasmEngine(randomVgg16(architecture), engineOptions);
const loadMs = performance.now() - start;
const batch = randomImages(Number(images), architecture);
await serve(loadMs, engine.device, () => engine.run(batch));

// onnxruntime-web's WebGPU execution provider as a subject: ort_webgpu.mjs MODEL.onnx

import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-web/webgpu";
import process from "node:process";
import { noise, serve } from "./subject.mjs";

const [model] = process.argv.slice(2);
const start = performance.now();
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(model)), {
  executionProviders: ["webgpu"],
});
const x = new ort.Tensor("float32", noise(), [1, 3, 224, 224]);
await session.run({ x });
await serve(performance.now() - start, "onnxruntime-web webgpu", () => session.run({ x }));

// onnxruntime as a subject: ort.mjs web|node MODEL.onnx THREADS

import process from "node:process";
import { readFileSync } from "node:fs";
import { noise, serve } from "./subject.mjs";

const [kind, model, threads] = process.argv.slice(2);
const start = performance.now();
const ort = await import(`onnxruntime-${kind}`);
const { InferenceSession, Tensor } = ort.InferenceSession ? ort : ort.default;
const session = kind === "web" ? await openWeb() : await InferenceSession.create(model, {
  intraOpNumThreads: Number(threads),
});

function openWeb() {
  const { env } = ort.env ? ort : ort.default;
  env.wasm.numThreads = Number(threads);
  const bytes = new Uint8Array(readFileSync(model));
  return InferenceSession.create(bytes, { executionProviders: ["wasm"] });
}

const x = new Tensor("float32", noise(), [1, 3, 224, 224]);
await serve(performance.now() - start, `onnxruntime-${kind}`, () => session.run({ x }));

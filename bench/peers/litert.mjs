// LiteRT.js (XNNPACK in WebAssembly) as a subject: litert.mjs MODEL.tflite THREADS
// It expects a browser's worker: the first lines stand in for what it looks for there.

import { createRequire } from "node:module";
import process from "node:process";
import { readFileSync } from "node:fs";
import { noise, serve } from "./subject.mjs";

const [model, threads] = process.argv.slice(2);
const require = createRequire(import.meta.url);
globalThis.self ??= globalThis;
globalThis.navigator ??= { hardwareConcurrency: 2 };
globalThis.GPUBuffer ??= class {};
globalThis.importScripts = (url) => {
  globalThis.ModuleFactory = require(String(url));
};
for (const level of ["warn", "error", "info"]) console[level] = () => {};

const start = performance.now();
const { getGlobalLiteRt, loadAndCompile, loadLiteRt, Tensor } = await import("@litertjs/core");
const variant = threads > 1 ? "litert_wasm_threaded_internal.js" : "litert_wasm_internal.js";
const folder = new URL("../../.cache/bench/litert/", import.meta.url).pathname;
await loadLiteRt(folder + variant, threads > 1 ? { threads: true } : {});
const compiled = await loadAndCompile(new Uint8Array(readFileSync(model)), {
  accelerator: "wasm",
  cpuOptions: { numThreads: Number(threads) },
});
const x = new Tensor(noise(), [1, 224, 224, 3]);
const loadMs = performance.now() - start;
const reported = getGlobalLiteRt().liteRtWasm.getThreadCount();
await serve(loadMs, `XNNPACK, ${reported} threads`, async () => {
  const [y] = await compiled.run(x);
  y.toTypedArray();
  y.delete();
});

// Imports tfjs, readies its WebAssembly backend, and prints what each took.

import { readFileSync } from "node:fs";

const start = performance.now();
const tf = await import("@tensorflow/tfjs-core");
const { setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
const imported = performance.now();
setWasmPaths(new URL("node_modules/@tensorflow/tfjs-backend-wasm/dist/", import.meta.url).pathname);
await tf.setBackend("wasm");
await tf.ready();
const ready = performance.now();
const peak = /VmHWM:\s*(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"));
const parts = { import: imported - start, ready: ready - imported, peakMb: Number(peak[1]) / 1024 };
console.log(JSON.stringify(parts));

/**
 * From nothing to a label: imports the public API, loads the embedded model, classifies a photo, and
 * prints what each took.
 *
 * @module
 */

const start = performance.now();
const { loadClassifier } = await import("../mod.ts");
const imported = performance.now();
const classifier = await loadClassifier({ backend: "wasm" });
const loaded = performance.now();
const photo = await Deno.readFile(new URL("../tests/data/photos/cat.png", import.meta.url));
await classifier.classify(photo);
const classified = performance.now();
const peak = /VmHWM:\s*(\d+) kB/.exec(await Deno.readTextFile("/proc/self/status"));
console.log(JSON.stringify({
  import: imported - start,
  load: loaded - imported,
  "first image": classified - loaded,
  peakMb: Number(peak?.[1]) / 1024,
}));
await classifier[Symbol.asyncDispose]();

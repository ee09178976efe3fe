/**
 * From nothing to a label: imports the public API, loads the embedded model or another, classifies a
 * photo on one thread, and prints what each took. `cold_start.ts [MODEL]`
 *
 * @module
 */

const start = performance.now();
const { loadClassifier } = await import("../mod.ts");
const imported = performance.now();
const classifier = await loadClassifier({ backend: "wasm", threads: 1, model: Deno.args.at(0) });
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

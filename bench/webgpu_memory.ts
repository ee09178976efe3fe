/**
 * The memory of a process (RSS) that classifies on WebGPU with CIFAR-10's model, without asking for a collection of garbage:
 * `deno run --allow-all bench/webgpu_memory.ts [CLASSIFICATIONS]`
 *
 * @module
 */

import { loadClassifier } from "../mod.ts";

const REPORTS = [1, 100, 500, 1000, 1500, 2000, 3000, 5000, 10_000];

const [count = "3000"] = Deno.args;
await using classifier = await loadClassifier({
  model: "vgg16-cifar10",
  backend: "webgpu",
  tune: "off",
});
const photo = await Deno.readFile(new URL("../tests/data/photos/cat.png", import.meta.url));
console.log("classifications  RSS, MB  of it V8's heap, committed");
for (let i = 1; i <= Number(count); i++) {
  await classifier.classify(photo);
  if (!REPORTS.includes(i)) continue;
  const { rss, heapTotal } = Deno.memoryUsage();
  console.log(
    String(i).padStart(15) + (rss / 1e6).toFixed(0).padStart(9) +
      (heapTotal / 1e6).toFixed(0).padStart(9),
  );
}

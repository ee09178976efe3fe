/**
 * Labels a folder of pictures in batches, and prints a JSON line for each. A broken picture is a line
 * too, not the end of the job.
 *
 *     deno run --allow-read=weights,lib,photos examples/batch_job.ts photos > labels.jsonl
 */

import { loadClassifier } from "@edge/vgg16";

const BATCH = 16;
const folder = Deno.args[0];
const entries = await Array.fromAsync(Deno.readDir(folder));
const files = entries.filter(({ isFile }) => isFile).map(({ name }) => name).sort();

await using classifier = await loadClassifier({ backend: "wasm" });
for (let first = 0; first < files.length; first += BATCH) {
  const names = files.slice(first, first + BATCH);
  // Decoding can fail for each picture on its own; what is prepared goes through the network together.
  const prepared = await Promise.allSettled(
    names.map((name) => classifier.prepare(`${folder}/${name}`)),
  );
  const ready = prepared.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
  const predictions = (await classifier.classify(ready, { topK: 1 })).values();
  for (const [n, file] of names.entries()) {
    const one = prepared[n];
    const result = one.status === "fulfilled"
      ? predictions.next().value![0]
      : { error: one.reason.message };
    console.log(JSON.stringify({ file, ...result }));
  }
}

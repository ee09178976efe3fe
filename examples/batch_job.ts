/**
 * Labels a folder of pictures, however many, and prints a JSON line for each. A broken picture is a line
 * too, not the end of the job.
 *
 *     deno run --allow-read=lib,photos examples/batch_job.ts photos > labels.jsonl
 */

import { loadClassifier } from "@edge/vgg16";

const folder = Deno.args[0];
const entries = await Array.fromAsync(Deno.readDir(folder));
const files = entries.filter(({ isFile }) => isFile).map(({ name }) => name).sort();

await using classifier = await loadClassifier({ backend: "wasm" });
// Each is opened when its turn comes, and the next ones are decoded while some are classified.
const images = files.map((name) => ({ name, image: `${folder}/${name}` }));
for await (const { name, predictions, error } of classifier.stream(images, { topK: 1 })) {
  const result = error === undefined ? predictions[0] : { error: error.message };
  console.log(JSON.stringify({ file: name, ...result }));
}

/**
 * Teaches the model your own classes, from one folder of pictures per class (twenty each are a start):
 *
 *     pets/rabbit/1.jpg   pets/rabbit/2.jpg …   pets/parrot/1.jpg …
 *
 *     deno run --allow-read=lib,pets,models,new.jpg --allow-write=models \
 *       examples/own_classes.ts pets models/pets.safetensors new.jpg
 */

import { loadClassifier } from "@edge/vgg16";
import { fit, listSamples } from "@edge/vgg16/train";

const [folder, out, picture] = Deno.args;
const { labels, assessment, skipped } = await fit(await listSamples(folder), {
  out,
  backend: "wasm",
  onProgress: ({ stage, done, total }) => {
    if (stage === "features" && done === total) console.error(`${done} pictures read`);
  },
});
for (const { file, reason } of skipped) console.error(`left out: ${file}: ${reason}`);
const { judged, accuracy } = assessment;
console.log(`${labels.join(", ")}: right on ${(100 * accuracy).toFixed(0)} %`);
console.log(`of ${judged} pictures, each judged by what had not learned from it`);

await using classifier = await loadClassifier({ model: out, backend: "wasm" });
const [best] = await classifier.classify(picture);
console.log(`${picture}: ${best.label} ${best.score.toFixed(2)}`);

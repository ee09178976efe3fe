/**
 * Teaches the model your own classes, from one folder of pictures per class (twenty each are a start):
 *
 *     pets/rabbit/1.jpg   pets/rabbit/2.jpg …   pets/parrot/1.jpg …
 *
 *     deno run --allow-read=weights,lib,pets,models,new.jpg --allow-write=models \
 *       examples/own_classes.ts pets models/pets.safetensors new.jpg
 */

import { loadClassifier } from "@edge/vgg16";
import { fit, listSamples } from "@edge/vgg16/train";

const [folder, out, picture] = Deno.args;
const { labels, accuracy, split } = await fit(await listSamples(folder), {
  out,
  backend: "wasm",
  onProgress: ({ epoch: metrics }) => {
    if (metrics === undefined) return;
    const { epoch, validationAccuracy } = metrics;
    console.error(`epoch ${epoch}: ${(100 * validationAccuracy).toFixed(0)} %`);
  },
});
console.log(`${labels.join(", ")}: right on ${(100 * accuracy).toFixed(0)} %`);
console.log(`of ${split.validation.length} pictures that it did not learn from`);

await using classifier = await loadClassifier({ model: out, backend: "wasm" });
const [best] = await classifier.classify(picture);
console.log(`${picture}: ${best.label} ${best.score.toFixed(2)}`);

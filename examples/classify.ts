/**
 * Labels the pictures that are named on the command line: the model is loaded once, and freed at the
 * end.
 *
 *     deno run --allow-read=lib,cat.png,coffee.png \
 *       examples/classify.ts cat.png coffee.png
 */

import { ImageDecodeError, loadClassifier } from "@edge/vgg16";

await using classifier = await loadClassifier({ backend: "wasm" });

for (const file of Deno.args) {
  try {
    const predictions = await classifier.classify(file, { topK: 3, scoreThreshold: 0.05 });
    console.log(file, predictions.map(({ label, score }) => `${label} ${score.toFixed(2)}`).join());
  } catch (error) {
    if (!(error instanceof ImageDecodeError)) throw error;
    console.log(file, error.message);
  }
}

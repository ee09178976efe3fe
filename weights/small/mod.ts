/**
 * VGG16 at half width for 200 everyday classes, 6 MB, for `@edge/vgg16`.
 *
 * @example
 * ```ts
 * import { loadClassifier } from "@edge/vgg16";
 * import { model } from "@edge/vgg16-small";
 *
 * await using classifier = await loadClassifier({ model, backend: "wasm" });
 * const [best] = await classifier.classify("tests/data/photos/coffee.png");
 * console.log(best.label); // espresso
 * ```
 *
 * @module
 */

/** What `loadClassifier({ model })` takes: the place of the model's file. */
export const model: URL = new URL("./vgg16-tiny-imagenet.safetensors", import.meta.url);

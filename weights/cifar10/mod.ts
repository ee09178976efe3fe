/**
 * VGG16 at half width for CIFAR-10's ten classes, for `@edge/vgg16`.
 *
 * @example
 * ```ts
 * import { loadClassifier } from "@edge/vgg16";
 * import { model } from "@edge/vgg16-cifar10";
 *
 * await using classifier = await loadClassifier({ model, backend: "wasm" });
 * const [best] = await classifier.classify("tests/data/photos/cat.png");
 * console.log(best.label); // cat
 * ```
 *
 * @module
 */

/** What `loadClassifier({ model })` takes: the place of the model's file. */
export const model: URL = new URL("./vgg16-cifar10.safetensors", import.meta.url);

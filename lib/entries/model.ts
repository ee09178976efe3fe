/**
 * The model that comes with the package, for `{ model }`. Who imports this has it in the program's module graph: it is
 * fetched and cached as code is, and is at hand without permission. Every entry that opens models imports it, but those
 * for edge platforms, where another model may be all that there is room for.
 *
 * @example
 * ```ts
 * import { loadClassifier } from "@edge/vgg16/edge";
 * import { model } from "@edge/vgg16/model";
 *
 * await using classifier = await loadClassifier({ model, backend: "wasm", threads: 1 });
 * const [best] = await classifier.classify("tests/data/photos/cat.png");
 * console.log(best.label); // tabby cat
 * ```
 *
 * @module
 */

import "./embedded.ts";

export { EMBEDDED as model } from "../open_model.ts";
export type { PackagedFile, WrappedFile } from "../io/wrapped_file.ts";

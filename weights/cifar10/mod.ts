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

/** A file that comes with code: see `PackagedFile` of `@edge/vgg16`. */
export interface PackagedModel {
  /** What it is called in messages. */
  readonly name: string;
  /** Where its file lies, in a module of WebAssembly. */
  readonly url: URL;
  /** Imports that module. */
  readonly module: () => Promise<{
    readonly memory: { readonly buffer: ArrayBuffer };
    size(): number;
    read(offset: number, count: number): void;
  }>;
}

const url = new URL("./vgg16-cifar10.wasm", import.meta.url);

/** What `loadClassifier({ model })` takes. */
export const model: PackagedModel = {
  name: "vgg16-cifar10.wasm",
  url,
  module() {
    // Deno has what is named here at hand, cached, without permission; no bundler looks for it.
    // deno-lint-ignore no-constant-condition
    if (false) return import("./vgg16-cifar10.wasm");
    return import(url.href);
  },
};

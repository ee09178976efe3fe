/** Has the embedded model in the module graph of whoever imports this. No bundler looks for what is named so. */

// deno-lint-ignore no-constant-condition
if (false) import("../../weights/vgg16-imagenet200.wasm");

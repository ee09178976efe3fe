// Made by writeModules() of @edge/vgg16/worker. Do not edit.
// @ts-self-types="./mod.d.ts"

import avif from "./avif.wasm";
import gif from "./gif.wasm";
import jpeg from "./jpeg.wasm";
import webp from "./webp.wasm";
import kernels_plain from "./kernels_plain.wasm";
import kernels_relaxed from "./kernels_relaxed.wasm";
import file from "./vgg16-tiny-imagenet.wasm";

export const modules = { avif, gif, jpeg, webp, kernels_plain, kernels_relaxed };
export const model = { name: "vgg16-tiny-imagenet.wasm", module: () => file };

/**
 * VGG16's convolutions and pools with stock tfjs on its own WebGPU backend, float32, as a subject.
 *
 * @module
 */

import * as tf from "@tensorflow/tfjs-core";
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { noise, serve } from "./peers/subject.mjs";
import { VGG16 } from "./vgg16.ts";
import { CONFIGURATIONS } from "../lib/model/architecture.ts";

const start = performance.now();
const adapter = await navigator.gpu.requestAdapter();
if (adapter === null) throw new Error("There is no GPU adapter");
// What tfjs itself would ask for, but for the features that Deno does not know.
const device = await adapter.requestDevice({
  requiredLimits: {
    maxBufferSize: adapter.limits.maxBufferSize,
    maxStorageBufferBindingSize: adapter.limits.maxStorageBufferBindingSize,
    maxComputeWorkgroupStorageSize: adapter.limits.maxComputeWorkgroupStorageSize,
    maxComputeWorkgroupSizeX: adapter.limits.maxComputeWorkgroupSizeX,
    maxComputeInvocationsPerWorkgroup: adapter.limits.maxComputeInvocationsPerWorkgroup,
  },
});
const backend = new WebGPUBackend(device, adapter.info);
tf.copyRegisteredKernels("webgpu", "stock");
tf.registerBackend("stock", () => backend);
await tf.setBackend("stock");

const { height, width } = VGG16.input;
const x: tf.Tensor4D = tf.tensor(noise(), [1, height, width, 3]);
const widths = [...VGG16.convolutions];
let channels = VGG16.input.channels;
const layers = CONFIGURATIONS[VGG16.configuration].flatMap((kernels) => [
  ...kernels.map((size) => {
    const out = widths.shift()!;
    const deviation = Math.sqrt(2 / (size * size * channels));
    const filter: tf.Tensor4D = tf.randomNormal([size, size, channels, out], 0, deviation);
    const bias: tf.Tensor1D = tf.zeros([out]);
    channels = out;
    return (x: tf.Tensor4D): tf.Tensor4D =>
      tf.fused.conv2d({ x, filter, strides: 1, pad: "same", bias, activation: "relu" });
  }),
  (x: tf.Tensor4D): tf.Tensor4D => tf.maxPool(x, 2, 2, "valid"),
]);
const run = async (): Promise<void> => {
  const y = tf.tidy(() => layers.reduce((y, layer) => layer(y), x));
  await y.data();
  y.dispose();
};
await run();
console.error(`${(backend.memory().numBytesAllocatedInGPU / 1e6).toFixed(1)} MB on the GPU`);
await serve(performance.now() - start, adapter.info.description, run);

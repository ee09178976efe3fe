// VGG16's convolutions and pools with tfjs' WebAssembly backend, float32, as a subject.

import * as tf from "@tensorflow/tfjs-core";
import { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { noise, serve } from "./subject.mjs";

const start = performance.now();
const folder = new URL("node_modules/@tensorflow/tfjs-backend-wasm/dist/", import.meta.url);
setWasmPaths(folder.pathname);
setThreadsCount(1);
await tf.setBackend("wasm");
await tf.ready();
const x = tf.tensor(noise(), [1, 224, 224, 3]);
let channels = 3;
const layers = [
  64,
  64,
  "M",
  128,
  128,
  "M",
  256,
  256,
  256,
  "M",
  512,
  512,
  512,
  "M",
  512,
  512,
  512,
  "M",
]
  .map((width) => {
    if (width === "M") return (y) => tf.maxPool(y, 2, 2, "valid");
    const filter = tf.randomNormal([3, 3, channels, width], 0, Math.sqrt(2 / (9 * channels)));
    const bias = tf.zeros([width]);
    channels = width;
    return (y) =>
      tf.fused.conv2d({ x: y, filter, strides: 1, pad: "same", bias, activation: "relu" });
  });
await serve(performance.now() - start, `tfjs ${tf.version_core} wasm`, async () => {
  const y = tf.tidy(() => layers.reduce((y, layer) => layer(y), x));
  await y.data();
  y.dispose();
});

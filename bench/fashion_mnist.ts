/**
 * A small VGG13 from scratch on Fashion-MNIST (Xiao et al., 2017; Debian: dataset-fashion-mnist), and
 * what its int8 model scores on the 10,000 test pictures.
 *
 *     deno run --allow-all bench/fashion_mnist.ts [EPOCHS] [WIDTH] [PICTURES]
 *
 * @module
 */

import { gunzipSync } from "node:zlib";
import { loadClassifier } from "../lib/classifier.ts";
import type { Dataset, IndexedSample } from "../lib/input/dataset.ts";
import { evaluate } from "../lib/evaluate/evaluate.ts";
import { fitFromScratch } from "../lib/train/fit_from_scratch.ts";

const LABELS = [
  ...["T-shirt/top", "trouser", "pullover", "dress", "coat"],
  ...["sandal", "shirt", "sneaker", "bag", "ankle boot"],
];
const SIDE = 28;

/** Reads a pair of IDX files (LeCun: a header of 16 or 8 bytes, then bytes). */
async function load(part: "train" | "t10k", most = Infinity): Promise<Dataset> {
  const read = async (kind: string, header: number): Promise<Uint8Array> => {
    const path = `/usr/share/datasets/fashion-mnist/${part}-${kind}-ubyte.gz`;
    return gunzipSync(await Deno.readFile(path)).subarray(header);
  };
  const pixels = await read("images-idx3", 16), classes = await read("labels-idx1", 8);
  const samples = Array.from({ length: Math.min(most, classes.length) }, (_, n): IndexedSample => ({
    file: `${part}/${n}`,
    label: classes[n],
    image: {
      data: pixels.subarray(n * SIDE * SIDE, (n + 1) * SIDE * SIDE),
      width: SIDE,
      height: SIDE,
    },
  }));
  return { samples, labels: LABELS };
}

const [epochs = "12", width = "0.125", most = "60000"] = Deno.args;
const start = performance.now();
const seconds = (): string => `${((performance.now() - start) / 1000).toFixed(0)} s`;
const fitted = await fitFromScratch(await load("train", Number(most)), {
  configuration: "B",
  width: Number(width),
  channels: 1,
  epochs: Number(epochs),
  validation: 0.05,
  backend: "wasm",
  onProgress({ epoch: metrics }) {
    if (metrics === undefined) return;
    const { epoch, loss, validationLoss, validationAccuracy } = metrics;
    console.log(
      `epoch ${epoch}  loss ${loss.toFixed(4)}  validation ${validationLoss.toFixed(4)}, ` +
        `${(validationAccuracy * 100).toFixed(2)} %  ${seconds()}`,
    );
  },
});
console.log(`int8 on the validation pictures: ${(fitted.accuracy * 100).toFixed(2)} %`);
await using classifier = await loadClassifier({ model: fitted.bytes, backend: "wasm" });
const { metrics } = await evaluate(classifier, (await load("t10k")).samples);
console.log(
  `int8 on ${metrics.images} test pictures: ${(metrics.top1 * 100).toFixed(2)} %, ` +
    `${(fitted.bytes.length / 1024).toFixed(0)} KiB, ${seconds()} in all`,
);

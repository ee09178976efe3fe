import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs-core";
import { Classifier, loadClassifier } from "../lib/classifier.ts";
import { decodeImage } from "../lib/image/decode.ts";
import { cropImage } from "../lib/image/resize.ts";
import type { Dataset } from "../lib/evaluate/dataset.ts";
import { evaluate } from "../lib/evaluate/evaluate.ts";
import { convolutionStep } from "../lib/train/convolution.ts";
import { fit } from "../lib/train/fit.ts";
import { type ConvolutionSize, TrainingKernels } from "../lib/train/kernels.ts";
import { fitReport } from "../lib/train/report.ts";
import { fitFromScratch } from "../lib/train/scratch.ts";
import { balancedWeights, stratifiedSplit } from "../lib/train/split.ts";
import { crossEntropy, withTfjs } from "../lib/train/tfjs.ts";
import { openModel } from "../lib/weights/model_file.ts";
import { random } from "./random_model.ts";

const SIDE = 32;
const sheet = await decodeImage(
  await Deno.readFile(new URL("fixtures/cifar10/sheet.png", import.meta.url)),
);

/** Some of the fixture's images of some of CIFAR-10's classes. */
function pictures(classes: readonly number[], first: number, count: number): Dataset {
  const samples = classes.flatMap((row, label) =>
    Array.from({ length: count }, (_, n) => ({
      file: `${row}/${first + n}`,
      label,
      image: cropImage(sheet, {
        left: (first + n) * SIDE,
        top: row * SIDE,
        width: SIDE,
        height: SIDE,
      }),
    }))
  );
  return { samples, labels: classes.map((row) => `class ${row}`) };
}

const CAT = 3, DOG = 5;

Deno.test("stratifiedSplit() keeps the same part of each class, and loses nothing", () => {
  const labels = Array.from({ length: 50 }, (_, n) => n < 40 ? 0 : 1);
  const { train, validation } = stratifiedSplit(labels, 2, 0.2, 1);
  assertEquals(validation.filter((n) => n < 40).length, 8);
  assertEquals(validation.filter((n) => n >= 40).length, 2);
  assertEquals([...train, ...validation].sort((a, b) => a - b), labels.map((_, n) => n));
  assertNotEquals(stratifiedSplit(labels, 2, 0.2, 2).train, train);
  assertThrows(() => stratifiedSplit([0, 0, 1], 2, 0.2, 1), RangeError, "Class 1 has 1");
});

Deno.test("balancedWeights() lets each class count the same", () => {
  const [frequent, rare] = balancedWeights([0, 0, 0, 1], 2);
  assertAlmostEquals(3 * frequent, 2, 1e-6);
  assertAlmostEquals(1 * rare, 2, 1e-6);
});

/** A convolution by its definition, with zeros around. */
function naiveConvolution(
  x: Float32Array,
  filter: Float32Array,
  { count, height, width, inputs, outputs }: ConvolutionSize,
): Float32Array {
  return Float32Array.from({ length: count * height * width * outputs }, (_, i) => {
    const o = i % outputs, xx = Math.floor(i / outputs) % width;
    const y = Math.floor(i / outputs / width) % height;
    const n = Math.floor(i / outputs / width / height);
    let sum = 0;
    for (let dy = 0; dy < 3; dy++) {
      for (let dx = 0; dx < 3; dx++) {
        const py = y + dy - 1, px = xx + dx - 1;
        if (py < 0 || py >= height || px < 0 || px >= width) continue;
        for (let c = 0; c < inputs; c++) {
          sum += x[((n * height + py) * width + px) * inputs + c] *
            filter[((dy * 3 + dx) * inputs + c) * outputs + o];
        }
      }
    }
    return sum;
  });
}

/** Numbers from -1 to 1. */
function noise(length: number, seed: number): Float32Array {
  const next = random(seed);
  return Float32Array.from({ length }, () => next() * 2 - 1);
}

for (
  const size of [
    { count: 2, height: 5, width: 3, inputs: 4, outputs: 12 },
    { count: 1, height: 3, width: 3, inputs: 1, outputs: 4 },
    { count: 3, height: 8, width: 8, inputs: 8, outputs: 16 },
  ]
) {
  Deno.test(`the kernels convolve by definition: ${JSON.stringify(size)}`, () => {
    const { count, height, width, inputs, outputs } = size;
    const kernels = new TrainingKernels();
    const x = noise(count * height * width * inputs, 3), filter = noise(9 * inputs * outputs, 4);
    const want = naiveConvolution(x, filter, size);
    // Twice: the second time the memory holds what was left.
    for (const found of [kernels.convolve(x, filter, size), kernels.convolve(x, filter, size)]) {
      want.forEach((value, i) => assertAlmostEquals(found[i], value, 1e-4));
    }
    // The derivatives of sum(y * dy) are, as y is linear in both, differences of it.
    const dy = noise(want.length, 5);
    const dot = (a: Float32Array, b: Float32Array): number =>
      a.reduce((s, v, i) => s + v * b[i], 0);
    const unit = (length: number, at: number): Float32Array => {
      const values = new Float32Array(length);
      values[at] = 1;
      return values;
    };
    const df = kernels.filterGradient(x, dy, size);
    for (let at = 0; at < filter.length; at += 7) {
      const slope = dot(naiveConvolution(x, unit(filter.length, at), size), dy);
      assertAlmostEquals(df[at], slope, 1e-3);
    }
    if (inputs % 4 !== 0) return;
    const dx = kernels.inputGradient(dy, filter, size);
    for (let at = 0; at < x.length; at += 11) {
      const slope = dot(naiveConvolution(unit(x.length, at), filter, size), dy);
      assertAlmostEquals(dx[at], slope, 1e-3);
    }
  });
}

Deno.test("the gradients of a small network are differences of its loss", async () => {
  await withTfjs((tf) => {
    const kernels = new TrainingKernels();
    const x = tf.tensor4d(noise(2 * 6 * 6 * 4, 1), [2, 6, 6, 4]);
    const labels = tf.tensor2d([0, 1, 0, 1, 0, 0], [2, 3]) as Tensor2D;
    const weights = tf.tensor1d([0.5, 1.5]) as Tensor1D;
    const shapes = [[3, 3, 4, 8], [8], [3, 3, 8, 4], [4], [36, 5], [5], [5, 3], [3]];
    const values = shapes.map((shape, i) =>
      noise(shape.reduce((a, b) => a * b), 10 + i).map((v) => v * 0.5)
    );
    const loss = (...p: Tensor[]): Tensor => {
      const first = convolutionStep(tf, kernels, x, p[0], p[1], { pool: false, isFirst: true });
      const second = convolutionStep(tf, kernels, first, p[2], p[3], {
        pool: true,
        isFirst: false,
      });
      const flat = tf.reshape(second, [2, 36]) as Tensor2D;
      const hidden = tf.relu(tf.add(tf.matMul(flat, p[4] as Tensor2D), p[5])) as Tensor2D;
      const logits = tf.add(tf.matMul(hidden, p[6] as Tensor2D), p[7]) as Tensor2D;
      return crossEntropy(tf, logits, labels, weights);
    };
    const at = (parameters: Float32Array[]): Tensor[] =>
      parameters.map((data, i) => tf.tensor(data, shapes[i]));
    const gradients = tf.grads(loss)(at(values));
    const step = 2e-3;
    gradients.forEach((gradient, i) => {
      const found = gradient.dataSync();
      for (let k = 0; k < found.length; k += Math.ceil(found.length / 5)) {
        const moved = (by: number): number => {
          const copy = values.map((data) => data.slice());
          copy[i][k] += by;
          return loss(...at(copy)).dataSync()[0];
        };
        const slope = (moved(step) - moved(-step)) / (2 * step);
        // The loss is float32, about 1, so that the difference is good to about 1e-4.
        assertAlmostEquals(found[k], slope, 1e-3, `parameter ${i}[${k}]`);
      }
    });
    return Promise.resolve();
  });
});

Deno.test("fit() learns two classes from 15 pictures each", async () => {
  const phases = new Set<string>();
  const { model, accuracy, history, bestEpoch, split, dataSha256 } = await fit(
    pictures([CAT, DOG], 0, 15),
    { backend: "wasm", onFit: ({ stage }) => void phases.add(stage), id: "pets" },
  );
  assertEquals([split.train.length, split.validation.length], [24, 6]);
  assert(
    history[bestEpoch - 1].validationLoss <= Math.min(...history.map((h) => h.validationLoss)),
  );
  assertEquals([...phases], ["features", "training"]);
  assert(accuracy >= 5 / 6, `${accuracy} of the validation pictures`);

  const { id, labels, provenance, architecture } = await openModel(model);
  assertEquals([id, labels, architecture.dense], ["pets", ["class 3", "class 5"], [512, 512, 2]]);
  assertEquals(provenance.dataSha256, dataSha256);
  await using classifier = await loadClassifier({ model, backend: "wasm" });
  // 70 pictures that it has not seen; the embedded model's own ten labels get 91 of 100 of these.
  const { metrics } = await evaluate(classifier, pictures([CAT, DOG], 15, 35).samples);
  assert(metrics.top1 > 0.85, `${metrics.top1} of unseen pictures`);
});

for (
  const options of [
    { layer: "fc6", hidden: 16, whitening: "none", flip: false, crops: 0 },
    { layer: "pool5", whitening: "pca" },
    { layer: "pool5", whitening: "zca", optimizer: "momentum", classWeights: "none" },
  ] as const
) {
  Deno.test(`fit() makes a model that works: ${JSON.stringify(options)}`, async () => {
    const data = pictures([CAT, DOG], 0, 10);
    const { model } = await fit(data, { ...options, epochs: 60, backend: "wasm" });
    await using classifier = await loadClassifier({ model, backend: "wasm" });
    const { metrics } = await evaluate(classifier, data.samples);
    assert(metrics.top1 >= 0.8, `${metrics.top1} of the pictures that it has seen`);
  });
}

Deno.test("fit() gives the same model again, also when it was interrupted", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const data = pictures([CAT, DOG], 0, 6);
    const options = { backend: "wasm", epochs: 6, patience: 6, crops: 1 } as const;
    const whole = await fit(data, options);
    const abort = new AbortController();
    const cut = fit(data, {
      ...options,
      directory,
      signal: abort.signal,
      onFit: (progress) => {
        if (progress.stage === "training" && progress.metrics.epoch === 3) abort.abort();
      },
    });
    await assertRejects(() => cut, DOMException);
    const stages: number[] = [];
    const resumed = await fit(data, {
      ...options,
      directory,
      onFit: (progress) => {
        assertEquals(progress.stage, "training", "features are not computed again");
        if (progress.stage === "training") stages.push(progress.metrics.epoch);
      },
    });
    assertEquals(stages, [4, 5, 6]);
    assertEquals(resumed.history, whole.history);
    assertEquals(resumed.model, whole.model);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("fit() refuses heads that do not make a VGG, and too few pictures", async () => {
  const data = pictures([CAT, DOG], 0, 4);
  await assertRejects(() => fit(data, { hidden: 8 }), RangeError, "use layer fc6");
  await assertRejects(() => fit(data, { layer: "fc8" }), RangeError, "pool5, fc6, fc7");
  await assertRejects(() => fit(data, { validation: 1 }), RangeError, "validation");
  await assertRejects(() => fit(data, { epochs: 0 }), RangeError, "epochs");
  await assertRejects(() => fit(pictures([CAT], 0, 4)), RangeError, "2 classes");
  await assertRejects(() => fit(pictures([CAT, DOG], 0, 1)), RangeError, "at least 2");
});

Deno.test("fitFromScratch() learns to tell bright from dark, in one channel", async () => {
  const next = random(9);
  const samples = Array.from({ length: 48 }, (_, n) => {
    const label = n % 2, level = label === 0 ? 60 : 160;
    const data = Uint8Array.from({ length: 28 * 28 }, () => level + Math.floor(next() * 40));
    return { file: String(n), label, image: { data, width: 28, height: 28 } };
  });
  const data = { samples, labels: ["dark", "bright"] };
  const fitted = await fitFromScratch(data, {
    configuration: "A",
    width: 1 / 16,
    dense: [],
    channels: 1,
    epochs: 12,
    batchSize: 8,
    learningRate: 3e-3,
    backend: "wasm",
  });
  const model = await openModel(fitted.model);
  assertEquals(model.architecture.input, { height: 32, width: 32, channels: 1 });
  // 60 and 160, with 0 to 39 added: a mean of 129.5, a deviation of 50 and a little.
  assertAlmostEquals(model.preprocessing.mean[0] * 255, 129.5, 1);
  assertAlmostEquals(model.preprocessing.std[0] * 255, 50.6, 2);
  await using classifier = await loadClassifier({ model: fitted.model, backend: "wasm" });
  assertEquals((await evaluate(classifier, samples)).metrics.top1, 1);
  const html = fitReport("<b>", data, fitted);
  assert(html.includes("&lt;b&gt;") && html.includes("<svg"));
  assert(classifier instanceof Classifier);
});

Deno.test("fitFromScratch() gives the same model again, also when it was interrupted", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const data = pictures([CAT, DOG], 0, 6);
    const options = { configuration: "A", width: 1 / 16, epochs: 3, backend: "wasm" } as const;
    const whole = await fitFromScratch(data, options);
    const abort = new AbortController();
    const cut = fitFromScratch(data, {
      ...options,
      directory,
      signal: abort.signal,
      onFit: (progress) => {
        if (progress.stage === "training" && progress.metrics.epoch === 1) abort.abort();
      },
    });
    await assertRejects(() => cut, DOMException);
    const resumed = await fitFromScratch(data, { ...options, directory });
    assertEquals(resumed.history, whole.history);
    assertEquals(resumed.model, whole.model);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("training leaves no tensors behind", async () => {
  const data = pictures([CAT, DOG], 0, 4);
  const options = { epochs: 2, backend: "wasm" } as const;
  const count = (): Promise<number> => withTfjs((tf) => Promise.resolve(tf.memory().numTensors));
  await fit(data, options);
  const before = await count();
  await fit(data, options);
  assertEquals(await count(), before);
});

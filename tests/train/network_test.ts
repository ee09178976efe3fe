import { assert, assertAlmostEquals, assertThrows } from "@std/assert";
import type { Scalar, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs-core";
import { convolutionLayer } from "../../lib/train/convolution.ts";
import { TrainingKernels } from "../../lib/train/kernels.ts";
import { Optimizer } from "../../lib/train/optimizer.ts";
import { architectureOf, forward, initialize, trainedLayers } from "../../lib/train/network.ts";
import { crossEntropy, withTfjs } from "../../lib/train/tfjs.ts";
import { layersOf } from "../../lib/model/architecture.ts";
import { forward as naiveForward } from "../support/float_forward.ts";
import { random } from "../support/random_model.ts";

/** Numbers from -1 to 1. */
function noise(length: number, seed: number): Float32Array {
  const next = random(seed);
  return Float32Array.from({ length }, () => next() * 2 - 1);
}

interface Size {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly inputs: number;
  readonly outputs: number;
}

/** A convolution by its definition, with zeros around. */
function naiveConvolution(x: Float32Array, filter: Float32Array, size: Size): Float32Array {
  const { count, height, width, inputs, outputs } = size;
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

for (
  const size of [
    { count: 2, height: 5, width: 3, inputs: 4, outputs: 12 },
    { count: 1, height: 3, width: 3, inputs: 1, outputs: 4 },
    { count: 3, height: 8, width: 8, inputs: 8, outputs: 16 },
    { count: 5, height: 2, width: 2, inputs: 12, outputs: 8 },
  ]
) {
  for (const threads of [1, 2]) {
    Deno.test(`the kernels convolve by definition: ${JSON.stringify(size)}, ${threads} thread(s)`, async () => {
      const { count, height, width, inputs, outputs } = size;
      const kernels = await TrainingKernels.start(threads);
      const positions = count * height * width;
      const x = noise(positions * inputs, 3), filter = noise(9 * inputs * outputs, 4);
      const want = naiveConvolution(x, filter, size);
      const padded = kernels.take(count * (height + 2) * (width + 2) * inputs).fill(NaN);
      const y = kernels.take(want.length).fill(NaN), sums = kernels.take(2 * count * outputs);
      kernels.run("convolve", {
        ...{ ...size, y, padded, sums },
        x: kernels.place(x),
        filter: kernels.place(filter),
      });
      want.forEach((value, i) => assertAlmostEquals(y[i], value, 1e-4));
      for (let o = 0; o < outputs; o++) {
        const last = want.filter((_, i) =>
          i >= (want.length / count) * (count - 1) && i % outputs === o
        );
        const at = 2 * (count - 1) * outputs + o;
        const apart = last.map((v) => v - last[0]);
        assertAlmostEquals(sums[at], apart.reduce((s, v) => s + v), 1e-3);
        const squares = apart.reduce((s, v) => s + v * v, 0);
        assertAlmostEquals(sums[at + outputs], squares, 1e-2);
      }
      // The derivative of sum(y * dy) is, as y is linear in the filter, a difference of it.
      const dy = kernels.place(noise(want.length, 5)), df = kernels.take(filter.length).fill(NaN);
      kernels.run("filterGradient", { ...size, padded, dy, filter: df });
      for (let at = 0; at < filter.length; at += 7) {
        const unit = new Float32Array(filter.length);
        unit[at] = 1;
        const slope = naiveConvolution(x, unit, size).reduce((s, v, i) => s + v * dy[i], 0);
        assertAlmostEquals(df[at], slope, 1e-3);
      }
      await kernels.end();
    });
  }
}

Deno.test("the kernels compute beyond 2 GiB, and what does not fit 4 GiB is named", async () => {
  const kernels = await TrainingKernels.start(2);
  try {
    kernels.take(2 ** 29 + 5);
    const [dz, y, factors] = [noise(8, 1), noise(8, 2), noise(12, 3)];
    const placed = kernels.place(dz);
    assert(placed.byteOffset > 2 ** 31);
    kernels.run("combine", {
      ...{ dz: placed, y: kernels.place(y), factors: kernels.place(factors) },
      ...{ count: 2, pixels: 1, outputs: 4 },
    });
    placed.forEach((value, i) => {
      const [a, b, c] = [0, 4, 8].map((row) => factors[row + i % 4]);
      assertAlmostEquals(value, dz[i] * a + y[i] * b + c, 1e-6);
    });
    assertThrows(() => kernels.take(2 ** 29), RangeError, "lower batchSize");
    kernels.reset();
    kernels.take(2 ** 30 - 1100); // All but the words at the start.
  } finally {
    await kernels.end();
  }
});

Deno.test("the gradients of a small network are differences of its loss", async () => {
  await withTfjs(async (tf) => {
    const kernels = await TrainingKernels.start();
    const x = tf.tensor4d(noise(3 * 6 * 6 * 4, 1), [3, 6, 6, 4]);
    const labels = tf.tensor2d([0, 1, 0, 1, 0, 0, 0, 0, 1], [3, 3]) as Tensor2D;
    const weights = tf.tensor1d([0.5, 1.5, 1]) as Tensor1D;
    const shapes = [[3, 3, 4, 8], [8], [8], [3, 3, 8, 4], [4], [4], [36, 5], [5], [5, 3], [3]];
    const values = shapes.map((shape, i) =>
      noise(shape.reduce((a, b) => a * b), 10 + i).map((v) => v * 0.5)
    );
    const loss = (...p: Tensor[]): Tensor => {
      kernels.reset();
      const step = (x: Tensor, first: number, channels: number, pool: boolean): Tensor =>
        convolutionLayer(tf, kernels, x, {
          ...{ filter: p[first], gamma: p[first + 1], beta: p[first + 2] },
          statistics: new Float32Array(3 * channels),
        }, { pool, isFirst: first === 0, training: true });
      const flat = tf.reshape(step(step(x, 0, 8, false), 3, 4, true), [3, 36]) as Tensor2D;
      const hidden = tf.relu(tf.add(tf.matMul(flat, p[6] as Tensor2D), p[7])) as Tensor2D;
      const logits = tf.add(tf.matMul(hidden, p[8] as Tensor2D), p[9]) as Tensor2D;
      return crossEntropy(tf, logits, labels, weights);
    };
    const at = (parameters: Float32Array[]): Tensor[] =>
      parameters.map((data, i) => tf.tensor(data, shapes[i]));
    const gradients = tf.grads(loss)(at(values)).map((g) => g.dataSync().slice());
    const step = 1e-3;
    gradients.forEach((found, i) => {
      for (let k = 0; k < found.length; k += Math.ceil(found.length / 5)) {
        const moved = (by: number): number => {
          const copy = values.map((data) => data.slice());
          copy[i][k] += by;
          return loss(...at(copy)).dataSync()[0];
        };
        const slope = (moved(step) - moved(-step)) / (2 * step);
        // The loss is float32, about 1, so that the difference is good to about 1e-4.
        assertAlmostEquals(found[k], slope, 2e-3, `parameter ${i}[${k}]`);
      }
    });
  });
});

Deno.test("the variance of large values of little variance is right", async () => {
  await withTfjs(async (tf) => {
    const kernels = await TrainingKernels.start();
    const channels = 4, [count, side] = [3, 8], pixels = count * side * side;
    // The mean is 100,000 deviations away from 0, and differs a little from image to image.
    const x = noise(pixels * channels, 5).map((v, i) =>
      1000 + 0.01 * v + 0.005 * Math.floor(i / (side * side * channels))
    );
    const filter = new Float32Array(9 * channels * channels);
    for (let c = 0; c < channels; c++) filter[(4 * channels + c) * channels + c] = 1; // y = x
    const statistics = new Float32Array(3 * channels);
    convolutionLayer(tf, kernels, tf.tensor4d(x, [count, side, side, channels]), {
      filter: tf.tensor(filter, [3, 3, channels, channels]),
      gamma: tf.ones([channels]),
      beta: tf.zeros([channels]),
      statistics,
    }, { pool: false, isFirst: true, training: true });
    for (let c = 0; c < channels; c++) {
      const values = x.filter((_, i) => i % channels === c);
      const mean = values.reduce((sum, v) => sum + v, 0) / pixels;
      const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / pixels;
      const [, found, weight] = [0, 1, 2].map((row) => statistics[row * channels + c]);
      // A float32 of 1000 is good to 3e-5, a three-hundredth of the deviation.
      assertAlmostEquals(found / weight, variance, 0.01 * variance);
    }
  });
});

Deno.test("the trained layers compute what the network does, normalization included", async () => {
  await withTfjs(async (tf) => {
    const kernels = await TrainingKernels.start();
    const small = { configuration: "A", width: 1 / 16, dense: [8], side: 32, channels: 3 } as const;
    const architecture = architectureOf(small, 3);
    const network = initialize(tf, architecture, 1);
    for (const [, gamma, beta] of network.layers.slice(0, 8)) {
      gamma.assign(tf.tensor1d(noise(gamma.size, 7).map((v) => v + 1.5)));
      beta.assign(tf.tensor1d(noise(gamma.size, 8)));
    }
    const pictures = tf.tensor4d(noise(4 * 32 * 32 * 3, 2), [4, 32, 32, 3]);
    forward(tf, kernels, network, pictures, true);
    const one = noise(32 * 32 * 3, 3);
    const found = forward(tf, kernels, network, tf.tensor4d(one, [1, 32, 32, 3]), false);
    const names = layersOf(architecture);
    const layers = trainedLayers(network).map(({ weight, bias }, i) => ({
      layer: names[i],
      ...{ weight: Float64Array.from(weight), bias: Float64Array.from(bias) },
    }));
    const input = { height: 32, width: 32, channels: 3, values: Float64Array.from(one) };
    const logits = naiveForward(layers, input), most = Math.max(...logits.map(Math.abs));
    // Float32 through ten layers.
    found.dataSync().forEach((v, i) => assertAlmostEquals(v, logits[i], 1e-4 * most));
    // One batch is all that it remembers: in training the same batch gives the same as afterwards.
    const before = forward(tf, kernels, network, pictures, false).dataSync().slice();
    forward(tf, kernels, network, pictures, true).dataSync().forEach((v, i) =>
      assertAlmostEquals(v, before[i], 2e-3 * most)
    );
  });
});

for (const name of ["adam", "momentum", "sgd"] as const) {
  Deno.test(`${name} does what tfjs's own does, also after it was saved`, async () => {
    await withTfjs((tf) => {
      const target = Float32Array.of(0.5, 0.1, -1), begin = [1, -2, 3];
      const theirs = tf.variable(tf.tensor1d(begin));
      /** Half the squared distance to the target. */
      const distance = tf.customGrad((x, save) => {
        (save as (tensors: Tensor[]) => void)([x as Tensor]);
        const value = tf.mul(tf.sum(tf.square(tf.sub(x as Tensor, target))), 0.5);
        return { value, gradFunc: (dy: Tensor, [x]: Tensor[]) => tf.mul(dy, tf.sub(x, target)) };
      }) as (x: Tensor) => Scalar;
      const b = name === "momentum" ? tf.train.momentum(0.05, 0.9) : tf.train[name](0.05);
      const ours = Float32Array.from(begin);
      // Theirs is float32 throughout. Its 1 - 0.999^k is wrong by 1.3e-5 of itself, and Adam divides by the root: each
      // of 30 steps of 0.05 is wrong by 3e-7. The others round numbers of up to 3, to 1.2e-7, up as often as down.
      const tolerance = name === "adam" ? 1e-5 : 1e-6;
      let a = new Optimizer(name, [ours]);
      for (let step = 1; step <= 30; step++) {
        a.step([ours.map((value, k) => value - target[k])], 0.05, step);
        b.minimize(() => distance(theirs), false, [theirs]);
        if (step === 10) {
          const kept = a.memory[0].map((own) => own.slice());
          a = new Optimizer(name, [ours]);
          a.memory[0].forEach((own, n) => own.set(kept[n]));
        }
        theirs.dataSync().forEach((v, i) => assertAlmostEquals(ours[i], v, tolerance));
      }
      assert(Math.abs(ours[0] - 1) > 0.1, "it moves");
      return Promise.resolve();
    });
  });
}

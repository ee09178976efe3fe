import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { compileProgram, toFixed } from "../../lib/engine/program.ts";
import {
  type Architecture,
  type Layer,
  type LayerInfo,
  layerInfos,
  layersOf,
} from "../../lib/model/architecture.ts";
import { randomBatch, randomModel } from "../support/random_model.ts";
import type { Model } from "../../lib/model/model.ts";
import { type ReferenceLayer, runReference, type Weights } from "../support/reference.ts";

const SMALL = {
  configuration: "D",
  input: { height: 32, width: 32, channels: 3 },
  convolutions: [8, 8, 8, 8, 12, 12, 12, 16, 16, 16, 16, 16, 16],
  dense: [24, 16, 10],
} as const;

Deno.test("layersOf() lists the paper's layers of configuration D", () => {
  const names = layersOf(SMALL).flatMap(({ name, pool }) => pool ? [name, pool] : [name]);
  assertEquals(
    names.join(" "),
    "conv1_1 conv1_2 pool1 conv2_1 conv2_2 pool2 conv3_1 conv3_2 conv3_3 pool3 " +
      "conv4_1 conv4_2 conv4_3 pool4 conv5_1 conv5_2 conv5_3 pool5 fc6 fc7 fc8",
  );
});

Deno.test("layersOf() refuses a width list of another configuration", () => {
  assertThrows(
    () => layersOf({ ...SMALL, configuration: "A" }),
    RangeError,
    "Configuration A has 8 convolutions: found 13",
  );
});

Deno.test("an input that five pools leave nothing of is refused", () => {
  const of = (height: number, width: number) =>
    layersOf({ ...SMALL, input: { height, width, channels: 3 } });
  assertEquals(of(32, 63).length, 16);
  for (const [height, width] of [[31, 64], [64, 31]] as const) {
    assertThrows(
      () => of(height, width),
      RangeError,
      `at least 32x32, as five pools halve it: found ${height}x${width}`,
    );
  }
});

Deno.test("dense layers are named from the end, and there are at most eight", () => {
  const names = (dense: number[]) =>
    layersOf({ ...SMALL, dense }).filter(({ kind }) => kind === "dense").map(({ name }) => name);
  assertEquals(names([]), []);
  assertEquals(names([3]), ["fc8"]);
  assertEquals(names([9, 9, 9, 3]), ["fc5", "fc6", "fc7", "fc8"]);
  assertEquals(names([9, 9, 9, 9, 9, 9, 9, 3]).join(), "fc1,fc2,fc3,fc4,fc5,fc6,fc7,fc8");
  assertThrows(
    () => names([9, 9, 9, 9, 9, 9, 9, 9, 3]),
    RangeError,
    "A VGG has at most 8 dense layers: found 9",
  );
});

Deno.test("an average is a layer of what can be read, and filters behind it see one position", () => {
  const network = { ...SMALL, input: { height: 64, width: 96, channels: 3 } };
  const flat = layerInfos(network), average = layerInfos({ ...network, pooling: "average" });
  const name = ({ name }: LayerInfo) => name;
  assertEquals(average.map(name).join(), flat.map(name).join().replace("pool5", "pool5,average"));
  assertEquals(average.slice(-6), [
    { name: "pool5", shape: [2, 3, 16] },
    { name: "average", shape: [16] },
    { name: "fc6", shape: [24] },
    { name: "fc7", shape: [16] },
    { name: "fc8", shape: [10] },
    { name: "prob", shape: [10] },
  ]);
  const features = layerInfos({ ...network, pooling: "average", dense: [] });
  assertEquals(features.slice(-2), average.slice(-6, -4));
  const sizes = (pooling: "average" | "flatten") =>
    layersOf({ ...network, pooling }).slice(-3).map(({ filterSize }) => filterSize);
  assertEquals(sizes("average"), [[1, 1], [1, 1], [1, 1]]);
  assertEquals(sizes("flatten"), [[2, 3], [1, 1], [1, 1]]);
});

Deno.test("toFixed() keeps 31 bits and its mantissa stays in range", () => {
  for (const x of [1, 2 ** -40, 1 - 2 ** -53, 3, 0.1, 1e30, 2 ** 31 - 2 ** -20]) {
    const { mantissa, exponent } = toFixed(x);
    assert(mantissa >= 2 ** 30 && mantissa < 2 ** 31, `${x}: ${mantissa}`);
    // Half a unit of a 31-bit mantissa.
    assertAlmostEquals(mantissa * 2 ** exponent / x, 1, 2 ** -31);
  }
});

Deno.test("no layer has sums that could leave int32", () => {
  const network = (channels: number): Architecture => ({
    configuration: "A",
    input: { height: 320, width: 320, channels: 3 },
    convolutions: [4, 4, 4, 4, 4, 4, 4, channels],
    dense: [10],
  });
  assertEquals(layersOf(network(332)).length, 9);
  // 10 x 10 x 340 = 34,000 products.
  assertThrows(() => layersOf(network(340)), RangeError, "inner dimension of 34000");
});

Deno.test("an input that is always 0, or not finite, is refused", () => {
  const { model } = randomModel(SMALL);
  const compiled = (preprocessing: Partial<Model["preprocessing"]>) =>
    compileProgram({ ...model, preprocessing: { ...model.preprocessing, ...preprocessing } });
  const { length } = model.preprocessing.mean, none = new Array(length).fill(0);
  compiled({ scale: 1, mean: none });
  // One value of one color is enough.
  compiled({ scale: 0, mean: none.with(length - 1, 1) });
  for (
    const wrong of [
      { scale: 0, mean: none },
      { scale: Infinity },
      { std: none },
      { mean: none.slice(1) },
    ]
  ) {
    assertThrows(() => compiled(wrong), RangeError, "Cannot normalize the input");
  }
});

Deno.test("biases have as many bits as there are below 2^30", () => {
  for (
    const [bias, want, exponent] of [
      [1, 2 ** 29, -29],
      [-3, -3 * 2 ** 28, -28],
      [1 - 2 ** -24, 2 ** 30 - 64, -30], // The float32 below 1.
      [0, 0, -4096],
    ]
  ) {
    const { model } = randomModel(SMALL, 3);
    model.parameters[2].bias.fill(0).set([bias], 1);
    const layer = compileProgram(model).layers[2];
    assertEquals([layer.bias[1], layer.biasExponent], [want, exponent], `${bias}`);
  }
});

Deno.test("a program lacks nothing that its layers and its input need", () => {
  const { model } = randomModel(SMALL, 3);
  const few = { ...model, parameters: model.parameters.slice(0, -1) };
  assertThrows(() => compileProgram(few), RangeError, "Layer fc8 has no scales and biases");
  const gray = { ...model, preprocessing: { ...model.preprocessing, mean: [0.5], std: [0.5] } };
  assertThrows(() => compileProgram(gray), RangeError, "expected mean and std for 3 channels");
});

Deno.test("the integer program follows the float network within the quantization error", () => {
  const { model, weights } = randomModel(SMALL, 3);
  // A step of 1/127 of the maximum rounds with an rms error of max/440. The maximum is five to
  // seven times the rms here: at most 1.6 % a layer, and independent errors add as their squares.
  // The input has 16 bits.
  assertFollowsFloat(model, weights, (index) => 1e-4 + 0.016 * Math.sqrt(index));
});

Deno.test("the integer program survives a layer in which nothing is activated", () => {
  const { model, weights } = randomModel(SMALL, 4);
  model.parameters[1].bias.fill(-1e6);
  // Only biases are left, constant over the picture but for what later edges add.
  assertFollowsFloat(model, weights, (index) => 1e-4 + 0.016 * Math.sqrt(index));
});

Deno.test("the integer program coarsens its unit where a bias outweighs all sums", () => {
  const { model, weights } = randomModel(SMALL, 5);
  model.parameters[4].bias[3] = 3e9;
  const results = assertFollowsFloat(
    model,
    weights,
    (index) => 1e-4 + 0.016 * Math.sqrt(index),
  );
  assert(results[4].unit > 1, `unit ${results[4].unit}`);
});

/** Compares every layer with float64 arithmetic: the relative error in the 2-norm. */
function assertFollowsFloat(
  model: Model,
  weights: Weights,
  tolerance: (index: number) => number,
): ReferenceLayer[] {
  const program = compileProgram(model);
  const batch = randomBatch(1, 32, 32, 3);
  const results = runReference(program, weights, batch.data, 32, 32);
  const { scale, mean, std } = model.preprocessing;
  let x = Float64Array.from(batch.data, (p, i) => (p * scale - mean[i % 3]) / std[i % 3]);
  let height = 32, width = 32;
  program.layers.forEach((layer, index) => {
    const { scale, bias } = model.parameters[index];
    const exact = floatLayer(layer, weights.get(layer.name)!, x, height, width, scale, bias);
    const result = results[index];
    const out = result.pooled ?? result;
    let error = 0, norm = 0;
    exact.forEach((value, i) => {
      const found = layer.relu ? Math.max(out.values[i], 0) : out.values[i];
      error += (found * result.unit - value) ** 2;
      norm += value ** 2;
    });
    const relative = norm === 0 ? error : Math.sqrt(error / norm);
    assert(
      relative < tolerance(index),
      `${layer.name}: ${relative}, expected under ${tolerance(index)}`,
    );
    x = exact;
    ({ height, width } = out);
  });
  return results;
}

/** One layer in float64: convolution, scale, bias, ReLU, pool. */
function floatLayer(
  layer: Layer,
  filter: Int8Array,
  x: Float64Array<ArrayBuffer>,
  height: number,
  width: number,
  scale: Float32Array,
  bias: Float32Array,
): Float64Array<ArrayBuffer> {
  const sums = convolveFloat(layer, filter, x, height, width);
  const o = layer.outChannels;
  const values = sums.values.map((s, i) => s * scale[i % o] + bias[i % o]);
  const activated = layer.relu ? values.map((v) => Math.max(v, 0)) : values;
  if (layer.pool === undefined) return activated;
  const ph = sums.height >> 1, pw = sums.width >> 1;
  const pooled = new Float64Array(ph * pw * o);
  for (let i = 0; i < pooled.length; i++) {
    const c = i % o, px = Math.floor(i / o) % pw, py = Math.floor(i / o / pw);
    const at = (dy: number, dx: number): number =>
      activated[((2 * py + dy) * sums.width + 2 * px + dx) * o + c];
    pooled[i] = Math.max(at(0, 0), at(0, 1), at(1, 0), at(1, 1));
  }
  return pooled;
}

function convolveFloat(
  layer: Layer,
  filter: Int8Array,
  x: Float64Array,
  height: number,
  width: number,
): { values: Float64Array<ArrayBuffer>; height: number; width: number } {
  const { filterSize: [kh, kw], padding, inChannels, outChannels } = layer;
  const oh = height + 2 * padding - kh + 1, ow = width + 2 * padding - kw + 1;
  const values = new Float64Array(oh * ow * outChannels);
  for (let i = 0; i < values.length; i++) {
    const o = i % outChannels, ox = Math.floor(i / outChannels) % ow;
    const oy = Math.floor(i / outChannels / ow);
    for (let ky = 0; ky < kh; ky++) {
      for (let kx = 0; kx < kw; kx++) {
        const y = oy + ky - padding, xx = ox + kx - padding;
        if (y < 0 || y >= height || xx < 0 || xx >= width) continue;
        for (let c = 0; c < inChannels; c++) {
          values[i] += x[(y * width + xx) * inChannels + c] *
            filter[((o * kh + ky) * kw + kx) * inChannels + c];
        }
      }
    }
  }
  return { values, height: oh, width: ow };
}

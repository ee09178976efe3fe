import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  geometriesOf,
  layerOutput,
  layerOutputs,
  MAX_POSITIONS,
  networkOperations,
  operationsOf,
} from "../../lib/engine/geometry.ts";
import { compileProgram } from "../../lib/engine/program.ts";
import { type Architecture, layersOf } from "../../lib/model/architecture.ts";
import { randomModel } from "../support/random_model.ts";

const VGG16: Architecture = {
  configuration: "D",
  input: { height: 224, width: 224, channels: 3 },
  convolutions: [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512],
  dense: [4096, 4096, 1000],
};
const layers = layersOf(VGG16);

Deno.test("sizes halve at each pool, and dense layers have one pixel", () => {
  const sizes = geometriesOf(layers, VGG16.input, [layerOutput({ layers })])
    .map(({ layer, input, full, out }) => [layer.name, input.height, full.height, out.width]);
  assertEquals(sizes.slice(0, 3), [
    ["conv1_1", 224, 224, 224],
    ["conv1_2", 224, 224, 112],
    ["conv2_1", 112, 112, 112],
  ]);
  assertEquals(sizes.slice(-4), [
    ["conv5_3", 14, 14, 7],
    ["fc6", 7, 1, 1],
    ["fc7", 1, 1, 1],
    ["fc8", 1, 1, 1],
  ]);
});

Deno.test("a pool drops a last odd row and column, and is not taken where its layer is the last", () => {
  const size = { height: 225, width: 227 };
  const pooled = geometriesOf(layers, size, [layerOutput({ layers }, "pool1")]).at(-1)!;
  assertEquals([pooled.full, pooled.out], [size, { height: 112, width: 113 }]);
  const whole = geometriesOf(layers, size, [layerOutput({ layers }, "conv1_2")]).at(-1)!;
  assertEquals([whole.pooled, whole.out], [false, size]);
});

Deno.test("a convolution that is read before its pool is there again with it, unless it is the last", () => {
  const names = ["pool2", "fc8", "conv2_2", "conv1_1", "conv1_2", "conv2_2"];
  const outputs = layerOutputs({ layers }, names);
  assertEquals(outputs.map(({ name }) => name), ["conv1_1", "conv1_2", "conv2_2", "pool2", "fc8"]);
  const found = geometriesOf(layers, { height: 225, width: 227 }, outputs);
  assertEquals(
    found.slice(0, 7).map(({ layer, out, read, again }) => [layer.name, out.width, read, again]),
    [
      ["conv1_1", 227, "conv1_1", false],
      ["conv1_2", 227, "conv1_2", false],
      ["conv1_2", 113, undefined, true],
      ["conv2_1", 113, undefined, false],
      ["conv2_2", 113, "conv2_2", false],
      ["conv2_2", 56, "pool2", true],
      ["conv3_1", 56, undefined, false],
    ],
  );
  assertEquals([found.length, found.at(-1)!.read], [16 + 2, "fc8"]);
  const last = geometriesOf(layers, VGG16.input, layerOutputs({ layers }, ["conv2_2", "pool1"]));
  assertEquals(last.map(({ layer, read }) => [layer.name, read]), [
    ["conv1_1", undefined],
    ["conv1_2", "pool1"],
    ["conv2_1", undefined],
    ["conv2_2", "conv2_2"],
  ]);
  assertThrows(() => layerOutputs({ layers }, []), RangeError, "at least one layer: found none");
});

Deno.test("dense layers slide over images larger than those of the training", () => {
  const fc8 = geometriesOf(layers, { height: 256, width: 320 }, [layerOutput({ layers })]).at(-1)!;
  assertEquals(fc8.out, { height: 2, width: 4 });
});

Deno.test("VGG16 at 224x224 has 30.9 billion operations", () => {
  // Products of Simonyan and Zisserman's table 1, counted by hand; 15.5 billion multiplications and
  // additions.
  assertEquals(networkOperations({ layers, input: VGG16.input }), 30_940_528_640);
});

Deno.test("an average makes one position of a map of any size, up to what int32 can sum", () => {
  const program = compileProgram(
    randomModel({
      configuration: "A",
      input: { height: 64, width: 32, channels: 3 },
      convolutions: [4, 4, 4, 4, 4, 4, 4, 6],
      pooling: "average",
      dense: [5, 3],
    }).model,
  );
  const sizes = (height: number, width: number) =>
    geometriesOf(program.layers, { height, width }, [layerOutput(program)]).slice(-3)
      .map((each) => [each.layer.name, each.input, each.out, operationsOf(each)]);
  const one = { height: 1, width: 1 };
  assertEquals(sizes(70, 129), [
    ["average", { height: 2, width: 4 }, one, 2 * 4 * 6],
    ["fc7", one, one, 2 * 6 * 5],
    ["fc8", one, one, 2 * 5 * 3],
  ]);
  assert(127 * MAX_POSITIONS < 2 ** 29 && 127 * (MAX_POSITIONS + 1) >= 2 ** 29);
  assertEquals(sizes(32, 32 * MAX_POSITIONS)[0][1], { height: 1, width: MAX_POSITIONS });
  assertThrows(
    () => sizes(32, 32 * (MAX_POSITIONS + 1)),
    RangeError,
    "Cannot average a map of 1x4227331 positions: at most 4227330",
  );
});

Deno.test("an unknown layer is an error with those that there are", () => {
  assertThrows(() => layerOutput({ layers }, "conv9_9"), RangeError, "pool1, conv2_1");
});

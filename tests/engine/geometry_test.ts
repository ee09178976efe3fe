import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  geometriesOf,
  lastLayer,
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
  const sizes = geometriesOf(layers, VGG16.input, lastLayer({ layers }))
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
  const pooled = geometriesOf(layers, size, lastLayer({ layers }, "pool1")).at(-1)!;
  assertEquals([pooled.full, pooled.out], [size, { height: 112, width: 113 }]);
  const whole = geometriesOf(layers, size, lastLayer({ layers }, "conv1_2")).at(-1)!;
  assertEquals([whole.pooled, whole.out], [false, size]);
});

Deno.test("dense layers slide over images larger than those of the training", () => {
  const fc8 = geometriesOf(layers, { height: 256, width: 320 }, lastLayer({ layers })).at(-1)!;
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
    geometriesOf(program.layers, { height, width }, lastLayer(program)).slice(-3)
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
  assertThrows(() => lastLayer({ layers }, "conv9_9"), RangeError, "pool1, conv2_1");
});

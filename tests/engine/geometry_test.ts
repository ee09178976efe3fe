import { assertEquals, assertThrows } from "@std/assert";
import { geometriesOf, lastLayer, networkOperations } from "../../lib/engine/geometry.ts";
import { type Architecture, layersOf } from "../../lib/model/architecture.ts";

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

Deno.test("an unknown layer is an error with those that there are", () => {
  assertThrows(() => lastLayer({ layers }, "conv9_9"), RangeError, "pool1, conv2_1");
});

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { prepareInput, standardizeBytes } from "../../lib/input/prepare.ts";
import { viewsOf } from "../../lib/input/views.ts";
import { checkPreprocessing } from "../../lib/model/document.ts";
import type { Preprocessing } from "../../lib/model/model.ts";
import { randomBatch, randomModel } from "../support/random_model.ts";

const input = { height: 32, width: 32, channels: 3 };
const plain: Preprocessing = {
  resize: "shorter-side",
  size: 32,
  filter: "bilinear",
  scale: 1 / 255,
  mean: [0.5, 0.5, 0.5],
  std: [0.25, 0.25, 0.25],
};
const image = {
  data: randomBatch(1, 40, 50, 3).data.map((v) => 90 + (v >> 3)),
  width: 50,
  height: 40,
};

Deno.test("standardizeBytes() gives the mean 128 and the deviation 42", () => {
  const data = standardizeBytes(prepareInput(image, plain, input));
  const mean = data.reduce((sum, v) => sum + v, 0) / data.length;
  const variance = data.reduce((sum, v) => sum + (v - mean) ** 2, 0) / data.length;
  // Each value is rounded to a byte: off by 0.5 at most, and by 0.3 in the mean of squares.
  assertAlmostEquals(mean, 128, 0.5);
  assertAlmostEquals(Math.sqrt(variance), 42, 0.5);
});

Deno.test("standardizeBytes() is the same for an image and its brighter copy", () => {
  const data = prepareInput(image, plain, input);
  const brighter = data.map((v) => v + 30);
  assertEquals(standardizeBytes(brighter), standardizeBytes(data));
});

Deno.test("standardizeBytes() cuts off at the bytes, and survives an image of one value", () => {
  const spike = new Uint8Array(10_000).fill(10);
  spike[5] = 250;
  assertEquals([...standardizeBytes(spike).subarray(4, 6)], [128, 255]);
  assertEquals([...standardizeBytes(new Uint8Array(4).fill(7))], [128, 128, 128, 128]);
});

Deno.test("a model's own standardization reaches all of its views", () => {
  const architecture = randomModel({
    configuration: "A",
    input,
    convolutions: [4, 4, 4, 4, 4, 4, 4, 4],
    dense: [2],
  }).model.architecture;
  const preprocessing = { ...plain, standardize: "image" as const };
  const want = standardizeBytes(prepareInput(image, plain, input));
  assertEquals(prepareInput(image, preprocessing, input), want);
  const [center] = viewsOf(image, { architecture, preprocessing }, { scales: [32] });
  assertEquals(center.data, want);
});

Deno.test("grayscale gives luma in all three channels, that of one channel", () => {
  const gray = prepareInput(image, { ...plain, grayscale: true }, input);
  const luma = prepareInput(image, plain, { ...input, channels: 1 });
  assertEquals(gray, Uint8Array.from({ length: gray.length }, (_, i) => luma[Math.floor(i / 3)]));
});

Deno.test("a model document may name both, and nothing else", () => {
  assertEquals(
    checkPreprocessing({ ...plain, grayscale: true, standardize: "image" }, input),
    undefined,
  );
  assert(checkPreprocessing({ ...plain, grayscale: 1 }, input)?.includes("grayscale"));
  assert(checkPreprocessing({ ...plain, standardize: "batch" }, input)?.includes("standardize"));
});

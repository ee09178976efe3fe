import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { viewsOf } from "../../lib/input/views.ts";
import { decodeImage } from "../../lib/image/decode.ts";
import { whitenBytes } from "../../lib/input/whiten.ts";
import { fitFromScratch } from "../../lib/train/fit_from_scratch.ts";
import { Statistics } from "../../lib/train/statistics.ts";
import { pixelWhitening } from "../../lib/train/pixel_whitening.ts";
import type { PixelWhitening } from "../../lib/model/model.ts";
import { checkPreprocessing } from "../../lib/model/document.ts";
import { openModel } from "../../lib/model/file.ts";
import { cropImage } from "../../lib/image/resize.ts";
import numpy from "../fixtures/whitening/whitening.json" with { type: "json" };

const [, HEIGHT, WIDTH, CHANNELS] = numpy.shape;
const SIZE = HEIGHT * WIDTH * CHANNELS;
const pictures = Uint8Array.from(numpy.pictures);

Deno.test("the whitening matrix of patches, and their variances, are numpy's", async () => {
  const { patch } = numpy, length = patch * patch * CHANNELS;
  const statistics = new Statistics(length, true);
  for (let at = 0; at < pictures.length; at += SIZE) {
    for (let y = 0; y + patch <= HEIGHT; y++) {
      for (let x = 0; x + patch <= WIDTH; x++) {
        statistics.add(Array.from({ length }, (_, i) => {
          const row = Math.floor(i / (patch * CHANNELS));
          return pictures[at + ((y + row) * WIDTH + x) * CHANNELS + i % (patch * CHANNELS)];
        }));
      }
    }
  }
  const { mean, matrix } = await statistics.transform("zca", numpy.epsilon);
  // Both in float64; eigenvalues of a covariance of about 1000 are good to 1e-12 of it.
  numpy.patchMean.forEach((value, i) => assertAlmostEquals(mean[i], value, 1e-9));
  const variance = await statistics.principalVariance();
  numpy.variance.forEach((v, i) => assertAlmostEquals(variance[i], v, 1e-8));
  numpy.zca.forEach((value, i) => assertAlmostEquals(matrix![i], value, 1e-9));
});

Deno.test("whitenBytes() gives numpy's bytes", () => {
  const { patch, mean, filter, epsilon, variance } = numpy;
  const whitening: PixelWhitening = { kind: "zca", patch, epsilon, variance, mean, filter };
  const found = whitenBytes(pictures.subarray(0, SIZE), WIDTH, HEIGHT, whitening);
  // The order of numpy's sums is its own: a value that ends on .5 may be rounded the other way.
  const off = numpy.whitened.filter((value, i) => value !== found[i]);
  assert(off.length <= 1, `${off.length} of ${SIZE} bytes differ`);
  numpy.whitened.forEach((value, i) => assert(Math.abs(value - found[i]) <= 1));
});

const sheet = await decodeImage(
  await Deno.readFile(new URL("../fixtures/cifar10/sheet.png", import.meta.url)),
);
const photos = Array.from(
  { length: 200 },
  (_, n) =>
    cropImage(sheet, {
      left: (n % 50) * 32,
      top: Math.floor(n / 50) * 32,
      width: 32,
      height: 32,
    }),
);

/** Correlation of each pixel with its right neighbor, over pictures of three channels. */
function neighbors(all: readonly Uint8Array[]): number {
  let [n, sx, sy, sxx, syy, sxy] = [0, 0, 0, 0, 0, 0];
  for (const data of all) {
    for (let i = 0; i < 32 * 32 * 3 - 3; i++) {
      if (Math.floor(i / 3) % 32 === 31) continue;
      const x = data[i], y = data[i + 3];
      n++, sx += x, sy += y, sxx += x * x, syy += y * y, sxy += x * y;
    }
  }
  return (n * sxy - sx * sy) / Math.sqrt((n * sxx - sx * sx) * (n * syy - sy * sy));
}

Deno.test("whitened photos have little left in common with their neighbors", async () => {
  const pixels = new Uint8Array(photos.length * 32 * 32 * 3);
  photos.forEach(({ data }, n) => pixels.set(data, n * data.length));
  const architecture = {
    configuration: "A" as const,
    input: { height: 32, width: 32, channels: 3 },
    convolutions: [4, 4, 4, 4, 4, 4, 4, 4],
    dense: [2],
  };
  const whitening = await pixelWhitening(
    pixels,
    photos.map((_, n) => n),
    architecture,
    1,
    undefined,
  );
  const before = neighbors(photos.map(({ data }) => data));
  const after = neighbors(photos.map(({ data }) => whitenBytes(data, 32, 32, whitening)));
  console.log(`neighbors: ${before.toFixed(3)} before, ${after.toFixed(3)} after`);
  assert(before > 0.85 && Math.abs(after) < 0.3, `${before}, ${after}`);
});

Deno.test("patches lie within their pictures: of one as large as a patch there is one", async () => {
  const values = Uint8Array.from({ length: 25 }, (_, i) => i * 7 % 50);
  const pixels = Uint8Array.from([...values, ...new Uint8Array(25).fill(255)]);
  const architecture = {
    ...{ configuration: "A" as const, input: { height: 5, width: 5, channels: 1 } },
    ...{ convolutions: [4, 4, 4, 4, 4, 4, 4, 4], dense: [2] },
  };
  const { mean, variance } = await pixelWhitening(pixels, [0], architecture, 1, undefined);
  const sum = values.reduce((a, b) => a + b, 0);
  assertAlmostEquals(mean[0]!, sum / 25, 1e-4);
  assert(variance.every((value) => Math.abs(value) < 1e-6), `${variance}`);
});

Deno.test("fitFromScratch() whitens, and its model does so with the same numbers", async () => {
  const samples = photos.slice(0, 60).map((image, n) => ({ file: `${n}`, label: n % 2, image }));
  const { bytes: model } = await fitFromScratch({ samples, labels: ["a", "b"] }, {
    ...{ configuration: "A", width: 1 / 16, dense: [], epochs: 1, backend: "wasm" },
    whitening: "zca",
  });
  const { architecture, preprocessing } = await openModel(model);
  const { whitening, ...plain } = preprocessing;
  assertEquals([whitening?.filter.length, whitening?.variance.length], [225, 75]);
  const [view] = viewsOf(photos[0], { architecture, preprocessing });
  const [before] = viewsOf(photos[0], { architecture, preprocessing: plain });
  assertEquals(view.data, whitenBytes(before.data, 32, 32, whitening!));
  // The mean of what is learned from is whitened to byte 128, and its deviation is at most 42.
  preprocessing.mean.forEach((mean) => assertAlmostEquals(mean * 255, 128, 6));
  preprocessing.std.forEach((std) => assert(std * 255 > 25 && std * 255 < 45, `${std * 255}`));
});

Deno.test("a model document names a whitening that fits its channels, or none", () => {
  const input = { height: 32, width: 32, channels: 3 };
  const { patch, mean, filter, epsilon, variance } = numpy;
  const whitening = { kind: "zca", patch, epsilon, variance, mean, filter };
  const plain = { resize: "direct", size: 32, filter: "bilinear", scale: 1, mean, std: [1, 1, 1] };
  assertEquals(checkPreprocessing({ ...plain, whitening }, input), undefined);
  for (
    const wrong of [{ kind: "pca" }, { patch: 4 }, { mean: [1] }, { filter: [1] }, { patch: 99 }]
  ) {
    const problem = checkPreprocessing({ ...plain, whitening: { ...whitening, ...wrong } }, input);
    assert(problem?.includes("preprocessing.whitening"), JSON.stringify(wrong));
  }
});

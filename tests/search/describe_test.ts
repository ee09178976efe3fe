import { assertAlmostEquals, assertEquals, assertGreater } from "@std/assert";
import { classifierOn } from "../../lib/classifier.ts";
import { createEngine } from "../../lib/engine/create.ts";
import { readImage } from "../../lib/image/read.ts";
import { cropImage, resizeImage } from "../../lib/image/resize.ts";
import { resultsOf } from "../../lib/input/each_image.ts";
import { mirror } from "../../lib/input/views.ts";
import { headless } from "../../lib/model/headless.ts";
import { resolveModel } from "../../lib/open_model.ts";
import { similarity } from "../../lib/output/embedding.ts";
import { type Described, describing, vectorLength } from "../../lib/search/describe.ts";
import type { Recipe } from "../../lib/search/recipes.ts";
import { CIFAR10 } from "../support/cifar10.ts";

const BOATS = new URL("../data/photos/boats.jpg", import.meta.url);
const ALL = { left: 0, top: 0, width: 1, height: 1 };
const RIGHT = { left: 0.5, top: 0, width: 0.5, height: 1 };
const RECIPE: Recipe = {
  ...{ sees: "center", side: 64, mirrored: true, layers: ["pool3", "pool4"], copies: 0.9 },
  parts: [ALL, RIGHT],
};

const model = headless(await resolveModel(CIFAR10), RECIPE.side);

async function describe(
  image: Parameters<typeof readImage>[0],
  recipe: Recipe,
): Promise<Described> {
  await using engine = await createEngine(model, { backend: "wasm", threads: 1 });
  const work = describing(() => Promise.resolve(engine), model, recipe, {});
  return await resultsOf(image, work, {}) as Described;
}

/** What `embed()` says of the layers of a picture and its mirror image, each layer of length 1. */
async function embedded(
  picture: { data: Uint8Array; width: number; height: number },
  isRight: boolean,
): Promise<number[]> {
  await using engine = await createEngine(model, { backend: "wasm", threads: 1 });
  await using classifier = classifierOn(model, engine);
  const values: number[] = [];
  for (const layer of RECIPE.layers) {
    const sums: number[] = [];
    for (const isMirrored of [false, true]) {
      const data = isMirrored ? mirror(picture) : picture.data;
      const found = await classifier.embed({ ...picture, data }, { layer });
      const [height, width, channels] = found.shape as [number, number, number];
      // The right half of a picture is the left one of its mirror image.
      const from = isRight && !isMirrored ? width / 2 : 0,
        to = isRight && isMirrored ? width / 2 : width;
      for (let y = 0; y < height; y++) {
        for (let x = from; x < to; x++) {
          for (let c = 0; c < channels; c++) {
            sums[c] = (sums[c] ?? 0) + found.data[(y * width + x) * channels + c]!;
          }
        }
      }
    }
    const length = Math.hypot(...sums);
    values.push(...sums.map((value) => value / length));
  }
  return values;
}

Deno.test("vectors have the directions of what embed() says of the same pixels", async () => {
  const boats = await readImage(BOATS), { width, height } = boats;
  const side = Math.min(width, height);
  const box = { left: (width - side) >> 1, top: (height - side) >> 1, width: side, height: side };
  const square = resizeImage(cropImage(boats, box), { width: 64, height: 64 });
  const { vectors } = await describe(square, RECIPE);
  const length = vectorLength(RECIPE, model);
  assertEquals(vectors.length, 2 * length);
  for (const [n, isRight] of [false, true].entries()) {
    const own = vectors.subarray(n * length, (n + 1) * length);
    assertEquals(Math.max(...own), 127);
    // A byte is wrong by half a step of 127 at most.
    assertGreater(similarity(own, await embedded(square, isRight)), 0.9995);
  }
});

Deno.test("a picture is described as large as its file says, turned as it is shown", async () => {
  const { width, height } = await readImage(BOATS);
  const found = await describe(BOATS, RECIPE);
  const { size } = await Deno.stat(BOATS);
  assertEquals([found.width, found.height, found.bytes], [width, height, size]);
});

Deno.test("a mirror image has the same vector of all of it, where mirror images are looked at", async () => {
  const boats = resizeImage(await readImage(BOATS), { width: 96, height: 64, filter: "bilinear" });
  const turned = { ...boats, data: mirror(boats) };
  const length = vectorLength(RECIPE, model);
  for (const sees of ["center", "whole"] as const) {
    const recipe = { ...RECIPE, sees };
    const [a, b] = [await describe(boats, recipe), await describe(turned, recipe)];
    const [x, y] = [a, b].map(({ vectors }) => vectors.subarray(0, length));
    assertAlmostEquals(similarity(x!, y!), 1, 1e-4);
  }
});

Deno.test("what sees the whole of a picture sees what is outside of the square in the middle", async () => {
  const boats = resizeImage(await readImage(BOATS), { width: 128, height: 64, filter: "bilinear" });
  const changed = { ...boats, data: boats.data.slice() };
  for (let y = 0; y < 64; y++) changed.data.fill(0, y * 128 * 3, (y * 128 + 32) * 3);
  const same = async (sees: Recipe["sees"]): Promise<number> => {
    const recipe = { ...RECIPE, sees, parts: [ALL] };
    const [a, b] = [await describe(boats, recipe), await describe(changed, recipe)];
    return similarity(a.vectors, b.vectors);
  };
  assertEquals(await same("center"), 1);
  assertEquals(await same("whole") < 0.999, true);
});

/** Features that are read where they lie, as there are too many for memory. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { fit, type FitOptions } from "../../lib/train/fit.ts";
import { areLarge } from "../../lib/train/rows.ts";
import { judging } from "../../lib/train/words.ts";
import { CIFAR10 } from "../support/cifar10.ts";
import { catsAndDogs } from "../support/fitted.ts";

/** 819,200 features of a picture: 3.3 MB. */
const EACH_PIXEL = {
  ...{ model: CIFAR10, backend: "wasm", layer: "conv1_1", pooling: "none", sides: [160] },
  mirror: "off",
} as const satisfies FitOptions;
const LENGTH = 160 * 160 * 32;

Deno.test("large features give the same model from a file and from memory", async () => {
  const data = catsAndDogs(21), directory = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  assert(areLarge({ count: data.samples.length, length: LENGTH }));
  try {
    const own = { ...EACH_PIXEL, head: "linear", out: undefined } as const;
    const { bytes, assessment, training } = await fit(data, { ...own, directory });
    assertEquals(bytes, (await fit(data, own)).bytes);
    assertEquals(assessment.judged, 42);
    // Their inner products are computed once, of features on one scale for all: whoever reads of it is told.
    const words = ", but for the scale of features, which is that of all pictures";
    assertEquals(assessment.scaledByAll, true);
    assert(judging(assessment).endsWith(words), judging(assessment));
    assert(training.includes('"scaledBy":"all pictures"'), training);
    const small = await fit(data, { ...own, layer: "pool4", sides: [32] });
    assertEquals(small.assessment.scaledByAll, undefined);
    assert(!judging(small.assessment).includes("scale"), judging(small.assessment));
    assert(!small.training.includes("scaled"), small.training);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

/** Pictures that nobody may look at. */
function unseen(count: number) {
  const image = () => Promise.reject(new Error("it is looked at"));
  const samples = Array.from({ length: count }, (_, n) => ({ file: `${n}`, label: n % 2, image }));
  return { labels: ["even", "odd"], samples };
}

Deno.test("features that do not fit in memory are refused before a picture is read", async () => {
  await assertRejects(
    () => fit(unseen(700), EACH_PIXEL),
    RangeError,
    "The features of 700 pictures are 2293760000 bytes, more than 2 GiB: give a directory",
  );
  const directory = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    await assertRejects(
      () => fit(unseen(100), { ...EACH_PIXEL, directory, head: "nearest" }),
      RangeError,
      "The head would be too large: 100 examples of 819200 values are 327680000 bytes, at most 268435456",
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

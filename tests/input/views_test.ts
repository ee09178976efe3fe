import { assert, assertEquals, assertThrows } from "@std/assert";
import { classifierOn, type ClassifyOptions } from "../../lib/classifier.ts";
import { checkViews, viewPixels, viewsOf } from "../../lib/input/views.ts";
import { ImageTooLargeError } from "../../lib/errors.ts";
import { floatEngine } from "../support/float_engine.ts";
import { smallVgg } from "../support/small_vgg.ts";

const PHOTO = new URL("../data/photos/cat.png", import.meta.url);
const { model, weights, expected } = await smallVgg();

/** Both sides sum in float64 and differ in order; activations pass through float32 once. */
const TOLERANCE = 1e-6;

const MODES: Record<string, ClassifyOptions> = {
  "center": {},
  "flip": { flip: true },
  "center, two scales": { scales: [32, 44] },
  "ten": { crops: "ten", scales: [40] },
  "dense": { crops: "dense", scales: [75] },
  "dense, flip, three scales": { crops: "dense", scales: [64, 75, 96], flip: true },
  "multi, two scales": { crops: "multi", scales: [40, 51] },
  "dense+multi": { crops: "dense+multi", scales: [64, 75], flip: true },
};

for (const [name, options] of Object.entries(MODES)) {
  Deno.test(`scores() gives PyTorch's probabilities: ${name}`, async () => {
    await using classifier = classifierOn(model, floatEngine(model, weights));
    const [scores] = await classifier.scores([PHOTO], options);
    const want = expected.views[name];
    const worst = Math.max(...want.map((p, i) => Math.abs(p - scores[i])));
    assert(worst < TOLERANCE, `off by ${worst}: expected ${want}, found ${scores}`);
  });
}

Deno.test("viewsOf() gives each crop once, with weights that sum to 1", () => {
  const image = { data: new Uint8Array(32 * 32 * 3), width: 32, height: 32 };
  const views = viewsOf(image, model, { crops: "multi" });
  assertEquals(views.map(({ weight }) => weight), [0.5, 0.5]);
  const all = viewsOf({ ...image, data: new Uint8Array(32 * 64 * 3), height: 64 }, model, {
    crops: "dense+multi",
    scales: [32, 40],
  });
  // Dense at two scales, and 5 places and 5 x 5 places, each also mirrored.
  assertEquals(all.length, 2 + 2 * (5 + 25));
  assert(Math.abs(all.reduce((sum, { weight }) => sum + weight, 0) - 1) < 1e-12);
});

Deno.test("a crop that is the same at several places counts as often", () => {
  // Of 33 columns the five places are 0, 1, 0, 1 and, in the middle, 0 or 1.
  const image = { data: new Uint8Array(33 * 32 * 3), width: 33, height: 32 };
  const views = viewsOf(image, model, { crops: "ten", scales: [32] });
  const found = views.map(({ weight }) => weight).sort();
  for (const [i, weight] of [0.2, 0.2, 0.3, 0.3].entries()) {
    assert(Math.abs(found[i]! - weight) < 1e-12, `${found}`);
  }
  assertEquals(found.length, 4);
});

Deno.test("viewPixels() counts what viewsOf() cuts", () => {
  const image = { data: new Uint8Array(50 * 40 * 3), width: 50, height: 40 };
  for (const [name, options] of Object.entries(MODES)) {
    const views = viewsOf(image, model, options);
    const pixels = views.reduce((sum, { width, height }) => sum + width * height, 0);
    assertEquals(viewPixels(image, model, options), pixels, name);
  }
});

Deno.test("checkViews() refuses scales below the input size and unknown crops", () => {
  assertThrows(() => checkViews({ scales: [31] }, model), RangeError, "from 32");
  assertThrows(() => checkViews({ scales: [] }, model), RangeError);
  assertThrows(() => checkViews({ scales: [32.5] }, model), RangeError);
  assertThrows(
    () => checkViews({ crops: "twelve" as "ten" }, model),
    RangeError,
    '"center", "ten"',
  );
});

Deno.test("viewsOf() refuses to look densely at an image that is too long", () => {
  const image = { data: new Uint8Array(6000 * 3), width: 6000, height: 1 };
  assertThrows(() => viewsOf(image, model, { crops: "dense" }), ImageTooLargeError, "dense");
  assertEquals(viewsOf(image, model, { crops: "ten" }).length > 0, true);
});

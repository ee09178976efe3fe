/**
 * Preprocessing of ten photos against torchvision, byte for byte (tests/fixtures/images/make_photos.py).
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { prepareInput, shorterSideTo } from "../../lib/input/prepare.ts";
import { readImage } from "../../lib/image/read.ts";
import type { Preprocessing } from "../../lib/model/model.ts";

const FOLDER = new URL("../fixtures/images/", import.meta.url);

const expected: Record<string, Record<string, string>> = JSON.parse(
  await Deno.readTextFile(new URL("photos.json", FOLDER)),
);

function preprocessing(
  resize: Preprocessing["resize"],
  size: number,
  filter: Preprocessing["filter"],
): Preprocessing {
  return { resize, size, filter, scale: 1, mean: [0, 0, 0], std: [1, 1, 1] };
}

const SETTINGS: Record<string, [Preprocessing, number]> = {
  "shorter-side 256 bilinear 224x224x3": [preprocessing("shorter-side", 256, "bilinear"), 3],
  "shorter-side 235 bicubic 224x224x3": [preprocessing("shorter-side", 235, "bicubic"), 3],
  "direct bilinear 224x224x3": [preprocessing("direct", 224, "bilinear"), 3],
  "direct bicubic 224x224x1": [preprocessing("direct", 224, "bicubic"), 1],
};

for (const [path, digests] of Object.entries(expected)) {
  Deno.test(`prepareInput() of ${path.split("/").at(-1)} equals torchvision's`, async () => {
    const image = await readImage(new URL(path, FOLDER));
    for (const [name, digest] of Object.entries(digests)) {
      const [settings, channels] = SETTINGS[name];
      const bytes = prepareInput(image, settings, { height: 224, width: 224, channels });
      const found = await crypto.subtle.digest("SHA-256", new Uint8Array(bytes));
      assertEquals(new Uint8Array(found).toHex(), digest, name);
    }
  });
}

Deno.test("a JPEG decoded at a reduced scale gives nearly the same input", async () => {
  // Shrinking by averages of 2, 4 or 8 pixels and then by the filter is not shrinking by the filter:
  // edges move by a few levels. The bounds are those that the documentation of `shorterSide` gives.
  const photo = new URL("photos/astronaut.jpg", FOLDER); // 464x512
  for (const [side, reduction] of [[92, 2], [46, 4], [23, 8]]) {
    const settings = preprocessing("shorter-side", side, "bilinear");
    const input = { height: side, width: side, channels: 3 };
    const whole = await readImage(photo);
    const reduced = await readImage(photo, { shorterSide: side, reduceFromPixels: 0 });
    assertEquals(reduced.width, whole.width / reduction);
    const a = prepareInput(whole, settings, input), b = prepareInput(reduced, settings, input);
    const differences = a.map((value, i) => Math.abs(value - b[i]));
    const mean = differences.reduce((sum, d) => sum + d, 0) / differences.length;
    const largest = differences.reduce((most, d) => Math.max(most, d), 0);
    assert(mean < 1, `${side}: the mean difference is ${mean}`);
    assert(largest <= 10, `${side}: the largest difference is ${largest}`);
  }
});

Deno.test("a JPEG is not reduced below 2.5 times what is needed, nor to parts of pixels", async () => {
  const reduceFromPixels = 0;
  const astronaut = new URL("photos/astronaut.jpg", FOLDER);
  const even = await readImage(astronaut, { shorterSide: 93, reduceFromPixels });
  assertEquals([even.width, even.height], [512, 464]); // upright
  const boats = new URL("../../data/photos/boats.jpg", FOLDER);
  const odd = await readImage(boats, { shorterSide: 20, reduceFromPixels });
  assertEquals([odd.width, odd.height], [1024, 819]);
  const small = await readImage(astronaut, { shorterSide: 23 });
  assertEquals([small.width, small.height], [512, 464]);
});

Deno.test("shorterSideTo() cuts the longer side's fraction off, as torchvision does", () => {
  assertEquals(shorterSideTo(256, 640, 427), [383, 256]); // 383.7
  assertEquals(shorterSideTo(256, 427, 640), [256, 383]);
  assertEquals(shorterSideTo(100, 7, 7), [100, 100]);
});

Deno.test("prepareInput() refuses what cannot be cropped or has other channels", () => {
  const image = { data: new Uint8Array(30 * 30 * 3), width: 30, height: 30 };
  const settings = preprocessing("shorter-side", 20, "bilinear");
  const input = { height: 24, width: 24, channels: 3 };
  assertThrows(() => prepareInput(image, settings, input), RangeError, "24x24 out of 20x20");
  const four = { height: 20, width: 20, channels: 4 };
  assertThrows(() => prepareInput(image, settings, four), RangeError, "1 or 3 channels, found 4");
});

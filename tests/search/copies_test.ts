import { assertAlmostEquals, assertEquals, assertGreater, assertLess } from "@std/assert";
import type { Pixels } from "../../lib/image/image.ts";
import { readImage } from "../../lib/image/read.ts";
import { cropImage, resizeImage } from "../../lib/image/resize.ts";
import { mirror } from "../../lib/input/views.ts";
import { COPIES, copySimilarity, LEAST_LOOK } from "../../lib/search/copies.ts";
import { compareLayouts, layoutOf } from "../../lib/search/layout.ts";
import { randomFrom } from "../../lib/train/random.ts";

const PHOTOS = new URL("../data/photos/", import.meta.url);
const NAMES = ["boats.jpg", "cat.png", "coffee.png", "rocket.jpg"];
const photos = await Promise.all(NAMES.map((name) => readImage(new URL(name, PHOTOS))));

function changed(image: Pixels, change: (value: number, at: number) => number): Pixels {
  return { ...image, data: image.data.map(change) };
}

/** Brightness, three times. */
function gray(image: Pixels): Pixels {
  const luma = (at: number): number =>
    [0.299, 0.587, 0.114].reduce((sum, part, c) => sum + part * image.data[at - at % 3 + c]!, 0);
  return changed(image, (_, at) => luma(at));
}

/** A white page with lines of gray words. */
function page(seed: number): Pixels {
  const next = randomFrom(seed), width = 300, height = 400;
  const data = new Uint8Array(width * height * 3).fill(255);
  for (let y = 20; y < 380; y += 12) {
    for (let x = 20; x < 250;) {
      const word = 6 + Math.floor(next() * 30);
      for (let row = y; row < y + 5; row++) {
        data.fill(90, (row * width + x) * 3, (row * width + x + word) * 3);
      }
      x += word + 6;
    }
    if (next() < 0.2) y += 12;
  }
  return { data, width, height };
}

/** How surely two are copies that look so much alike. */
function similarity(a: Pixels, b: Pixels, look: number, content = 500): number {
  const describe = (image: Pixels) => ({
    ...{ look: new Int8Array(0), meaning: new Int8Array(0), certainty: 0, content },
    layout: layoutOf(image),
  });
  return copySimilarity(describe(a), describe(b), look);
}

Deno.test("a layout has the brightness of each part, and how much is of one color", () => {
  // 16 x 16 squares of 20 pixels, of three colors; the resized one is an average over 8 of them.
  const side = 320, colors = [[250, 10, 10], [20, 120, 40], [20, 120, 44]];
  const square = (n: number) => colors[n % 16 < 8 ? 0 : n % 2 === 0 ? 1 : 2]!;
  const data = new Uint8Array(side * side * 3);
  for (let i = 0; i < side * side; i++) {
    const n = Math.floor(i / side / 20) * 16 + Math.floor(i % side / 20);
    data.set(square(n), 3 * i);
  }
  const { parts, plain } = layoutOf({ data, width: side, height: side });
  parts.forEach((part, n) => {
    const [r, g, b] = square(n) as [number, number, number];
    // Where two colors meet, the resized picture has a little of both.
    if (n % 16 !== 7 && n % 16 !== 8) {
      assertAlmostEquals(part, 0.299 * r + 0.587 * g + 0.114 * b, 1);
    }
  });
  // Half is red; the greens are one color, as they are near each other.
  assertAlmostEquals(plain, 0.5, 0.02);
});

Deno.test("layouts agree with those of brighter, smaller and mirrored copies, and with few others", () => {
  const layouts = photos.map((image) => layoutOf(image).parts);
  photos.forEach((image, n) => {
    const copies = [
      changed(image, (value) => value * 0.8 + 20),
      resizeImage(image, { width: 160 }),
      { ...image, data: mirror(image) },
    ];
    for (const copy of copies) {
      const { correlation, difference } = compareLayouts(layouts[n]!, layoutOf(copy).parts);
      assertGreater(correlation, 0.995);
      assertLess(difference, 8);
    }
    layouts.forEach((other, m) => {
      const found = compareLayouts(layouts[n]!, other);
      const back = compareLayouts(other, layouts[n]!);
      assertAlmostEquals(found.correlation, back.correlation, 1e-12);
      assertAlmostEquals(found.difference, back.difference, 1e-9);
      if (m !== n) assertLess(found.correlation, 0.8);
    });
    const negative = changed(image, (value) => 255 - value);
    assertLess(compareLayouts(layouts[n]!, layoutOf(negative).parts).correlation, 0.6);
  });
});

Deno.test("a gray copy is one though it looks otherwise, and other pictures are not", () => {
  for (const image of photos) {
    assertGreater(similarity(image, gray(image), 0.75), COPIES);
    for (const other of photos) {
      if (other !== image) assertLess(similarity(image, other, 0.75), COPIES);
    }
  }
  // Of a crop only the look tells it.
  const cat = photos[1]!, box = { left: 0, top: 0, width: cat.width >> 1, height: cat.height >> 1 };
  assertEquals(similarity(cat, cropImage(cat, box), 0.9), 0.9);
});

Deno.test("pages that look alike are copies only if they say the same", () => {
  const pages = [1, 2, 3].map(page);
  for (const one of pages) {
    assertGreater(layoutOf(one).plain, 0.3);
    const small = resizeImage(one, { width: 150 });
    assertGreater(similarity(one, small, 0.99, 300), COPIES);
    for (const other of pages) {
      if (other !== one) assertEquals(similarity(one, other, 0.99, 300), 0);
    }
  }
});

Deno.test("pictures that show nothing are no copies of each other", () => {
  const plain = (value: number): Pixels => ({
    ...{ data: new Uint8Array(40 * 40 * 3).fill(value), width: 40, height: 40 },
  });
  assertEquals(compareLayouts(layoutOf(plain(255)).parts, layoutOf(plain(255)).parts), {
    correlation: 0,
    difference: 255,
  });
  for (const value of [255, 254, 20]) assertEquals(similarity(plain(255), plain(value), 1, 100), 0);
});

Deno.test("layouts tell copies only of what looks somewhat alike", () => {
  const [boats] = photos;
  assertEquals(similarity(boats!, boats!, LEAST_LOOK - 0.01), LEAST_LOOK - 0.01);
  assertGreater(similarity(boats!, boats!, LEAST_LOOK), COPIES);
  assertEquals(similarity(boats!, boats!, 1), 1);
  assertEquals(similarity(boats!, photos[1]!, -0.1), 0);
});

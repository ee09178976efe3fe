import { assertEquals, assertRejects } from "@std/assert";
import { ImageDecodeError } from "../../../lib/errors.ts";
import { decodeImage } from "../../../lib/image/decode.ts";

const WIDTH = 7, HEIGHT = 5, SAMPLES = 3;

/** Samples of 16 bits, whose low bytes carry when they are summed. */
const SOUND = Uint16Array.from(
  { length: WIDTH * HEIGHT * SAMPLES },
  (_, i) => Math.imul(i + 1, 40_503) & 0xffff,
);

/** Values of tags, each a LONG. */
type Tags = Readonly<Record<number, number | readonly number[]>>;

/** A TIFF: its pixels from byte 8 on, then lists of values, and its only directory. */
function tiff(data: Uint8Array, tags: Tags, little = true): Uint8Array {
  const entries = Object.entries(tags).map(([tag, values]) =>
    [Number(tag), [values].flat()] as const
  );
  const listed = entries.reduce((sum, [, { length }]) => sum + (length > 1 ? 4 * length : 0), 0);
  const directory = 8 + data.length + listed;
  const bytes = new Uint8Array(directory + 2 + 12 * entries.length + 4);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(little ? "II" : "MM"));
  view.setUint16(2, 42, little);
  view.setUint32(4, directory, little);
  bytes.set(data, 8);
  view.setUint16(directory, entries.length, little);
  let list = 8 + data.length;
  entries.forEach(([tag, values], n) => {
    const at = directory + 2 + 12 * n;
    view.setUint16(at, tag, little);
    view.setUint16(at + 2, 4, little); // LONG
    view.setUint32(at + 4, values.length, little);
    const first = values.length > 1 ? list : at + 8;
    values.forEach((value, i) => view.setUint32(first + 4 * i, value, little));
    if (values.length === 1) return;
    view.setUint32(at + 8, first, little);
    list += 4 * values.length;
  });
  return bytes;
}

/** A TIFF of 16-bit RGB, whose samples are stored less those to the left. */
function differences(little: boolean): Uint8Array {
  const data = new Uint8Array(2 * SOUND.length), view = new DataView(data.buffer);
  SOUND.forEach((sample, i) => {
    const isFirst = i % (WIDTH * SAMPLES) < SAMPLES;
    view.setUint16(2 * i, isFirst ? sample : sample - SOUND[i - SAMPLES]!, little);
  });
  const tags: Tags = {
    ...{ 256: WIDTH, 257: HEIGHT, 258: 16, 259: 1, 262: 2, 273: 8 },
    ...{ 277: SAMPLES, 278: HEIGHT, 279: data.length, 317: 2 },
  };
  return tiff(data, tags, little);
}

for (const little of [true, false]) {
  Deno.test(`differences of 16 bits are undone with the ${little ? "low" : "high"} byte first`, async () => {
    const { data } = await decodeImage(differences(little));
    assertEquals([...data], [...SOUND].map((sample) => sample >> 8));
  });
}

/** Gray of 8 bits, 2x4 pixels in two strips or 20x4 in two tiles of 16x16. */
const GRAY = { 258: 8, 259: 1, 262: 1, 277: 1 };
const STRIPS = Uint8Array.of(10, 20, 30, 40, 50, 60, 70, 80);
const IN_STRIPS = { ...GRAY, 256: 2, 257: 4, 273: [8, 12], 278: 2, 279: [4, 4] };
const TILES = Uint8Array.from({ length: 512 }, (_, i) => i < 256 ? i : 7);
const IN_TILES = {
  ...{ ...GRAY, 256: 20, 257: 4, 322: 16, 323: 16 },
  ...{ 324: [8, 8 + 256], 325: [256, 256] },
};
const grayOf = async (file: Uint8Array): Promise<number[]> => {
  const { data } = await decodeImage(file);
  return Array.from({ length: data.length / 3 }, (_, i) => data[3 * i]!);
};

Deno.test("strips lie one below the other, tiles side by side, wherever they are in the file", async () => {
  assertEquals(await grayOf(tiff(STRIPS, IN_STRIPS)), [...STRIPS]);
  assertEquals(
    await grayOf(tiff(STRIPS, { ...IN_STRIPS, 273: [12, 8] })),
    [50, 60, 70, 80, 10, 20, 30, 40],
  );
  const row = (y: number): number[] => [...TILES.subarray(16 * y, 16 * y + 16), 7, 7, 7, 7];
  assertEquals(await grayOf(tiff(TILES, IN_TILES)), [0, 1, 2, 3].flatMap(row));
});

Deno.test("a strip or tile is as long as the file says, and none may be missing", async () => {
  // Bytes of the next one follow each, and are not taken for its own.
  for (
    const [data, tags, counts, first] of [
      [STRIPS, IN_STRIPS, 279, 4],
      [TILES, IN_TILES, 325, 256],
    ] as const
  ) {
    const more = new Uint8Array(data.length + first);
    more.set(data);
    for (const short of [[first, first - 1], [first - 1, first]]) {
      await assertRejects(
        () => decodeImage(tiff(more, { ...tags, [counts]: short })),
        ImageDecodeError,
        "holds less than it should",
      );
    }
    // A count that is left out, or 0, tells nothing.
    const expected = await grayOf(tiff(data, tags));
    for (const unknown of [[first], [0, 0], [first, 0]]) {
      assertEquals(await grayOf(tiff(data, { ...tags, [counts]: unknown })), expected);
    }
    const offsets = counts === 279 ? 273 : 324;
    await assertRejects(
      () => decodeImage(tiff(data, { ...tags, [offsets]: 8 })),
      ImageDecodeError,
      "it lists fewer strips or tiles than the image has",
    );
  }
});

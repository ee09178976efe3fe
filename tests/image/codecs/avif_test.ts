/** AVIF of every kind (tests/fixtures/avif/make.py), and files that hide work or leave things out. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { concat } from "@std/bytes/concat";
import { ImageDecodeError } from "../../../lib/errors.ts";
import { avif } from "../../../lib/image/codecs/avif.ts";
import { AVIF } from "../../../lib/image/codecs/wasm/avif_binary.ts";
import { compile, Decoder, type DecoderExports } from "../../../lib/image/codecs/wasm/decoder.ts";
import { decodeImage } from "../../../lib/image/decode.ts";
import { type Box, channelsOf, orient, type Pixels } from "../../../lib/image/image.ts";

const AVIF_MODULE = await compile(AVIF);

const FOLDER = new URL("../../fixtures/avif/", import.meta.url);

const read = (name: string) => Deno.readFileSync(new URL(`files/${name}.avif`, FOLDER));
const pixels: Record<string, string> = JSON.parse(
  await Deno.readTextFile(new URL("pixels.json", FOLDER)),
);
/** What the lossless files show. */
const source = await decodeImage(await Deno.readFile(new URL("source.png", FOLDER)));

for (const [file, expected] of Object.entries(pixels)) {
  Deno.test(`${file} gives libaom's pixels to the bit`, async () => {
    const bytes = await Deno.readFile(new URL(`files/${file}`, FOLDER));
    const stored = await avif.decode(bytes, avif.readHeader(bytes), Infinity);
    const hash = await crypto.subtle.digest("SHA-256", toRgba(stored));
    assertEquals(new Uint8Array(hash).toHex(), expected);
  });
}

function toRgba(image: Pixels): Uint8Array<ArrayBuffer> {
  const channels = channelsOf(image);
  return Uint8Array.from(
    { length: image.width * image.height * 4 },
    (_, i) => i % 4 < channels ? image.data[(i >> 2) * channels + i % 4] : 255,
  );
}

function crop({ data, width }: Pixels, box: Box): Pixels {
  const row = (y: number) => ((box.top + y) * width + box.left) * 3;
  const rows = Array.from(
    { length: box.height },
    (_, y) => data.subarray(row(y), row(y) + box.width * 3),
  );
  return { data: concat(rows), width: box.width, height: box.height };
}

const CORNER = { left: 0, top: 0, width: 61, height: 43 };
const LOSSLESS: Readonly<Record<string, Pixels>> = {
  "lossless": source,
  "lossless-12": crop(source, CORNER),
  "grid": source,
  "animation": crop(source, CORNER),
  // The offsets in make.py are those of the middles.
  "clap": crop(source, { left: 49, top: 38, width: 50, height: 40 }),
  "clap-irot": orient(crop(source, { left: 28, top: 51, width: 51, height: 40 }), 8),
};

for (const [name, expected] of Object.entries(LOSSLESS)) {
  Deno.test(`${name}.avif shows its source`, async () => {
    const { data, width, height } = await decodeImage(read(name));
    assertEquals([width, height], [expected.width, expected.height]);
    assertEquals(data, expected.data);
  });
}

/** Where a box begins. */
function boxAt(bytes: Uint8Array, type: string): number {
  const code = new TextEncoder().encode(type);
  return bytes.findIndex((_, at) => code.every((byte, i) => bytes[at + 4 + i] === byte));
}

/** Moves what the only item's location points to. */
function moveItem(bytes: Uint8Array, by: number, lengthen: number): void {
  const view = new DataView(bytes.buffer), at = boxAt(bytes, "iloc") + 22;
  view.setUint32(at, view.getUint32(at) + by);
  view.setUint32(at + 4, view.getUint32(at + 4) + lengthen);
}

Deno.test("what other tools leave out is not missed: the box of depths", async () => {
  const bytes = read("lossless");
  for (let at = boxAt(bytes, "pixi"); at !== -1; at = boxAt(bytes, "pixi")) {
    bytes.set(new TextEncoder().encode("free"), at + 4);
  }
  assertEquals((await decodeImage(bytes)).data, source.data);
});

Deno.test("a box may have a length of 64 bits, and lie before all others", async () => {
  const bytes = read("8-444-full");
  const start = new DataView(bytes.buffer).getUint32(0);
  const free = Uint8Array.of(0, 0, 0, 1, ...new TextEncoder().encode("free"), ...new Uint8Array(8));
  free[15] = free.length;
  const moved = concat([bytes.subarray(0, start), free, bytes.subarray(start)]);
  moveItem(moved, free.length, 0);
  assertEquals(await decodeImage(moved), await decodeImage(bytes));
});

function box(type: string, ...contents: (Uint8Array | number[])[]): Uint8Array {
  const data = concat(contents.map((part) => Uint8Array.from(part)));
  return Uint8Array.of(0, 0, 0, 8 + data.length, ...new TextEncoder().encode(type), ...data);
}

Deno.test("items' properties may be in several tables, with numbers of 8 or 16 bits", () => {
  const primary = box("pitm", [0, 0, 0, 0], [0, 1]);
  const size = box("ispe", [0, 0, 0, 0], [0, 0, 0, 5], [0, 0, 0, 7]);
  const other = box("ipma", [0, 0, 0, 0], [0, 0, 0, 1], [0, 2], [1, 2]);
  const own = box("ipma", [0, 0, 0, 1], [0, 0, 0, 1], [0, 1], [2, 0, 1, 0x80, 2]);
  const properties = box("ipco", size, box("irot", [1]));
  const meta = box("meta", [0, 0, 0, 0], primary, box("iprp", properties, other, own));
  assertEquals(avif.readHeader(meta), { width: 5, height: 7, orientation: 8 });
});

/** The file with its only frame as often in its item. */
function repeatFrame(bytes: Uint8Array, times: number): Uint8Array {
  const view = new DataView(bytes.buffer), location = boxAt(bytes, "iloc") + 22;
  const item = view.getUint32(location), end = item + view.getUint32(location + 4);
  let at = item; // Units have a type in bits 3 to 6, and here a length of less than 128 or 16,384.
  const next = () =>
    at + 2 + (bytes[at + 1] & 127) + (bytes[at + 1] >> 7) * (1 + bytes[at + 2] * 128);
  while ((bytes[at] >> 3 & 15) !== 6) at = next();
  assertEquals([next(), bytes.length], [end, end]);
  const frame = bytes.subarray(at, end);
  const longer = concat([bytes, ...Array.from({ length: times - 1 }, () => frame)]);
  moveItem(longer, 0, frame.length * (times - 1));
  new DataView(longer.buffer).setUint32(boxAt(longer, "mdat"), 0); // to the end
  return longer;
}

Deno.test("an item of more frames than an image has is refused before they are decoded", async () => {
  const bytes = read("8-420-full");
  assertEquals(await decodeImage(repeatFrame(bytes, 8)), await decodeImage(bytes));
  await assertRejects(() => decodeImage(repeatFrame(bytes, 9)), ImageDecodeError, "8 frames");
});

Deno.test("more tables than a picture can need are refused before they are read", async () => {
  const bytes = read("8-420-full");
  const meta = boxAt(bytes, "meta"), length = new DataView(bytes.buffer).getUint32(meta);
  const padded = (size: number) => {
    const free = new Uint8Array(size);
    new DataView(free.buffer).setUint32(0, size);
    free.set(new TextEncoder().encode("free"), 4);
    const all = concat([bytes.subarray(0, meta + length), free, bytes.subarray(meta + length)]);
    new DataView(all.buffer).setUint32(meta, length + size);
    moveItem(all, size, 0);
    return all;
  };
  assertEquals(await decodeImage(padded(100_000)), await decodeImage(bytes));
  await assertRejects(() => decodeImage(padded(300_000)), ImageDecodeError, "at most 262144");
});

Deno.test("more boxes than a picture can have are refused", async () => {
  const bytes = read("8-420-full");
  const free = Uint8Array.of(0, 0, 0, 8, ...new TextEncoder().encode("free"));
  const many = concat([bytes, ...Array.from({ length: 8200 }, () => free)]);
  await assertRejects(() => decodeImage(many), ImageDecodeError, "more than 8192 boxes");
});

Deno.test("a frame that is larger than the header says does not get the memory that it wants", async () => {
  const bytes = Deno.readFileSync(new URL("huge.avif", FOLDER));
  const ispe = boxAt(bytes, "ispe"), view = new DataView(bytes.buffer);
  assertEquals([view.getUint32(ispe + 12), view.getUint32(ispe + 16)], [8000, 4000]);
  view.setUint32(ispe + 12, 64);
  view.setUint32(ispe + 16, 64);
  await assertRejects(() => decodeImage(bytes), ImageDecodeError, "more pixels");
  // Nor would it where all pixels are decoded.
  const decoder = new Decoder("avif", AVIF_MODULE, 32e6);
  assertThrows(() => decoder.decode(bytes, 0, Infinity), ImageDecodeError, "color planes failed");
});

Deno.test("the parts of a picture are decoded up to its own pixels, not to what they say", () => {
  const bytes = read("grid"); // 128x128, of color and transparency in four tiles each
  const header = avif.readHeader(bytes);
  const decoder = () => new Decoder<DecoderExports>("avif", AVIF_MODULE, 64e6);
  const pixels = header.width * header.height, size = pixels * 4;
  const most = 2 * pixels;
  assertEquals(decoder().decode(bytes, size, most).length, size);
  assertThrows(
    () => decoder().decode(bytes, size, most - 1),
    ImageDecodeError,
    "its parts have more pixels than a picture of its size",
  );
});

/** The grid with each tile of its color replaced by a picture four times its size. */
function withLargerTiles(): Uint8Array {
  const grid = read("grid"), other = read("lossless"), at = boxAt(other, "iloc") + 22;
  const from = new DataView(other.buffer), start = from.getUint32(at);
  const item = other.subarray(start, start + from.getUint32(at + 4));
  const bytes = concat([grid, item]), view = new DataView(bytes.buffer);
  view.setUint32(boxAt(bytes, "mdat"), 0); // to the end
  // Items have a number, no reference, one extent, and where that is.
  for (let tile = 2; tile <= 5; tile++) {
    const entry = boxAt(bytes, "iloc") + 16 + (tile - 1) * 14;
    view.setUint32(entry + 6, grid.length);
    view.setUint32(entry + 10, item.length);
  }
  return bytes;
}

Deno.test("a tile that is larger than its place counts as what is decoded of it", () => {
  const bytes = withLargerTiles(), header = avif.readHeader(bytes);
  const decoder = () => new Decoder<DecoderExports>("avif", AVIF_MODULE, 64e6);
  const pixels = header.width * header.height, size = pixels * 4;
  // Four tiles as large as the picture, and then as many smaller ones of transparency.
  assertEquals(decoder().decode(bytes, size, 8 * pixels).length, size);
  assertThrows(
    () => decoder().decode(bytes, size, 4 * pixels - 1),
    ImageDecodeError,
    "more pixels",
  );
});

/** What is refused, with which error, and what that costs. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ImageDecodeError, ImageTooLargeError } from "../../lib/errors.ts";
import { crc32 } from "../../lib/image/codecs/codec.ts";
import { encodePng } from "../../lib/image/codecs/encode_png.ts";
import { decodeImage, holdDecoders } from "../../lib/image/decode.ts";
import { MAX_DECODERS, releasePixels } from "../../lib/image/image.ts";
import {
  deflate,
  FOLDER,
  headerOf,
  indexOf,
  patched,
  pngOf,
  read,
  text,
} from "../support/image_files.ts";

async function refusal(bytes: Uint8Array): Promise<ImageDecodeError> {
  return await assertRejects(() => decodeImage(bytes), ImageDecodeError);
}

Deno.test("decodeImage() refuses what is no image, and says what it is", async () => {
  const cases: [Uint8Array, string][] = [
    [new Uint8Array(0), "found an empty file"],
    [text("Dear Sir or Madam"), 'found text that starts with "Dear Sir or Mada"'],
    [Uint8Array.of(1, 2, 254), "found bytes that start with 01 02 fe"],
    [text("\0\0\0\x18ftypheic\0\0\0\0mif1heic"), "found HEIC, which is not decoded: convert it"],
    [text("\0\0\0\x18ftypisom\0\0\0\0mp41"), 'brand "isom"'],
    [text('<svg xmlns="http://www.w3.org/2000/svg"/>'), "found SVG"],
    [text('<?xml version="1.0"?>\n<!-- a drawing -->\n<svg width="1">'), "found SVG"],
    [text("<!DOCTYPE html><title>Not found</title>"), "found HTML"],
    [text("%PDF-1.7"), "found PDF"],
    [text("8BPS\0\x01"), "found Photoshop"],
  ];
  for (const [bytes, message] of cases) {
    assertStringIncludes((await refusal(bytes)).message, message);
  }
});

Deno.test("the last of the brands that a file is compatible with counts as the first does", async () => {
  const boxOf = (...brands: string[]): Uint8Array => {
    const file = new Uint8Array(16 + 4 * brands.length + 8);
    new DataView(file.buffer).setUint32(0, 16 + 4 * brands.length);
    file.set(text(`ftypmif1\0\0\0\0${brands.join("")}`), 4);
    // What follows the box is none of them.
    file.set(text("avifavif"), 16 + 4 * brands.length);
    return file;
  };
  assertStringIncludes((await refusal(boxOf("miaf", "heic"))).message, "found HEIC");
  assertStringIncludes((await refusal(boxOf("miaf", "MA1B", "avif"))).message, "decode the AVIF");
});

Deno.test("decodeImage() refuses a truncated file of each format, and names it", async () => {
  const files = {
    jpeg: "420.jpg",
    png: "type2-8bit.png",
    gif: "plain.gif",
    webp: "lossy.webp",
    avif: "420.avif",
    tiff: "lzw.tif",
    bmp: "24bit.bmp",
  };
  for (const [format, name] of Object.entries(files)) {
    const whole = read(name);
    for (const share of [0.1, 0.5, 0.9]) {
      const error = await refusal(whole.subarray(0, Math.ceil(whole.length * share)));
      assertEquals(error.format, format);
      assertStringIncludes(error.message, `Cannot decode the ${format.toUpperCase()}: `);
    }
  }
});

Deno.test("a truncated progressive JPEG is refused, though a preview could be shown", async () => {
  const whole = read("420-progressive.jpg");
  const error = await refusal(whole.subarray(0, Math.ceil(whole.length * 0.7)));
  assertStringIncludes(error.message, "truncated at byte");
});

Deno.test("the end of a thumbnail is not taken for the end of a truncated JPEG", async () => {
  const whole = read("thumbnail.jpg");
  const error = await refusal(whole.subarray(0, Math.ceil(whole.length * 0.9)));
  assertStringIncludes(error.message, "truncated at byte");
});

Deno.test("kinds of JPEG that are not decoded are refused by name", async () => {
  const frame = indexOf(read("420.jpg"), "\xff\xc0");
  const kind = read("420.jpg");
  kind[frame + 1] = 0xc9;
  assertStringIncludes((await refusal(kind)).message, "arithmetic-coded");
  const bits = read("420.jpg");
  bits[frame + 4] = 12;
  assertStringIncludes((await refusal(bits)).message, "expected samples of 8 bits, found 12");
});

Deno.test("a JPEG cannot hide its frame header behind a marker that has no segment", async () => {
  const whole = read("420.jpg");
  const hiding = Uint8Array.of(0xff, 0xd8, 0xff, 0xd0, ...whole.subarray(2));
  assertStringIncludes((await refusal(hiding)).message, "marker d0 at byte 2 is out of place");
});

Deno.test("a PNG chunk whose checksum does not match is refused by name and place", async () => {
  const bytes = read("type2-8bit.png");
  const at = indexOf(bytes, "IDAT") - 4;
  bytes[at + 40] ^= 1;
  const error = await refusal(bytes);
  assertStringIncludes(error.message, `chunk "IDAT" at byte ${at} is corrupt`);
});

Deno.test("a header that claims 60,000 x 60,000 pixels is refused in each format", async () => {
  const sof = indexOf(read("420.jpg"), "\xff\xc0");
  const ispe = indexOf(read("420.avif"), "ispe");
  const claims: Record<string, Uint8Array> = {
    jpeg: patched("420.jpg", sof + 5, "setUint16", [60000, 60000], false),
    png: pngOf(["IHDR", headerOf(60000, 60000)], ["IDAT", new Uint8Array(100)]),
    gif: patched("plain.gif", 6, "setUint16", [60000, 60000], true),
    webp: patched("lossy-alpha.webp", 24, "setUint32", [59999, 59999 << 8], true),
    avif: patched("420.avif", ispe + 8, "setUint32", [60000, 60000], false),
    bmp: patched("24bit.bmp", 18, "setUint32", [60000, 60000], true),
  };
  const tiff = read("rgb-little.tif");
  const directory = new DataView(tiff.buffer).getUint32(4, true);
  for (const entry of [0, 1]) { // ImageWidth and ImageLength come first
    new DataView(tiff.buffer).setUint16(directory + 2 + entry * 12 + 8, 60000, true);
  }
  claims.tiff = tiff;
  for (const [format, bytes] of Object.entries(claims)) {
    const error = await assertRejects(
      () => decodeImage(bytes),
      ImageTooLargeError,
      undefined,
      format,
    );
    assert(error.width === 60000 || error.height === 60000, `${format}: ${error.message}`);
    assertStringIncludes(error.message, "or raise maxPixels");
  }
});

Deno.test("maxPixels can be lowered, and a side is limited in any case", async () => {
  const bytes = read("type2-8bit.png"); // 45x31
  await decodeImage(bytes, { maxPixels: 45 * 31 });
  await assertRejects(() => decodeImage(bytes, { maxPixels: 45 * 31 - 1 }), ImageTooLargeError);
  const long = pngOf(["IHDR", headerOf(32769, 1)], ["IDAT", new Uint8Array(100)]);
  await assertRejects(() => decodeImage(long, { maxPixels: 1e9 }), ImageTooLargeError);
});

/** Decodes in a process of its own, where the peak of memory is this file's. */
async function costOf(
  warm: string,
  bytes: Uint8Array,
): Promise<{ outcome: string; bytes: number }> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, bytes);
    const script = new URL("../decode_cost.ts", FOLDER).pathname;
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", script, new URL(warm, FOLDER).pathname, path],
    }).output();
    assertEquals(new TextDecoder().decode(stderr), "");
    return JSON.parse(new TextDecoder().decode(stdout));
  } finally {
    await Deno.remove(path);
  }
}

const CLAIM = "ImageTooLargeError", DAMAGE = "ImageDecodeError";

async function bombs(): Promise<[string, string, Uint8Array, string][]> {
  const zeros = await deflate(new Uint8Array(100e6));
  const sof = indexOf(read("420.jpg"), "\xff\xc0") + 5;
  const gif = read("plain.gif");
  const frame = Uint8Array.of(0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0);
  const million = new Uint8Array(gif.length + 1e6 * frame.length);
  million.set(gif);
  for (let i = 0; i < 1e6; i++) million.set(frame, gif.length - 1 + i * frame.length);
  const png = (width: number, height: number, data: Uint8Array) =>
    pngOf(["IHDR", headerOf(width, height)], ["IDAT", data]);
  const jpeg = (side: number) => patched("420.jpg", sof, "setUint16", [side, side], false);
  const claim = patched("plain.gif", 6, "setUint16", [60000, 60000], true);
  return [
    ["a PNG of 60,000 x 60,000", "1x1.png", png(60000, 60000, zeros.subarray(0, 4000)), CLAIM],
    ["a JPEG of 60,000 x 60,000", "1x1.jpg", jpeg(60000), CLAIM],
    ["a GIF of 60,000 x 60,000", "plain.gif", claim, CLAIM],
    ["a PNG of 7,000 x 7,000", "1x1.png", png(7000, 7000, zeros.subarray(0, 4000)), DAMAGE],
    ["a JPEG of 7,000 x 7,000", "1x1.jpg", jpeg(7000), DAMAGE],
    ["a PNG that inflates to 100 MB", "1x1.png", png(9, 9, zeros), "9x9"],
    ["a GIF of a million frames", "plain.gif", million, "45x31"],
  ];
}

for (const [name, warm, bytes, outcome] of await bombs()) {
  Deno.test({
    name: `a bomb costs less than 50 MB: ${name}`,
    ignore: Deno.build.os !== "linux", // whose peak of memory is read
    async fn() {
      const cost = await costOf(warm, bytes);
      assertEquals(cost.outcome, outcome);
      assert(cost.bytes < 50e6, `it costs ${cost.bytes} bytes`);
    },
  });
}

Deno.test({
  name: "a PNG of 49 million gray pixels costs the picture, and little more",
  ignore: Deno.build.os !== "linux", // whose peak of memory is read
  async fn() {
    const header = headerOf(7000, 7000);
    header[9] = 0; // gray
    const rows = await deflate(new Uint8Array(7001 * 7000));
    const cost = await costOf("1x1.png", pngOf(["IHDR", header], ["IDAT", rows]));
    assertEquals(cost.outcome, "7000x7000");
    assert(cost.bytes < 7000 * 7000 * 3 + 60e6, `it costs ${cost.bytes} bytes`);
  },
});

Deno.test("a large PNG of which less is needed is decoded at a fraction, by the mean of squares", async () => {
  const width = 2048, height = 2064;
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 2654435761) >>> 24);
  const bytes = await encodePng({ data, width, height });
  for (const [shorterSide, side] of [[102, 8], [204, 4], [409, 2], [410, 1]]) {
    const reduced = await decodeImage(bytes, { shorterSide });
    assertEquals([reduced.width, reduced.height], [width / side, height / side]);
    for (const at of [0, 3 * 71 + 1, reduced.data.length - 1]) {
      const x = Math.floor(at / 3) % reduced.width, y = Math.floor(at / 3 / reduced.width);
      let sum = 0;
      for (let k = 0; k < side * side; k++) {
        const row = y * side + Math.floor(k / side), column = x * side + k % side;
        sum += data[(row * width + column) * 3 + at % 3];
      }
      assertEquals(reduced.data[at], Math.floor(sum / side / side + 0.5), `${side}, ${at}`);
    }
  }
  const small = await decodeImage(bytes, {
    shorterSide: 102,
    reduceFromPixels: width * height + 1,
  });
  assertEquals(small.width, width);
});

Deno.test("a damaged image leaves the decoder of its format sound", async () => {
  for (const name of ["420.jpg", "plain.gif", "lossy.webp", "420.avif", "lzw.tif"]) {
    const before = await decodeImage(read(name));
    let refused = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const bytes = read(name);
      for (let i = 0; i < 30; i++) {
        bytes[20 + (seed * 7919 + i * 104729) % (bytes.length - 20)] ^= 0x5a;
      }
      await decodeImage(bytes).catch((error) => {
        assert(
          error instanceof ImageDecodeError || error instanceof ImageTooLargeError,
          `${error}`,
        );
        refused++;
      });
    }
    assert(refused > 0, `${name}: nothing was refused`);
    assertEquals((await decodeImage(read(name))).data, before.data, name);
  }
});

Deno.test("decodeImage() gives up with the reason of its signal", async () => {
  const bytes = read("420.avif");
  const reason = new Error("the client left");
  const aborted = AbortSignal.abort(reason);
  assertEquals(await assertRejects(() => decodeImage(bytes, { signal: aborted })), reason);
  const controller = new AbortController();
  const decoding = decodeImage(bytes, { signal: controller.signal });
  controller.abort(reason);
  assertEquals(await assertRejects(() => decoding), reason);
});

Deno.test("bytes that lie inside of a larger buffer decode the same", async () => {
  for (
    const name of ["420.jpg", "type2-8bit.png", "plain.gif", "lossy.webp", "420.avif", "lzw.tif"]
  ) {
    const file = read(name);
    const buffer = new Uint8Array(file.length + 77);
    buffer.fill(0xff);
    buffer.set(file, 33);
    const inside = await decodeImage(buffer.subarray(33, 33 + file.length));
    assertEquals(inside.data, (await decodeImage(file)).data, name);
  }
});

Deno.test("decoding in the background gives the same images and the same errors", async () => {
  const background = { background: true };
  for (const name of ["420.jpg", "type2-8bit.png", "plain.gif", "lossy.webp", "420.avif"]) {
    const expected = await decodeImage(read(name));
    const bytes = read(name);
    assertEquals(await decodeImage(bytes, background), expected, name);
    assertEquals(bytes, read(name)); // not handed over
  }
  const many = await Promise.all([..."1234"].map(() => decodeImage(read("420.jpg"), background)));
  assertEquals(new Set(many.map(({ data }) => crc32(data))).size, 1);
  const damaged = read("420.jpg").subarray(0, 300);
  const here = await assertRejects(() => decodeImage(damaged), ImageDecodeError);
  const there = await assertRejects(() => decodeImage(damaged, background), ImageDecodeError);
  assertEquals([there.message, there.format], [here.message, here.format]);
  const small = { ...background, maxPixels: 10 };
  const error = await assertRejects(() => decodeImage(read("420.jpg"), small), ImageTooLargeError);
  assertEquals([error.width, error.height], [45, 31]);
});

Deno.test("aborting ends decoding in the background, and the next image decodes", async () => {
  const reason = new Error("the client left");
  const controller = new AbortController();
  const options = { background: true, signal: controller.signal };
  const running = decodeImage(read("420.avif"), options);
  const waiting = decodeImage(read("420.jpg"), options);
  const other = decodeImage(read("420.jpg"), { background: true });
  controller.abort(reason);
  // Whichever is told first.
  const told = await Promise.all([running, waiting].map((one) => assertRejects(() => one)));
  assertEquals(told, [reason, reason]);
  assertEquals(await other, await decodeImage(read("420.jpg")));
});

Deno.test("who waits for a place to decode is told of an abort before a place is free", async () => {
  const reason = new Error("the client left");
  for (const name of ["420.jpg", "420.avif"]) await decodeImage(read(name)); // Codecs are here then.
  for (const background of [1e9, true]) {
    const order: string[] = [];
    const busy = Array.from({ length: MAX_DECODERS }, async () => {
      await decodeImage(read("420.avif"), { background: true });
      order.push("decoded");
    });
    const controller = new AbortController(), { signal } = controller;
    const waiting = assertRejects(() => decodeImage(read("420.jpg"), { background, signal }))
      .then((error: unknown) => order.push(error === reason ? "given up" : String(error)));
    await new Promise((resolve) => setTimeout(resolve, 0)); // It is in the line.
    controller.abort(reason);
    await Promise.all([...busy, waiting]);
    assertEquals(order, ["given up", ...busy.map(() => "decoded")], String(background));
  }
});

Deno.test("an abort in the middle of decoding is told, here and of a thread", async () => {
  const reason = new Error("the client left"), side = 1024;
  const data = Uint8Array.from({ length: side * side * 3 }, (_, i) => Math.imul(i, i) >> 8);
  const large = await encodePng({ data, width: side, height: side });
  await using _held = holdDecoders();
  await decodeImage(large, { background: true }); // From now on a thread is here.
  const away = new AbortController();
  const decoding = decodeImage(large, { background: true, signal: away.signal });
  await new Promise((resolve) => setTimeout(resolve, 0)); // The thread was asked.
  away.abort(reason);
  assertEquals(await assertRejects(() => decoding), reason);

  const here = new AbortController(), Original = globalThis.DecompressionStream;
  globalThis.DecompressionStream = class extends Original {
    constructor(format: CompressionFormat) {
      super(format);
      here.abort(reason);
    }
  };
  try {
    const decoded = decodeImage(large, { background: false, signal: here.signal });
    assertEquals(await assertRejects(() => decoded), reason);
  } finally {
    globalThis.DecompressionStream = Original;
  }
});

Deno.test("a format that is not among the allowed ones is refused before its decoder is asked", async () => {
  // Damaged headers: their codecs would say so.
  for (
    const [format, start] of [["jpeg", "\xff\xd8\xff"], ["webp", "RIFF....WEBP"], ["bmp", "BM"]]
  ) {
    const bytes = Uint8Array.from(start, (char) => char.charCodeAt(0));
    const error = await assertRejects(
      () => decodeImage(bytes, { formats: ["png", "gif"] }),
      ImageDecodeError,
      `Expected png or gif, found ${format}, which is not taken here`,
    );
    assertEquals([error.code, error.format], ["image-format", format]);
  }
  assertEquals((await decodeImage(read("gamma.png"), { formats: ["png", "gif"] })).width > 0, true);
});

Deno.test("releasePixels() frees a picture's own buffer, and none that others use", () => {
  const own = { data: new Uint8Array(12), width: 2, height: 2 };
  releasePixels(own);
  assertEquals(own.data.byteLength, 0);
  const buffer = new ArrayBuffer(20);
  releasePixels({ data: new Uint8Array(buffer, 8), width: 2, height: 2 });
  assertEquals(buffer.detached, false);
});

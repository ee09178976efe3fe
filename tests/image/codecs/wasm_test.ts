/** What the compiled decoders are, can reach, and may take. */

import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertInstanceOf,
  assertLess,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { ImageDecodeError } from "../../../lib/errors.ts";
import {
  compile,
  Decoder,
  type DecoderExports,
  type Packed,
} from "../../../lib/image/codecs/wasm/decoder.ts";
import { decodeImage } from "../../../lib/image/decode.ts";
import { IMAGE_FORMATS } from "../../../lib/options.ts";

const WASM = new URL("../../../lib/image/codecs/wasm/", import.meta.url);
const FILES = new URL("../../fixtures/images/files/", import.meta.url);
const HOSTILE = new URL("../../fixtures/hostile/", import.meta.url);

/** The oldest version of each library, as 0xMMmmrr, without a known fault that a file can reach. */
const OLDEST_SAFE: Readonly<Record<string, readonly [version: number, why: string]>> = {
  jpeg: [
    0x030000,
    "2.x is not maintained, and over-reads when smoothing before 2.1 (CVE-2021-29390)",
  ],
  avif: [0x010300, "libavif: integer overflows (CVE-2025-48174, CVE-2025-48175), before 1.3.0"],
  webp: [0x010302, "CVE-2023-4863: a Huffman table written past its end, before 1.3.2"],
};

const modules: [name: string, module: WebAssembly.Module, length: number][] = [];
const moduleOf = (name: string): WebAssembly.Module =>
  modules.find(([codec]) => codec === name)![1];

for await (const { name } of Deno.readDir(WASM)) {
  const codec = name.match(/^(\w+)_binary\.ts$/)?.[1];
  if (codec === undefined || codec === "gif") continue; // GIF's is imagescript's, and has no such exports.
  const binary: Record<string, Packed> = await import(new URL(name, WASM).href);
  const packed = binary[codec.toUpperCase()]!;
  modules.push([codec, await compile(packed), packed.length]);
}

Deno.test("every compiled decoder has its oldest safe version in the table", () => {
  assertEquals(modules.map(([name]) => name).sort(), Object.keys(OLDEST_SAFE).sort());
});

for (const [name, module] of modules) {
  Deno.test(`the ${name} decoder imports its memory and nothing else`, () => {
    assertEquals(WebAssembly.Module.imports(module), [
      { module: "env", name: "memory", kind: "memory" },
    ]);
  });

  Deno.test(`the ${name} decoder is no known-bad version`, () => {
    const found = new Decoder(name as "webp", module, 0).exports.version();
    const [oldest, why] = OLDEST_SAFE[name];
    assertGreaterOrEqual(found, oldest, why);
  });

  Deno.test(`the ${name} decoder allocates within its bound and is refused above it`, () => {
    const { exports } = new Decoder(name as "webp", module, 16e6);
    assert(exports.allocate(15e6) !== 0);
    assertEquals(exports.allocate(15e6), 0);
  });

  Deno.test(`the ${name} decoder gives nothing twice, also at the end of all memory`, () => {
    const { exports } = new Decoder(name as "webp", module, 2 ** 33);
    // Untouched, these gigabytes are none of the machine's.
    for (const size of [1e9, 1e6, 1e3, 16]) {
      let count = 0;
      while (exports.allocate(size) !== 0) assert(++count * size < 2 ** 32, "given twice");
    }
  });
}

Deno.test("the GIF decoder imports one function, which is given nothing to reach", async () => {
  // @ts-ignore TypeScript does not parse source phase imports yet.
  const gif: WebAssembly.Module = await import.source("imagescript/wasm/any/gif.wasm");
  assertEquals(WebAssembly.Module.imports(gif), [
    { module: "env", name: "push_to_stream", kind: "function" },
  ]);
});

Deno.test("the documentation has every format, with the versions and sizes of the compiled decoders", async () => {
  const page = await Deno.readTextFile(new URL("../../../docs/decoders.md", import.meta.url));
  const [, table] = page.match(/^\| format \| decoder [^\n]*\n(.*?)\n\n/ms)!;
  const rows = new Map(
    table.split("\n").map((row) => [row.split("|")[1].trim().toLowerCase(), row]),
  );
  for (const format of IMAGE_FORMATS) assert(rows.has(format), format);
  for (const [name, module, length] of modules) {
    const { version } = new Decoder(name as "webp", module, 0).exports;
    const numbers = [version() >> 16, version() >> 8 & 255, version() & 255].join(".");
    const size = `${Math.round(length / 1000)} kB`;
    for (const text of [numbers, size]) assertStringIncludes(rows.get(name)!, text, name);
  }
});

Deno.test("the avif decoder has no known-bad dav1d", () => {
  const { exports } = new Decoder<DecoderExports & { dav1d(): number }>(
    "avif",
    moduleOf("avif"),
    0,
  );
  assertGreaterOrEqual(exports.dav1d(), 0x010400, "CVE-2024-1580: an overflow, before 1.4.0");
});

const read = (name: string): Uint8Array => Deno.readFileSync(new URL(name, FILES));

/** Where a JPEG's frame header says its height; the width is two bytes further. */
function heightOf(jpeg: Uint8Array): number {
  return jpeg.findIndex((byte, i) => byte === 0xff && [0xc0, 0xc2].includes(jpeg[i + 1])) + 5;
}

Deno.test("what libjpeg finds wrong is said in its words, with its numbers", async () => {
  const bytes = read("420.jpg");
  const table = bytes.findIndex((byte, i) => byte === 0xff && bytes[i + 1] === 0xda) + 6;
  bytes[table] = 0x33; // Of four Huffman tables each, the first component now wants the last.
  const error = await assertRejects(
    () => decodeImage(bytes),
    ImageDecodeError,
    "Cannot decode the JPEG: Huffman table 0x3 was not defined",
  );
  assertInstanceOf(error.cause, WebAssembly.RuntimeError);
});

Deno.test("a JPEG whose size is a lie is refused by the memory that its true size would take", () => {
  const bytes = read("420-progressive.jpg");
  const decoder = new Decoder("jpeg", moduleOf("jpeg"), 1e6);
  new DataView(bytes.buffer).setUint16(heightOf(bytes), 30_000);
  new DataView(bytes.buffer).setUint16(heightOf(bytes) + 2, 30_000);
  assertThrows(
    () => decoder.decode(bytes, 0, 30_000, 30_000, 1, 0),
    ImageDecodeError,
    "Cannot decode the JPEG: Insufficient memory",
  );
});

Deno.test("a compiled decoder gets memory in proportion to its picture, and no more", async () => {
  const { Memory } = WebAssembly;
  const pages: number[] = [];
  WebAssembly.Memory = class extends Memory {
    constructor(descriptor: WebAssembly.MemoryDescriptor) {
      super(descriptor);
      pages.push(descriptor.maximum ?? Infinity);
    }
  };
  try {
    const names = [
      "420.jpg",
      "420-progressive.jpg",
      "cmyk.jpg",
      "lossy.webp",
      "lossless.webp",
      "420.avif",
    ];
    for (const name of names) await decodeImage(read(name), { background: false });
    assertEquals(pages.length, names.length);
  } finally {
    WebAssembly.Memory = Memory;
  }
  // Of a picture of a thousand pixels all but what the decoder itself needs is next to nothing.
  for (const most of pages) assertLess(most * 65_536, 70e6);
});

Deno.test("a size of more bytes than can be counted is refused, not wrapped around", () => {
  const bytes = read("cmyk.jpg");
  new DataView(bytes.buffer).setUint16(heightOf(bytes), 0x8000);
  new DataView(bytes.buffer).setUint16(heightOf(bytes) + 2, 0x8000);
  const decoder = new Decoder("jpeg", moduleOf("jpeg"), 2 ** 32);
  assertThrows(
    () => decoder.decode(bytes, 0, 0x8000, 0x8000, 1, 1),
    ImageDecodeError,
    "Cannot decode the JPEG: Insufficient memory",
  );
});

for (const format of ["jpeg", "webp"] as const) {
  Deno.test(`the ${format} decoder gives nothing for another size than it is asked for`, () => {
    const bytes = read(format === "jpeg" ? "420.jpg" : "lossy.webp");
    const decoder = new Decoder(format, moduleOf(format), 64e6);
    assertThrows(() => decoder.decode(bytes, 64, 4, 4, 1, 0), ImageDecodeError);
  });
}

Deno.test("Huffman codes whose table is too large for libwebp's are refused", async () => {
  const bytes = await Deno.readFile(new URL("huffman_table_414.webp", HOSTILE));
  await assertRejects(() => decodeImage(bytes), ImageDecodeError, "damaged");
});

Deno.test("Huffman codes whose table just fits decode", async () => {
  const bytes = await Deno.readFile(new URL("huffman_table_410.webp", HOSTILE));
  const { width, height } = await decodeImage(bytes);
  assertEquals([width, height], [1, 1]);
});

/**
 * `allocate` grows the memory by 33,100 pages and gives 0x81000000, `decode` what it was given:
 * `(func (export "allocate") (param i32) (result i32) i32.const 33100 memory.grow drop i32.const …)`.
 */
const HIGH =
  "AGFzbQEAAAABDwNgAABgAX8Bf2ACf38BfwISAQNlbnYGbWVtb3J5AgEBgIAEAwQDAAECByMDC19pbml0aWFs" +
  "aXplAAAIYWxsb2NhdGUAAQZkZWNvZGUAAgoZAwIACw8AQcyCAkAAGkGAgICIeAsEACAACw==";

Deno.test("what lies above two gigabytes of a decoder's memory is read there", () => {
  const decoder = new Decoder("jpeg", new WebAssembly.Module(Uint8Array.fromBase64(HIGH)), 2 ** 32);
  const bytes = Uint8Array.of(1, 2, 3);
  assertEquals(decoder.decode(bytes, 3), bytes);
});

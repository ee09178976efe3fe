/** What the compiled decoders are, can reach, and may take. */

import { assert, assertEquals, assertGreaterOrEqual, assertRejects } from "@std/assert";
import { ImageDecodeError } from "../../../lib/errors.ts";
import { AVIF } from "../../../lib/image/codecs/wasm/avif_binary.ts";
import { compile, Decoder, type DecoderExports } from "../../../lib/image/codecs/wasm/decoder.ts";
import { decodeImage } from "../../../lib/image/decode.ts";

const WASM = new URL("../../../lib/image/codecs/wasm/", import.meta.url);
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

const modules: [name: string, base64: string][] = [];
for await (const { name } of Deno.readDir(WASM)) {
  const codec = name.match(/^(\w+)_binary\.ts$/)?.[1];
  if (codec === undefined) continue;
  const binary: Record<string, string> = await import(new URL(name, WASM).href);
  modules.push([codec, binary[codec.toUpperCase()]]);
}

Deno.test("every compiled decoder has its oldest safe version in the table", () => {
  assertEquals(modules.map(([name]) => name).sort(), Object.keys(OLDEST_SAFE).sort());
});

for (const [name, base64] of modules) {
  const module = compile(base64);

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
}

Deno.test("the avif decoder has no known-bad dav1d", () => {
  const { exports } = new Decoder<DecoderExports & { dav1d(): number }>("avif", compile(AVIF), 0);
  assertGreaterOrEqual(exports.dav1d(), 0x010400, "CVE-2024-1580: an overflow, before 1.4.0");
});

Deno.test("Huffman codes whose table is too large for libwebp's are refused", async () => {
  const bytes = await Deno.readFile(new URL("huffman_table_414.webp", HOSTILE));
  await assertRejects(() => decodeImage(bytes), ImageDecodeError, "damaged");
});

Deno.test("Huffman codes whose table just fits decode", async () => {
  const bytes = await Deno.readFile(new URL("huffman_table_410.webp", HOSTILE));
  const { width, height } = await decodeImage(bytes);
  assertEquals([width, height], [1, 1]);
});

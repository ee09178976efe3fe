/**
 * Every file of the corpus against Pillow's decode of it (tests/fixtures/images/make.py).
 *
 * Lossless formats must be equal. So must JPEG and lossy WebP, since the decoders are the same
 * libraries as Pillow's. AVIF's YUV turns into RGB in floats: one level for their rounding.
 */

import { assert, assertEquals } from "@std/assert";
import { decodeImage } from "../../lib/image/decode.ts";

const FOLDER = new URL("../fixtures/images/", import.meta.url);

interface Expected {
  width: number;
  height: number;
  /** Largest difference allowed, in gray levels. */
  tolerance: number;
  /** Where the reference starts. */
  offset: number;
}

const expected: Record<string, Expected> = JSON.parse(
  await Deno.readTextFile(new URL("expected.json", FOLDER)),
);
const references = await gunzip(new URL("expected.rgb.gz", FOLDER));

async function gunzip(url: URL): Promise<Uint8Array> {
  using file = await Deno.open(url);
  const stream = file.readable.pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

Deno.test("the corpus has a reference for every file", async () => {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(new URL("files/", FOLDER))) names.push(name);
  assertEquals(names.sort(), Object.keys(expected).sort());
});

for (const [name, { width, height, tolerance, offset }] of Object.entries(expected)) {
  Deno.test(`${name} decodes as in Pillow, within ${tolerance} gray levels`, async () => {
    const image = await decodeImage(await Deno.readFile(new URL(`files/${name}`, FOLDER)));
    assertEquals([image.width, image.height], [width, height]);
    const reference = references.subarray(offset, offset + width * height * 3);
    assertEquals(image.data.length, reference.length);
    let largest = 0;
    for (let i = 0; i < reference.length; i++) {
      largest = Math.max(largest, Math.abs(image.data[i] - reference[i]));
    }
    assert(largest <= tolerance, `the largest difference is ${largest}`);
  });
}

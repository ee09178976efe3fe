/** PNGs of few pixels, written by hand: what the specification (ISO/IEC 15948) says of each sample. */

import { assertEquals, assertRejects } from "@std/assert";
import { concat } from "@std/bytes/concat";
import { ImageDecodeError } from "../../../lib/errors.ts";
import { crc32 } from "../../../lib/image/codecs/codec.ts";
import { decodeImage } from "../../../lib/image/decode.ts";

function chunk(type: string, data: readonly number[] | Uint8Array): Uint8Array {
  const bytes = Uint8Array.from([
    0,
    0,
    0,
    0,
    ...new TextEncoder().encode(type),
    ...data,
    0,
    0,
    0,
    0,
  ]);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

/** A file of one row, of which `row` has the bytes. */
async function oneRow(
  { width, depth, type, more = [] }: {
    readonly width: number;
    readonly depth: number;
    readonly type: number;
    readonly more?: readonly Uint8Array[];
  },
  row: readonly number[],
): Promise<Uint8Array> {
  const stream = new Blob([Uint8Array.from([0, ...row])]).stream()
    .pipeThrough(new CompressionStream("deflate"));
  return concat([
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10),
    chunk("IHDR", [0, 0, 0, width, 0, 0, 0, 1, depth, type, 0, 0, 0]),
    ...more,
    chunk("IDAT", new Uint8Array(await new Response(stream).arrayBuffer())),
    chunk("IEND", []),
  ]);
}

async function pixels(...args: Parameters<typeof oneRow>): Promise<number[]> {
  return [...(await decodeImage(await oneRow(...args))).data];
}

Deno.test("a transparent color of 16 bits is compared by both bytes of each sample", async () => {
  // The second differs in the low byte of a sample, the third in the high one.
  const gray = { width: 3, depth: 16, type: 0, more: [chunk("tRNS", [0x12, 0x34])] };
  assertEquals(
    await pixels(gray, [0x12, 0x34, 0x12, 0x35, 0x13, 0x34]),
    [255, 255, 255, 0x12, 0x12, 0x12, 0x13, 0x13, 0x13],
  );
  const key = [1, 2, 3, 4, 5, 6], rgb = { ...gray, type: 2, more: [chunk("tRNS", key)] };
  assertEquals(
    await pixels(rgb, [...key, ...[1, 2, 3, 4, 5, 7], ...[1, 2, 9, 4, 5, 6]]),
    [255, 255, 255, 1, 3, 5, 1, 9, 5],
  );
});

Deno.test("a transparent color of fewer bits is compared as samples, whatever lies above them", async () => {
  const key = [chunk("tRNS", [0xff, 0xf2])];
  assertEquals(
    await pixels({ width: 4, depth: 2, type: 0, more: key }, [0b00_01_10_11]),
    [0, 0, 0, 85, 85, 85, 255, 255, 255, 255, 255, 255],
  );
  const rgb = [chunk("tRNS", [0, 7, 0, 8, 0, 9])];
  assertEquals(
    await pixels({ width: 2, depth: 8, type: 2, more: rgb }, [7, 8, 9, 7, 8, 10]),
    [255, 255, 255, 7, 8, 10],
  );
  const short = await oneRow({ width: 1, depth: 8, type: 2, more: [chunk("tRNS", [0, 7])] }, [
    ...[7, 8, 9],
  ]);
  await assertRejects(() => decodeImage(short), ImageDecodeError, "tRNS chunk is too short");
});

Deno.test("samples of 16 bits are shown by their high byte, over white by their alpha", async () => {
  const grays = [0x40, 0xff, 0xff, 0x00, 0x40, 0, 0, 0xff];
  assertEquals(
    await pixels({ width: 2, depth: 16, type: 4 }, grays),
    [0x40, 0x40, 0x40, 255, 255, 255],
  );
  const colors = [1, 99, 2, 99, 3, 99, 255, 99];
  assertEquals(await pixels({ width: 1, depth: 16, type: 6 }, colors), [1, 2, 3]);
});

Deno.test("depths that a type of color does not have are refused, and others are not", async () => {
  const allowed: Record<number, number[]> = {
    0: [1, 2, 4, 8, 16],
    2: [8, 16],
    3: [1, 2, 4, 8],
    4: [8, 16],
    6: [8, 16],
  };
  const samples: Record<number, number> = { 0: 1, 1: 1, 2: 3, 3: 1, 4: 2, 5: 1, 6: 4, 7: 1 };
  for (let type = 0; type < 8; type++) {
    for (const depth of [0, 1, 2, 3, 4, 5, 8, 9, 15, 16, 17, 32]) {
      const row = new Array(Math.ceil(depth * samples[type]! / 8)).fill(0);
      const more = [chunk("PLTE", [0, 0, 0])];
      const file = await oneRow({ width: 1, depth, type, more }, row);
      if (allowed[type]?.includes(depth)) {
        assertEquals((await decodeImage(file)).width, 1, `type ${type}, depth ${depth}`);
      } else {
        const said = `color type ${type} with ${depth} bits does not exist`;
        await assertRejects(() => decodeImage(file), ImageDecodeError, said);
      }
    }
  }
});

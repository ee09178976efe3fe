import { assertEquals } from "@std/assert";
import { decodeImage } from "../../../lib/image/decode.ts";

/** A bitmap of runs of two colors a byte; color `i` of its palette has this red, green and blue. */
const color = (i: number): number[] => [255 - i, i, 16 * i];

function runsOf(width: number, height: number, runs: readonly number[]): Uint8Array {
  const start = 14 + 40 + 16 * 4;
  const bytes = new Uint8Array(start + runs.length), view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("BM"));
  view.setUint32(2, bytes.length, true);
  view.setUint32(10, start, true);
  view.setUint32(14, 40, true);
  view.setInt32(18, width, true);
  view.setInt32(22, height, true);
  view.setUint16(26, 1, true);
  view.setUint16(28, 4, true);
  view.setUint32(30, 2, true); // BI_RLE4
  for (let i = 0; i < 16; i++) bytes.set(color(i).toReversed(), 54 + 4 * i);
  bytes.set(runs, start);
  return bytes;
}

Deno.test("runs of two colors a byte decode as the format's documentation has it", async () => {
  // https://learn.microsoft.com/windows/win32/gdi/bitmap-compression: "The following example shows … a 4-bit
  // compressed bitmap".
  const runs = [
    ...[0x03, 0x04, 0x05, 0x06, 0x00, 0x06, 0x45, 0x56, 0x67, 0x00, 0x04, 0x78],
    ...[0x00, 0x02, 0x05, 0x01, 0x04, 0x78, 0x00, 0x00, 0x09, 0x1e, 0x00, 0x01],
  ];
  const rows = [
    [0, 4, 0, 0, 6, 0, 6, 0, 4, 5, 5, 6, 6, 7, 7, 8, 7, 8],
    [...Array(23).fill(0), 7, 8, 7, 8], // Five to the right, and one down.
    [1, 14, 1, 14, 1, 14, 1, 14, 1],
  ];
  const width = 27, height = rows.length;
  const { data } = await decodeImage(runsOf(width, height, runs));
  const expected = rows.toReversed().flatMap((row) =>
    Array.from({ length: width }, (_, x) => color(row[x] ?? 0)).flat()
  );
  assertEquals([...data], expected);
});

Deno.test("an odd number of colors one by one ends within a byte, and at an even one", async () => {
  const runs = [0, 5, 0x12, 0x34, 0x50, 0, 0, 3, 0xab, 0xc0, 2, 0x6f, 0, 1];
  const { data } = await decodeImage(runsOf(10, 1, runs));
  const expected = [1, 2, 3, 4, 5, 10, 11, 12, 6, 15];
  assertEquals([...data], expected.flatMap(color));
});

import { assertEquals, assertThrows } from "@std/assert";
import { decodePng } from "../lib/image/png.ts";
import { encodePng } from "../lib/image/encode_png.ts";
import { randomBatch } from "./random_model.ts";

for (const channels of [1, 3] as const) {
  Deno.test(`encodePng() writes ${channels} channel(s) that decode to the same bytes`, () => {
    const noise = randomBatch(1, 9, 13, channels).data;
    const smooth = Uint8Array.from(noise, (_, i) => (i * 3) & 255);
    for (const data of [noise, smooth]) {
      const decoded = decodePng(encodePng({ data, width: 13, height: 9, channels }));
      assertEquals(decoded, { data, width: 13, height: 9, channels });
    }
  });
}

Deno.test("encodePng() refuses data that are not as long as the size says", () => {
  assertThrows(() => encodePng({ data: new Uint8Array(5), width: 2, height: 1 }), RangeError);
});

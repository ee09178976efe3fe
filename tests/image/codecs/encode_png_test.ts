import { assertEquals, assertRejects } from "@std/assert";
import { decodeImage } from "../../../lib/image/decode.ts";
import { encodePng } from "../../../lib/image/codecs/encode_png.ts";
import { randomBatch } from "../../support/random_model.ts";

for (const channels of [1, 3] as const) {
  Deno.test(`encodePng() writes ${channels} channel(s) that decode to the same bytes`, async () => {
    const noise = randomBatch(1, 9, 13, channels).data;
    const smooth = Uint8Array.from(noise, (_, i) => (i * 3) & 255);
    for (const data of [noise, smooth]) {
      const decoded = await decodeImage(await encodePng({ data, width: 13, height: 9 }));
      // What is decoded is always RGB: a gray level comes three times.
      const expected = Uint8Array.from(
        { length: 9 * 13 * 3 },
        (_, i) => data[channels === 3 ? i : Math.floor(i / 3)],
      );
      assertEquals(decoded, { data: expected, width: 13, height: 9 });
    }
  });
}

Deno.test("encodePng() refuses data that are not as long as the size says", async () => {
  await assertRejects(
    () => encodePng({ data: new Uint8Array(5), width: 2, height: 1 }),
    RangeError,
  );
  const path = () => encodePng("cat.png" as never);
  await assertRejects(path, TypeError, "as `await readImage()` gives them: found [object String]");
});

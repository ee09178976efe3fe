import { assertEquals } from "@std/assert";
import { encodePng } from "../../lib/image/codecs/encode_png.ts";
import { decodeImage } from "../../lib/image/decode.ts";
import { figureRow, thumbnailUrl } from "../../lib/report/figures.ts";

const picture = (width: number, height: number, byte = 200) =>
  encodePng({ data: new Uint8Array(width * height * 3).fill(byte), width, height });

async function sizeOf(width: number, height: number): Promise<[number, number]> {
  const url = await thumbnailUrl(() => picture(width, height), {});
  const shown = await decodeImage(
    Uint8Array.fromBase64(url!.replace(/^data:image\/png;base64,/, "")),
  );
  return [shown.width, shown.height];
}

Deno.test("a thumbnail has 96 rows, or 192 columns where the picture is wider than twice its height", async () => {
  assertEquals(await sizeOf(300, 200), [144, 96]);
  assertEquals(await sizeOf(200, 400), [48, 96]);
  assertEquals(await sizeOf(800, 200), [192, 48]);
  assertEquals(await sizeOf(400, 200), [192, 96]);
  // Small ones are enlarged, and no side is less than a pixel.
  assertEquals(await sizeOf(48, 48), [96, 96]);
  assertEquals(await sizeOf(1000, 1), [192, 1]);
});

Deno.test("a thumbnail's colors have five bits", async () => {
  for (const [byte, shown] of [[0, 0], [255, 255], [200, 197], [4, 0], [5, 8]] as const) {
    const url = await thumbnailUrl(() => picture(96, 96, byte), {});
    const { data } = await decodeImage(Uint8Array.fromBase64(url!.split(",")[1]!));
    assertEquals([...new Set(data)], [shown], `${byte}`);
  }
});

Deno.test("a picture that cannot be read is named in its place", async () => {
  const open = () => Promise.reject(new Error("gone"));
  const row = await figureRow([{ file: "a<b.png", open, caption: "<b>cat</b>" }]);
  assertEquals(
    row,
    '<div class="row"><figure>a&lt;b.png<figcaption><b>cat</b></figcaption></figure></div>',
  );
});

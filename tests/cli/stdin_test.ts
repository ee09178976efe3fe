import { assertEquals } from "@std/assert";
import { concat } from "@std/bytes/concat";
import { hasSecond } from "../../lib/cli/stdin.ts";

const read = (name: string): Promise<Uint8Array> =>
  Deno.readFile(new URL(`../data/photos/${name}`, import.meta.url));
const PNG = await read("cat.png"), JPEG = await read("boats.jpg");
const MPF = new TextEncoder().encode("MPF\0");

/** A JPEG with a segment behind its first marker, as cameras put them there. */
function withSegment(jpeg: Uint8Array, body: Uint8Array): Uint8Array {
  const size = body.length + 2, head = Uint8Array.of(0xff, 0xe2, size >> 8, size & 255);
  return concat([jpeg.subarray(0, 2), head, body, jpeg.subarray(2)]);
}

Deno.test("hasSecond() finds a picture behind another, of any kind", () => {
  for (const first of [PNG, JPEG]) {
    assertEquals(hasSecond(first), false);
    for (const second of [PNG, JPEG]) assertEquals(hasSecond(concat([first, second])), true);
  }
});

Deno.test("hasSecond() takes what follows for no picture unless it begins as one", () => {
  const rest = [
    new Uint8Array(1000),
    new TextEncoder().encode("and a note\n"),
    Uint8Array.of(0xff),
  ];
  for (const first of [PNG, JPEG]) {
    for (const more of rest) assertEquals(hasSecond(concat([first, more])), false);
  }
  assertEquals(hasSecond(concat([new TextEncoder().encode("GIF89a"), PNG])), false);
});

Deno.test("hasSecond() takes the pictures of a camera's file for one, and a thumbnail, too", () => {
  assertEquals(hasSecond(concat([withSegment(JPEG, MPF), JPEG])), false);
  assertEquals(hasSecond(withSegment(JPEG, concat([MPF, JPEG.subarray(0, 500)]))), false);
  // A marker that is no end stands in the midst of a thumbnail.
  assertEquals(hasSecond(withSegment(JPEG, Uint8Array.of(0xff, 0xd8, 0xff, 0xd9, 0, 0))), false);
});

Deno.test("hasSecond() looks for a camera's marker in the first 128 KiB, where cameras put it", () => {
  const at = (place: number): Uint8Array => {
    const file = new Uint8Array(2 ** 17 + 100);
    file.set([0xff, 0xd8]);
    file.set(MPF, place);
    file.set([0xff, 0xd9], file.length - 2);
    return concat([file, JPEG]);
  };
  assertEquals(hasSecond(at(2 ** 17 - 4)), false);
  // Its last byte lies behind.
  assertEquals(hasSecond(at(2 ** 17 - 3)), true);
});

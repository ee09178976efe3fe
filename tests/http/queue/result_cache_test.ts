import { assertEquals, assertRejects } from "@std/assert";
import { ResultCache } from "../../../lib/http/queue/result_cache.ts";

/** Texts, a thousand bytes a character. */
const kept = (key: string) => ({ key, bytesOf: (text: string) => text.length * 1000 });

/** Asks for the results of some images in turn: which of them had to be made. */
async function made(cache: ResultCache, images: string): Promise<string> {
  let made = "";
  for (const image of images) {
    const make = (): Promise<string> => {
      made += image;
      return Promise.resolve(image.repeat(10));
    };
    const bytes = new TextEncoder().encode(image);
    const { result } = await cache.getOrMake(bytes, kept("key"), make);
    assertEquals(result, image.repeat(10));
  }
  return made;
}

Deno.test("the least recently used result goes first", async () => {
  assertEquals(await made(new ResultCache(2, Infinity), "ABACAB"), "ABCB");
});

Deno.test("results are bounded by their bytes, whatever their number", async () => {
  // Each has 10,000 and what an entry costs.
  const cache = new ResultCache(1000, 25_000);
  assertEquals(await made(cache, "ABACAB"), "ABCB");
  await made(cache, "DEFGH");
  assertEquals(cache.bytes <= 25_000 && cache.bytes > 20_000, true, String(cache.bytes));
  assertEquals(await made(new ResultCache(1000, 0), "AA"), "AA");
});

Deno.test("keys are apart, and what failed is not kept", async () => {
  const cache = new ResultCache(9, Infinity);
  const image = new Uint8Array([1]);
  const get = async (key: string, text: string) =>
    (await cache.getOrMake(image, kept(key), () => Promise.resolve(text))).result;
  assertEquals([await get("a", "A"), await get("b", "B"), await get("a", "?")], ["A", "B", "A"]);
  const failing = () => Promise.reject<string>(new Error("no"));
  await assertRejects(() => cache.getOrMake(image, kept("c"), failing), Error, "no");
  assertEquals(await get("c", "C"), "C");
});

Deno.test("what is large is not kept", async () => {
  const cache = new ResultCache(9, Infinity);
  const make = () => Promise.resolve("large".repeat(100));
  for (let time = 0; time < 2; time++) {
    const { cached } = await cache.getOrMake(new Uint8Array([1]), kept("k"), make);
    assertEquals(cached, false);
  }
  assertEquals(cache.bytes, 0);
});

Deno.test("two that make the same result at once are counted once", async () => {
  const image = new Uint8Array([1]), make = () => Promise.resolve("0123456789");
  const bytes = [];
  for (const times of [1, 2]) {
    const cache = new ResultCache(9, Infinity);
    const asked = Array.from({ length: times }, () => cache.getOrMake(image, kept("k"), make));
    await Promise.all(asked);
    bytes.push(cache.bytes);
  }
  assertEquals(bytes[0], bytes[1]);
});

import { assertEquals } from "@std/assert";
import { ResultCache } from "../../../lib/http/queue/pipeline.ts";
import { BOATS, CAT, post, testService } from "../../support/http_service.ts";

Deno.test("the least recently used value goes first", async () => {
  const cache = new ResultCache(2);
  const made: number[] = [];
  const get = async (n: number) => {
    const { value, cached } = await cache.getOrMake(new Uint8Array([n]), "key", () => {
      made.push(n);
      return Promise.resolve(n * 10);
    });
    assertEquals(value, n * 10);
    return cached;
  };
  const hits = [];
  for (const n of [1, 2, 1, 3, 1, 2]) hits.push(await get(n));
  assertEquals(hits, [false, false, true, false, true, false]);
  assertEquals(made, [1, 2, 3, 2]);
});

Deno.test("keys are apart, and what failed is not kept", async () => {
  const cache = new ResultCache(9);
  const image = new Uint8Array([1]);
  await cache.getOrMake(image, "a", () => Promise.resolve("A"));
  assertEquals((await cache.getOrMake(image, "b", () => Promise.resolve("B"))).value, "B");
  const failing = () => Promise.reject(new Error("no"));
  await cache.getOrMake(image, "c", failing).catch(() => {});
  assertEquals((await cache.getOrMake(image, "c", () => Promise.resolve("C"))).cached, false);
});

Deno.test("what is large is not kept", async () => {
  const cache = new ResultCache(9);
  const make = () => Promise.resolve("large");
  for (let time = 0; time < 2; time++) {
    const isSmall = (value: string) => value.length < 5;
    const { cached } = await cache.getOrMake(new Uint8Array([1]), "k", make, isSmall);
    assertEquals(cached, false);
  }
});

Deno.test("a cached result is the same answer, for any choice of labels", async () => {
  const lines: string[] = [];
  const service = testService({
    cacheEntries: 8,
    logLevel: "info",
    writeLog: (line) => lines.push(line),
  });
  const ask = async (path: string, image: Uint8Array<ArrayBuffer>) =>
    await (await service.fetch(post(path, image))).json();
  const first = await ask("/classify", CAT);
  assertEquals(await ask("/classify", CAT), first);
  assertEquals(await ask("/classify?topK=1", CAT), first.slice(0, 1));
  const ten = await ask("/classify?crops=ten", CAT);
  await ask("/classify", BOATS);
  await ask("/embed", CAT);
  assertEquals(lines.map((line) => JSON.parse(line).cached), [
    undefined,
    true,
    true,
    undefined,
    undefined,
    undefined,
  ]);
  assertEquals(ten[0].score === first[0].score, false);
});

import { assertEquals, assertMatch } from "@std/assert";
import { BOATS, CAT, post, testService } from "../../support/http_service.ts";

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

Deno.test("the time of an answer is not told where it would say that somebody sent the same picture", async () => {
  const timing = async (cacheEntries: number): Promise<(string | null)[]> => {
    const service = testService({ cacheEntries });
    const answers = [];
    for (let n = 0; n < 2; n++) {
      const response = await service.fetch(post("/classify", CAT));
      await response.body?.cancel();
      answers.push(response.headers.get("server-timing"));
    }
    return answers;
  };
  const alike = 'inference;desc="wasm, int8"';
  assertEquals(await timing(8), [alike, alike]);
  for (const told of await timing(0)) {
    assertMatch(told!, /^decode;dur=[\d.]+, queue;dur=[\d.]+, inference;dur=[\d.]+;desc=/);
  }
});

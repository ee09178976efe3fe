import { delay } from "@std/async/delay";
import { assertEquals, assertMatch } from "@std/assert";
import type { ImageClassifier } from "../../../lib/classifier.ts";
import {
  BOATS,
  CAT,
  cifar10Classifier,
  post,
  standIn,
  testService,
} from "../../support/http_service.ts";
import { until } from "../../support/serve_process.ts";

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

Deno.test("no more results are kept than cacheBytes has room for", async () => {
  const cached = async (cacheBytes: number): Promise<boolean> => {
    const lines: string[] = [], writeLog = (line: string) => void lines.push(line);
    const service = testService({ cacheEntries: 8, cacheBytes, logLevel: "info", writeLog });
    for (let n = 0; n < 2; n++) await (await service.fetch(post("/classify", CAT))).body?.cancel();
    return JSON.parse(lines[1]!).cached === true;
  };
  assertEquals([await cached(100), await cached(10_000)], [false, true]);
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

Deno.test("what is asked with other options is another run", async () => {
  const { info } = await cifar10Classifier();
  const runs: string[] = [], others = Promise.withResolvers<void>();
  const run = async (given: unknown, { layer, label }: { layer?: string; label?: string }) => {
    const images = Array.isArray(given) ? given : [given];
    runs.push(`${layer ?? label} x${images.length}`);
    if (runs.length === 1) await others.promise;
    const data = new Float32Array(1), answer = { layer, shape: [1], data, map: data };
    return Array.isArray(given) ? given.map(() => answer) : answer;
  };
  const own = { info, embed: run, explain: run } as unknown as ImageClassifier;
  const service = testService({ classifier: { ...standIn(() => Promise.resolve([])), ...own } });
  const paths = [
    ...["conv1_1", "conv5_1", "conv5_1", "pool4"].map((layer) => `/embed?layer=${layer}`),
    ...["cat", "dog"].map((label) => `/explain?label=${label}`),
  ];
  const headers = { accept: "application/json" };
  const ask = (path: string): Promise<Response> => service.fetch(post(path, CAT, headers));
  const answers = [ask(paths[0]!)];
  await until(() => runs.length === 1);
  answers.push(...paths.slice(1).map(ask));
  const decoded = `vgg16_decode_seconds_count ${paths.length}\n`;
  await until(async () => (await service.metrics()).includes(decoded));
  await delay(0); // What is decoded is in the queue.
  others.resolve();
  for (const answer of answers) assertEquals((await (await answer).json()).error, undefined);
  // Whichever is decoded first.
  assertEquals(runs.toSorted(), ["cat x1", "conv1_1 x1", "conv5_1 x2", "dog x1", "pool4 x1"]);
});

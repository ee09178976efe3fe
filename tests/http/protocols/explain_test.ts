import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { drawExplanation } from "../../../lib/explain/draw.ts";
import type { Classifier, ImageClassifier } from "../../../lib/classifier.ts";
import type { ExplainOptions } from "../../../lib/explain/explain.ts";
import type { ImageInput } from "../../../lib/image/image.ts";
import { MAX_DECODERS } from "../../../lib/image/image.ts";
import { readImage } from "../../../lib/image/read.ts";
import {
  CAT,
  cifar10Classifier,
  post,
  postJson,
  standIn,
  testService,
} from "../../support/http_service.ts";

const service = testService();
const classifier = await cifar10Classifier();

Deno.test("POST /explain gives the library's picture as a PNG", async () => {
  const expected = await drawExplanation(await classifier.explain(CAT, { label: "dog" }));
  const response = await service.fetch(post("/explain?label=dog", CAT));
  assertEquals([response.status, response.headers.get("content-type")], [200, "image/png"]);
  const { data, width, height } = await readImage(await response.bytes());
  assertEquals([width, height], [expected.width, expected.height]);
  assertEquals(data, expected.data);
});

Deno.test("POST /explain gives the numbers to a client that asks for JSON", async () => {
  const expected = await classifier.explain(CAT);
  const response = await service.fetch(post("/explain", CAT, { accept: "application/json" }));
  const { label, score, map, width, height, grid } = await response.json();
  assertEquals([label, score], ["cat", expected.score]);
  assertEquals([width, height], [expected.width, expected.height]);
  assertEquals(Float32Array.from(map), expected.map);
  assertEquals(grid.step, [...expected.grid.step]);
});

Deno.test("wrong options of /explain are refused before anything is computed", async () => {
  for (
    const [query, message] of [
      ["label=kat", 'did you mean "cat"'],
      ["method=lime", `one of "grad-cam", "score-map": found "lime"`],
      ["method=score-map", "needs a scale"],
      ["scale=5000", "scale must be an integer from 1 to 1024: found 5000"],
      ["scale=8", "scale"],
      ["lable=cat", "did you mean label"],
    ]
  ) {
    const response = await service.fetch(post(`/explain?${query}`, CAT));
    assertEquals(response.status, 422, query);
    assertStringIncludes((await response.json()).detail, message);
  }
  const two = await service.fetch(postJson("/explain", { inputs: ["AQ==", "AQ=="] }));
  assertEquals([two.status, (await two.json()).code], [400, "bad-request"]);
});

Deno.test("a service's own limit of pixels holds for /explain too, also above the library's", async () => {
  const limits: unknown[] = [];
  const explain: Classifier["explain"] = (image: ImageInput, options?: ExplainOptions) => {
    limits.push(options?.maxPixels);
    return classifier.explain(image, options) as Promise<never>;
  };
  const spy: ImageClassifier = {
    ...standIn(() => Promise.resolve([])),
    info: classifier.info,
    explain,
  };
  await using service = testService({ classifier: Promise.resolve(spy), maxPixels: 60_000_000 });
  await (await service.fetch(post("/explain", CAT))).body?.cancel();
  assertEquals(limits, [60_000_000]);
});

Deno.test("of many requests for /explain few have their pictures in memory", async () => {
  let done = 0, most = 0;
  const explain: Classifier["explain"] = async (image: ImageInput, options?: ExplainOptions) => {
    // It waits for a decoder as the requests do: those before it have had theirs then.
    await readImage(CAT, { background: true });
    const decoded = /vgg16_decode_seconds_count (\d+)/.exec(await service.metrics())?.[1];
    most = Math.max(most, Number(decoded) - done);
    done++;
    return await (classifier.explain(image, options) as Promise<never>);
  };
  const spy = { ...standIn(() => Promise.resolve([])), info: classifier.info, explain };
  await using service = testService({ classifier: Promise.resolve(spy) });
  const sent = Array.from({ length: 10 }, () => service.fetch(post("/explain", CAT)));
  for (const response of await Promise.all(sent)) {
    await response.body?.cancel();
    assertEquals(response.status, 200);
  }
  assertEquals(done, 10);
  assert(most >= 1 && most <= MAX_DECODERS, `${most} pictures`);
});

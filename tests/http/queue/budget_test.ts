import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Classifier } from "../../../lib/classifier.ts";
import { fuse } from "../../../lib/compose/fuse.ts";
import { encodePng } from "../../../lib/image/codecs/encode_png.ts";
import { MAX_DECODERS, type Pixels } from "../../../lib/image/image.ts";
import { readImage } from "../../../lib/image/read.ts";
import type { PreparedImage } from "../../../lib/input/prepared_image.ts";
import { viewPixels } from "../../../lib/input/views.ts";
import type { ExplainOptions } from "../../../lib/explain/explain.ts";
import { BackendUnavailableError, DisposedError, type VggError } from "../../../lib/errors.ts";
import { CAT, cifar10Classifier, post, standIn, testService } from "../../support/http_service.ts";

const classifier = await cifar10Classifier();
const CAT_SIZE = { width: 451, height: 300 };

function large(width: number): Promise<Uint8Array<ArrayBuffer>> {
  return encodePng({ width, height: 1000, data: new Uint8Array(width * 1000 * 3) });
}

/** The embedded classifier, some of whose methods are the test's. */
function withMethods(methods: Partial<Classifier>): Classifier {
  return new Proxy(classifier, {
    get: (target, name) => {
      const value = Reflect.get(name in methods ? methods : target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

async function answerOf(response: Promise<Response>): Promise<[status: number, answer: string]> {
  const { status } = await response;
  return [status, await (await response).text()];
}

async function decodedBy(service: ReturnType<typeof testService>): Promise<number> {
  return Number(/vgg16_decode_seconds_count (\d+)/.exec(await service.metrics())?.[1]);
}

Deno.test("what the network would look at for an image is held against maxViewPixels", async () => {
  const views = { crops: "dense+multi", scales: [40, 64], flip: true } as const;
  const path = "/classify?crops=dense%2Bmulti&scales=40,64&flip=true";
  const pixels = viewPixels(CAT_SIZE, classifier.info, views);
  const enough = testService({ maxViewPixels: pixels });
  assertEquals((await answerOf(enough.fetch(post(path, CAT))))[0], 200);
  const less = testService({ maxViewPixels: pixels - 1 });
  const [status, answer] = await answerOf(less.fetch(post(path, CAT)));
  assertEquals([status, JSON.parse(answer).code], [413, "too-many-views"]);
  assertStringIncludes(answer, `at most ${pixels - 1} pixels`);
  assertStringIncludes(answer, `found ${pixels}`);
});

Deno.test("of an ensemble every member's pixels count", async () => {
  const pixels = viewPixels(CAT_SIZE, classifier.info, { crops: "ten" });
  const status = async (maxViewPixels: number): Promise<number> => {
    const service = testService({ classifier: fuse([classifier, classifier]), maxViewPixels });
    return (await answerOf(service.fetch(post("/classify?crops=ten", CAT))))[0];
  };
  assertEquals([await status(2 * pixels), await status(2 * pixels - 1)], [200, 413]);
});

Deno.test("of an explanation the pixels of its one view count", async () => {
  const pixels = viewPixels(CAT_SIZE, classifier.info, { crops: "dense", scales: [64] });
  const status = async (maxViewPixels: number): Promise<number> => {
    const service = testService({ maxViewPixels });
    return (await answerOf(service.fetch(post("/explain?scale=64", CAT))))[0];
  };
  assertEquals([await status(pixels), await status(pixels - 1)], [200, 413]);
});

Deno.test("by default a request has no more than half a million pixels looked at", async () => {
  const service = testService();
  const paths = [
    "/classify?crops=dense%2Bmulti&scales=512,768,1024&flip=true",
    "/classify?crops=dense&scales=1024",
    "/explain?scale=1024",
    "/explain?scale=1024&method=score-map",
  ];
  for (const path of paths) {
    const [status, answer] = await answerOf(service.fetch(post(path, CAT)));
    assertEquals([status, JSON.parse(answer).code], [413, "too-many-views"], path);
  }
  assertEquals(await decodedBy(service), 0);
});

Deno.test("the images of a request share its pixels, and each may be looked at as the model was trained", async () => {
  const pixels = viewPixels(CAT_SIZE, classifier.info, { crops: "ten" });
  const form = new FormData();
  for (const name of "abc") form.append(name, new File([CAT], name));
  const codesOf = async (path: string, maxViewPixels: number) => {
    const response = await testService({ maxViewPixels }).fetch(post(path, form));
    const results: { error?: { code: string } }[] = await response.json();
    return results.map(({ error }) => error?.code ?? "answered");
  };
  assertEquals(await codesOf("/classify?crops=ten", 3 * pixels), Array(3).fill("answered"));
  assertEquals(
    await codesOf("/classify?crops=ten", 3 * pixels - 1),
    Array(3).fill("too-many-views"),
  );
  assertEquals(await codesOf("/classify", 1), Array(3).fill("answered"));
  assertEquals(await codesOf("/embed", 1), Array(3).fill("answered"));
});

Deno.test("an image that is looked at once waits for one run of those that are looked at more often", async () => {
  const gate = Promise.withResolvers<void>(), runs: number[][] = [];
  const scores = (async (images: PreparedImage[], { signal }: { signal?: AbortSignal }) => {
    runs.push(images.map(({ views }) => views));
    await gate.promise;
    return await classifier.scores(images, { signal });
  }) as Classifier["scores"];
  const service = testService({ classifier: withMethods({ scores }) });
  const sent: Promise<[number, string]>[] = [];
  for (const query of ["", "?crops=multi&scales=64", "?crops=multi&scales=64", ""]) {
    sent.push(answerOf(service.fetch(post(`/classify${query}`, CAT))));
    while (await decodedBy(service) < sent.length) await new Promise((next) => setTimeout(next));
  }
  gate.resolve();
  for (const [status] of await Promise.all(sent)) assertEquals(status, 200);
  const [, views] = runs.flat().toSorted((a, b) => b - a);
  assertEquals(runs, [[1], [1], [views], [views]]);
});

Deno.test("large images are decoded as maxDecodePixels has it, a larger one alone, and small ones wait for none", async () => {
  const gate = Promise.withResolvers<void>();
  let now = 0, most = 0;
  const files = await Promise.all([1200, 1200, 1200, 1200, 3000].map(large));
  const prepare = (async (image: Uint8Array, options) => {
    if (image.length !== CAT.length) {
      const { width, height } = await readImage(image);
      now += width * height;
      most = Math.max(most, now);
      await gate.promise;
      now -= width * height;
    }
    return await classifier.prepare(image, options);
  }) as Classifier["prepare"];
  const service = testService({ classifier: withMethods({ prepare }), maxDecodePixels: 2_500_000 });
  const sent = files.map((file) => answerOf(service.fetch(post("/classify", file))));
  for (let n = 0; n < 3; n++) {
    assertEquals((await answerOf(service.fetch(post("/classify", CAT))))[0], 200);
  }
  gate.resolve();
  assertEquals((await Promise.all(sent)).map(([status]) => status), Array(5).fill(200));
  assertEquals(most, 3_000_000);
});

Deno.test("a large image that is to be explained has its place until it is", async () => {
  const file = await large(1200);
  let done = 0, most = 0;
  const explain = (async (image: Pixels, options: ExplainOptions) => {
    // It waits for a decoder as the requests do: those before it have had theirs then.
    await readImage(CAT, { background: true });
    most = Math.max(most, await decodedBy(service) - done);
    done++;
    return await classifier.explain(image, options);
  }) as Classifier["explain"];
  const service = testService({ classifier: withMethods({ explain }), maxDecodePixels: 1_200_000 });
  const sent = Array.from(
    { length: 2 * MAX_DECODERS },
    () => answerOf(service.fetch(post("/explain", file, { accept: "application/json" }))),
  );
  for (const [status] of await Promise.all(sent)) assertEquals(status, 200);
  assertEquals(most, 1);
});

Deno.test("who waits to be decoded is decoded by the classifier of then, if one is lost meanwhile", async () => {
  const lost = Promise.withResolvers<VggError>();
  const decoding = Promise.withResolvers<void>(), enough = Promise.withResolvers<void>();
  let made = 0, looks = 0;
  const service = testService({
    maxDecodePixels: 1_000_000,
    classifier: () => {
      const isFirst = made++ === 0;
      const one = standIn((images) => Promise.resolve(images.map(() => 0.9)));
      const prepare = async (): Promise<never> => {
        if (one.closed) throw new DisposedError("classifier");
        decoding.resolve();
        await enough.promise;
        return 1 as never;
      };
      // What an image costs is the last that is asked before it waits.
      const info = Object.defineProperty({ ...one.info }, "preprocessing", {
        get: () => void looks++,
      });
      return Object.assign(one, { info, prepare, lost: isFirst ? lost.promise : one.lost });
    },
  });
  const picture = await large(1000);
  const ask = async () => (await answerOf(service.fetch(post("/classify", picture))))[0];
  const first = ask();
  await decoding.promise;
  const looksOfOne = looks, second = ask();
  while (looks < 2 * looksOfOne) await new Promise((resolve) => setTimeout(resolve));
  lost.resolve(new BackendUnavailableError("backend-lost", "webgpu", "gone", { retryable: false }));
  await lost.promise;
  enough.resolve();
  assertEquals([await first, await second, made], [200, 200, 2]);
});

/** Whose the classifier is, when there is another, and how a service begins and ends. */

import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { type ImageClassifier, loadClassifier } from "../../lib/classifier.ts";
import { classifierFrom } from "../../lib/compose/classifier_from.ts";
import { fuse } from "../../lib/compose/fuse.ts";
import { sharedClassifier } from "../../lib/compose/shared.ts";
import { BackendUnavailableError, type VggError } from "../../lib/errors.ts";
import type { Progress } from "../../lib/progress.ts";
import { createHandler, createService, type ServiceOptions } from "../../lib/http/service.ts";
import {
  BOATS,
  CAT,
  cifar10Classifier,
  get,
  post,
  postJson,
  standIn,
} from "../support/http_service.ts";
import { CIFAR10, CIFAR10_FILE } from "../support/cifar10.ts";

const SILENT: ServiceOptions = { logLevel: "off" };
const GONE = new BackendUnavailableError("backend-lost", "webgpu", "gone", { retryable: false });
const PASSING = new BackendUnavailableError("backend-lost", "webgpu", "away");
const TOO_LARGE = new BackendUnavailableError("backend-capacity", "webgpu", "it does not fit");

/** A classifier that is lost when it is told so, and what it was asked. */
function breakable() {
  const lost = Promise.withResolvers<VggError>();
  let calls = 0, closes = 0, failure: Error | undefined;
  const classifier = classifierFrom({
    labels: ["yes", "no"],
    scores: (images) => {
      calls++;
      if (failure === undefined) return images.map(() => [0.9, 0.1]);
      const error = failure;
      if (error === PASSING) failure = undefined;
      throw error;
    },
    close: () => void closes++,
    lost: lost.promise,
  });
  return {
    classifier,
    fail: (error: Error) => failure = error,
    lose: () => lost.resolve(GONE),
    calls: () => calls,
    closes: () => closes,
  };
}

/** The statuses of some requests, one after the other. */
async function statuses(
  fetch: (request: Request) => Promise<Response>,
  count: number,
): Promise<number[]> {
  const found: number[] = [];
  for (let n = 0; n < count; n++) {
    const response = await fetch(post("/classify", CAT));
    await response.body?.cancel();
    found.push(response.status);
  }
  return found;
}

const errors = { "a loss for good": GONE, "a loss": PASSING, "too large an image": TOO_LARGE };
for (const [name, error] of Object.entries(errors)) {
  Deno.test(`a borrowed classifier is never closed, nor asked for again: ${name}`, async () => {
    const { classifier, fail, closes } = breakable();
    const service = createService({ ...SILENT, classifier });
    fail(error);
    assertEquals(await statuses(service.fetch, 2), error === PASSING ? [200, 200] : [500, 500]);
    await service.close();
    assertEquals([closes(), classifier.closed], [0, false]);
  });
}

Deno.test("a factory is called when it is needed, and again only when its classifier is lost", async () => {
  const made: ReturnType<typeof breakable>[] = [];
  const service = createService({
    ...SILENT,
    classifier: () => {
      made.push(breakable());
      return made.at(-1)!.classifier;
    },
  });
  assertEquals((await service.fetch(get("/readyz"))).status, 503);
  assertEquals(made.length, 0);
  assertEquals(await statuses(service.fetch, 2), [200, 200]);
  made[0]!.fail(TOO_LARGE);
  assertEquals(await statuses(service.fetch, 2), [500, 500]);
  made[0]!.fail(PASSING);
  assertEquals(await statuses(service.fetch, 1), [200]);
  assertEquals(made.map(({ closes }) => closes()), [0]);
  // It says that it is lost while nobody asks,
  made[0]!.lose();
  await made[0]!.classifier.lost;
  assertEquals(await statuses(service.fetch, 1), [200]);
  assertEquals(made.map(({ closes }) => closes()), [1, 0]);
  // and to somebody, whose request is not lost.
  made[1]!.fail(GONE);
  assertEquals(await statuses(service.fetch, 2), [200, 200]);
  assertEquals(made.map(({ closes }) => closes()), [1, 1, 0]);
  await service.close();
  await service.close();
  assertEquals(made.map(({ closes }) => closes()), [1, 1, 1]);
});

Deno.test("a service is not ready once its classifier is closed or lost", async () => {
  for (const end of ["close", "lose"] as const) {
    const { classifier, lose } = breakable();
    const service = createService({ ...SILENT, classifier: Promise.resolve(classifier) });
    await service.warmUp();
    const statuses = async () => {
      const paths = ["/readyz", "/v2/health/ready", "/v2/models/custom/ready"];
      const answers = await Promise.all(paths.map((path) => service.fetch(get(path))));
      return answers.map(({ status }) => status);
    };
    assertEquals([service.ready, await statuses()], [true, [200, 200, 200]]);
    if (end === "close") await classifier.close();
    else {
      lose();
      await classifier.lost;
    }
    assertEquals([service.ready, await statuses()], [false, [503, 503, 503]]);
  }
});

Deno.test("fetch never rejects: closed, without a classifier, with a log that fails, whatever is given beside", async () => {
  const fetches = async (options: ServiceOptions): Promise<number[]> => {
    const service = createService({ ...SILENT, ...options });
    const paths = ["/livez", "/readyz", "/metrics", "/v2", "/", "/nothing"];
    const asked = [...paths.map((path) => get(path)), post("/classify", CAT), post("/embed", CAT)];
    const first = await Promise.all(asked.map((request) => service.fetch(request)));
    await service.close();
    const requests = [get("/livez"), post("/classify", CAT)];
    const last = await Promise.all(requests.map((request) => service.fetch(request)));
    for (const { body } of [...first, ...last]) await body?.cancel();
    return [...first, ...last].map(({ status }) => status);
  };
  const closed = await loadClassifier({ model: CIFAR10, backend: "wasm", threads: 1 });
  await closed.close();
  const answers = [200, 503, 200, 200, 200, 404, 500, 500, 200, 500];
  assertEquals(await fetches({ classifier: closed }), answers);
  const rejected = Promise.reject(new Error("no classifier"));
  assertEquals(await fetches({ classifier: rejected }), answers);
  const none = (): never => {
    throw new Error("no classifier");
  };
  assertEquals(await fetches({ classifier: none }), answers);
  const writeLog = (): never => {
    throw new Error("the log's disk is full");
  };
  const options = { classifier: rejected, logLevel: "debug", writeLog } as const;
  assertEquals(await fetches(options), answers);
  // Of Workers, routers and frameworks.
  const { fetch } = createService({ ...SILENT, classifier: breakable().classifier });
  const besides = [{ completed: "now", remoteAddr: 5 }, { remoteAddr: { hostname: 5 } }, null, "x"];
  for (const beside of besides) {
    assertEquals((await fetch(get("/livez"), beside as never)).status, 200);
  }
});

Deno.test("a promise of a classifier that fails before the first request ends no process", async () => {
  const { promise, reject } = Promise.withResolvers<ImageClassifier>();
  const service = createService({ ...SILENT, classifier: promise });
  reject(new Error("no classifier"));
  await new Promise((resolve) => setTimeout(resolve, 0)); // Here Deno would end it.
  assertEquals(await statuses(service.fetch, 1), [500]);
});

Deno.test("what is no classifier is refused at once", () => {
  for (const classifier of [{}, 5, "vgg"]) {
    assertThrows(
      () => createService({ classifier: classifier as unknown as ImageClassifier }),
      RangeError,
      "classifier must be a classifier, a promise of one or a function that gives one",
    );
  }
});

Deno.test("warmUp() loads, and rejects as loading does; drain() waits for answers; metrics() tell", async () => {
  const scoring = Promise.withResolvers<void>(), asked = Promise.withResolvers<void>();
  const classifier = classifierFrom({
    labels: ["yes"],
    scores: async (images) => {
      asked.resolve();
      await scoring.promise;
      return images.map(() => [1]);
    },
  });
  const service = createService({ ...SILENT, classifier: () => classifier });
  assertEquals(service.ready, false);
  await service.warmUp();
  assertEquals(service.ready, true);
  const order: string[] = [];
  const answer = service.fetch(post("/classify", CAT)).then(({ status }) =>
    order.push(`${status}`)
  );
  await asked.promise;
  assertEquals((await service.fetch(get("/livez"))).headers.get("connection"), null);
  const drained = service.drain().then(() => order.push("drained"));
  assertEquals(service.ready, false);
  // Those that come nevertheless are answered, and their connections end.
  const late = await service.fetch(get("/livez"));
  assertEquals([late.status, late.headers.get("connection")], [200, "close"]);
  assertStringIncludes(await service.metrics(), "\nvgg16_ready 0\n");
  scoring.resolve();
  await Promise.all([answer, drained]);
  assertEquals(order, ["200", "drained"]);
  await service.drain();
  await service.close();
  assertEquals(classifier.closed, true);
  const broken = createService({ ...SILENT, classifier: () => Promise.reject(GONE) });
  await assertRejects(() => broken.warmUp(), BackendUnavailableError, "gone");
});

Deno.test("a drain ends at its time limit, whoever never takes an answer", async () => {
  const { classifier } = breakable();
  const service = createService({ ...SILENT, classifier, drainTimeoutMs: 1 });
  const completed = new Promise<void>(() => {});
  await service.fetch(get("/livez"), { completed });
  await service.close();
  assertEquals(service.ready, false);
});

Deno.test("createHandler() is the fetch of a service", async () => {
  const handler = createHandler({ ...SILENT, classifier: breakable().classifier });
  assertEquals(await statuses(handler, 1), [200]);
});

Deno.test("a service by its settings has one model with others that want the same", async () => {
  // No test of this file has this one.
  const settings = { model: CIFAR10_FILE, precision: "float" } as const;
  const service = createService({ ...SILENT, ...settings });
  await service.warmUp();
  const stages: string[] = [], onProgress = ({ stage }: Progress) => stages.push(stage);
  await using other = await sharedClassifier({ ...settings, onProgress });
  assertEquals(stages, []); // Nothing was loaded.
  const [best] = await (await service.fetch(post("/classify", CAT))).json();
  await service.close();
  assertEquals((await other.classify(CAT))[0].score, best.score);
});

Deno.test("handler() has one model with classify(), in whichever order they come", async () => {
  const code = `
    import { classify, handler, sharedClassifier } from "./mod.ts";
    const body = await Deno.readFile("tests/data/photos/cat.png");
    const stages = [], ask = () => sharedClassifier({ onProgress: ({ stage }) => stages.push(stage) });
    const request = new Request("http://localhost/classify", { method: "POST", body });
    const [served] = await (await handler(request)).json();
    await using shared = await ask();
    const [best] = await classify(body);
    console.log(served.score === best.score, stages.length);`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", "--ext=js", code],
    cwd: new URL("../../", import.meta.url),
    env: { VGG16_LOG_LEVEL: "off", NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  assertEquals(text(stdout), "true 0\n", text(stderr));
});

Deno.test("what a VGG does not expect is a failure, not the client's option", async () => {
  const classifier = standIn(() => Promise.reject(new RangeError("a bug")));
  const failing = (): Promise<never> => Promise.reject(new RangeError("a bug"));
  const service = createService({ ...SILENT, classifier: { ...classifier, explain: failing } });
  for (const path of ["/classify", "/explain"]) {
    const response = await service.fetch(post(path, CAT));
    assertEquals([response.status, (await response.json()).code], [500, "internal"], path);
  }
});

Deno.test("any classifier is served; what it cannot do is 501, and what it has no use for is 422", async () => {
  const lines: { level: string; status?: number }[] = [];
  const writeLog = (line: string): void => void lines.push(JSON.parse(line));
  const { classifier } = breakable();
  const service = createService({ classifier, writeLog });
  const problem = async (request: Request): Promise<unknown[]> => {
    const response = await service.fetch(request);
    const { status, code, retryable, detail } = await response.json();
    assertEquals([response.status, response.headers.get("content-type")], [
      status,
      "application/problem+json",
    ]);
    return [status, code, retryable, detail];
  };
  for (const what of ["embed", "explain"]) {
    const refused = [
      501,
      "not-supported",
      false,
      `The model custom classifies only: it cannot ${what}`,
    ];
    assertEquals(await problem(post(`/${what}`, CAT)), refused);
  }
  const logits = { inputs: CAT.toBase64(), parameters: { function_to_apply: "none" } };
  assertEquals((await problem(postJson("/", logits)))[0], 501);
  assertEquals(lines.filter(({ level }) => level === "error"), []);
  const [status, code, , detail] = await problem(post("/classify?crops=ten", CAT));
  assertEquals([status, code], [422, "bad-option"]);
  assertStringIncludes(String(detail), "There is no option crops");
  assertEquals((await problem(post("/classify", "no image")))[1], "image-format");
  const list = await (await service.fetch(postJson("/classify?topK=1", {
    inputs: [CAT.toBase64(), BOATS.toBase64(), "bm8="],
  }))).json();
  assertEquals(
    list.map((one: { predictions?: unknown; error?: { status: number } }) =>
      one.predictions ?? one.error?.status
    ),
    [[{ label: "yes", score: 0.9, index: 0 }], [{ label: "yes", score: 0.9, index: 0 }], 415],
  );
  const hugging = await (await service.fetch(post("/", CAT))).json();
  assertEquals(hugging[0], { label: "yes", score: 0.9 });
  const model = await (await service.fetch(get("/v2/models/custom"))).json();
  assertEquals([model.platform, model.inputs[1].shape], ["custom", [-1, -1, -1, 3]]);
  const pixels = { name: "pixels", datatype: "UINT8", shape: [1, 1, 1, 3], data: [1, 2, 3] };
  const inferred =
    await (await service.fetch(postJson("/v2/models/custom/infer", { inputs: [pixels] })))
      .json();
  assertEquals(inferred.outputs[0].data, ["yes", "no"]);
});

Deno.test("an ensemble is served as its scores are, with the views that are asked for, within the limits", async () => {
  const one = await cifar10Classifier();
  await using two = await loadClassifier({
    model: CIFAR10,
    backend: "wasm",
    threads: 1,
    precision: "float",
  });
  const fused = fuse([one, two]);
  const service = createService({ ...SILENT, classifier: fused, maxPixels: 140_000 });
  for (const [query, views] of [["", {}], ["?crops=ten", { crops: "ten" }]] as const) {
    const predictions = await (await service.fetch(post(`/classify${query}`, CAT))).json();
    assertEquals(predictions, await fused.classify(CAT, views));
  }
  const wrong = await service.fetch(post("/classify?scales=20", CAT));
  assertEquals([wrong.status, (await wrong.json()).code], [422, "bad-option"]);
  const large = await service.fetch(post("/classify", BOATS));
  assertEquals([large.status, (await large.json()).code], [413, "image-pixels"]);
  assertEquals(one.closed, false);
});

Deno.test("results of a classifier that is gone are not given for its successor's", async () => {
  const labels = [["yes", "no"], ["left", "right"]], lost = Promise.withResolvers<VggError>();
  const made: ImageClassifier[] = [];
  const service = createService({
    ...{ ...SILENT, cacheEntries: 8 },
    classifier: () => {
      const n = made.length, scores = n === 0 ? [0.9, 0.1] : [0.2, 0.8];
      made.push(classifierFrom({
        labels: labels[n]!,
        scores: (images) => images.map(() => scores),
        lost: n === 0 ? lost.promise : undefined,
      }));
      return made[n]!;
    },
  });
  const best = async (): Promise<string> => {
    const [{ label }] = await (await service.fetch(post("/classify", CAT))).json();
    return label;
  };
  assertEquals([await best(), await best()], ["yes", "yes"]);
  lost.resolve(GONE);
  await lost.promise;
  assertEquals(await best(), "right");
  await service.close();
});

Deno.test("closing a service ends the load that nobody else waits for", async () => {
  const asked = Promise.withResolvers<void>();
  const silent = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async ({ signal }) => {
      asked.resolve();
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      return new Response();
    },
  );
  const model = `http://127.0.0.1:${silent.addr.port}/model.safetensors`;
  const service = createService({ ...SILENT, model, backend: "wasm" });
  const waiting = assertRejects(() => service.warmUp());
  await asked.promise;
  await service.close();
  await waiting;
  await silent.shutdown();
});

Deno.test("a successor's logits are not told under the labels of the classifier that was lost", async () => {
  let made = 0;
  const service = createService({
    ...SILENT,
    classifier: () => {
      const isFirst = made++ === 0, labels = isFirst ? ["yes", "no"] : ["left", "right", "up"];
      const data = Float32Array.from(labels, (_, n) => n);
      const embed = () => {
        if (isFirst) throw GONE;
        return Promise.resolve([{ layer: "fc8", data, shape: [labels.length] }]);
      };
      const classifier = classifierFrom({ labels, scores: () => [] });
      return Object.assign(classifier, { embed }) as unknown as ImageClassifier; // No VGG.
    },
  });
  const body = { inputs: CAT.toBase64(), parameters: { function_to_apply: "none" } };
  const answer = async () => await (await service.fetch(postJson("/", body))).json();
  assertEquals([(await answer()).code, made], ["backend-lost", 2]);
  assertEquals((await answer())[0], { label: "up", score: 2 });
  await service.close();
});

Deno.test("a successor's logits do not become scores at the temperature of the classifier that was lost", async () => {
  let made = 0;
  const service = createService({
    ...SILENT,
    classifier: () => {
      const isFirst = made++ === 0, labels = ["yes", "no"];
      const embed = () => {
        if (isFirst) throw GONE;
        return Promise.resolve([{ layer: "fc8", data: Float32Array.of(-2, 2), shape: [2] }]);
      };
      const classifier = classifierFrom({ labels, scores: () => [] });
      const info = { ...classifier.info, temperature: isFirst ? 1 : 2 };
      return Object.assign(classifier, { embed, info }) as unknown as ImageClassifier; // No VGG.
    },
  });
  const body = { inputs: CAT.toBase64(), parameters: { function_to_apply: "sigmoid" } };
  const answer = async () => await (await service.fetch(postJson("/", body))).json();
  assertEquals([(await answer()).code, made], ["backend-lost", 2]);
  assertEquals((await answer())[0], { label: "no", score: 1 / (1 + Math.exp(-1)) });
  await service.close();
});

const SUCCESSORS: { labels: string[]; multiLabel: boolean; sureScore?: number }[] = [
  { labels: ["left", "right"], multiLabel: false },
  { labels: ["yes", "no"], multiLabel: true },
  { labels: ["yes", "no"], multiLabel: false, sureScore: 0.5 },
];
for (const successor of SUCCESSORS) {
  const { labels, multiLabel, sureScore } = successor;
  const name = `${labels}${multiLabel ? ", each by itself" : sureScore ? ", sure or not" : ""}`;
  Deno.test(`a successor's scores are not told as those of yes and no: ${name}`, async () => {
    let made = 0;
    const service = createService({
      ...SILENT,
      classifier: () => {
        const n = made++;
        return classifierFrom({
          ...n === 0 ? { labels: ["yes", "no"] } : successor,
          scores: (images) => {
            if (n === 0) throw GONE;
            return images.map(() => [0.1, 0.9]);
          },
        });
      },
    });
    const answer = async () => await (await service.fetch(post("/classify", CAT))).json();
    const { code, retryable } = await answer();
    assertEquals([code, retryable, made], ["backend-lost", true, 2]);
    assertEquals((await answer())[0].label, labels[1]);
    await service.close();
  });
}

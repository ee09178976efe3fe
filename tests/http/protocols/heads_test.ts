/** What the service says of models whose head is a sigmoid. */

import { assert, assertAlmostEquals, assertEquals, assertMatch } from "@std/assert";
import { type Classifier, classifierOn } from "../../../lib/classifier.ts";
import { classifierFrom } from "../../../lib/compose/classifier_from.ts";
import { fuse } from "../../../lib/compose/fuse.ts";
import { sigmoid, softmax } from "../../../lib/output/predictions.ts";
import { floatEngine } from "../../support/float_engine.ts";
import { CAT, get, post, postJson, testService } from "../../support/http_service.ts";
import { sigmoidVgg } from "../../support/small_vgg.ts";

async function classifierOf(logits: number): Promise<Classifier> {
  const { model, weights } = await sigmoidVgg(logits);
  return classifierOn(model, floatEngine(model, weights));
}

const classifiers = { two: await classifierOf(1), many: await classifierOf(3) };
const { two, many } = classifiers;
const services = { two: testService({ classifier: two }), many: testService({ classifier: many }) };
type Service = typeof services.two;

/** Scores by label, as Hugging Face's protocol gives them. */
async function ask(service: Service, function_to_apply?: string): Promise<Map<string, number>> {
  const body = { inputs: CAT.toBase64(), parameters: { function_to_apply } };
  const found: { label: string; score: number }[] = await (await service.fetch(postJson("/", body)))
    .json();
  const scores = found.map(({ score }) => score);
  assertEquals(scores, scores.toSorted((a, b) => b - a));
  return new Map(found.map(({ label, score }) => [label, score]));
}

/** Logits pass through float32. */
function assertNear(found: ReadonlyMap<string, number>, want: ArrayLike<number>): void {
  const labels = want.length === 2 ? ["no", "yes"] : ["a", "b", "c"];
  assertEquals([...found.keys()].sort(), labels);
  labels.forEach((label, c) => assertAlmostEquals(found.get(label)!, want[c]!, 1e-6, label));
}

Deno.test("Hugging Face's function is the model's own head unless one is named", async () => {
  const own = await many.scores(CAT), { data } = await many.embed(CAT, { layer: "fc8" });
  for (const apply of [undefined, "sigmoid"]) assertNear(await ask(services.many, apply), own);
  assertNear(await ask(services.many, "none"), data);
  assertNear(await ask(services.many, "softmax"), softmax(data));
});

Deno.test("one logit for two labels has a sigmoid and a soft-max that are the same", async () => {
  const own = await two.scores(CAT);
  for (const apply of [undefined, "sigmoid", "softmax"]) {
    assertNear(await ask(services.two, apply), own);
  }
  const [logit = NaN] = (await two.embed(CAT, { layer: "fc8" })).data;
  assertNear(await ask(services.two, "none"), [-logit, logit]);
  assertNear(await ask(services.two), sigmoid([-logit, logit]));
});

Deno.test("who has no logits has scores by the function that made them, and by no other", async () => {
  const labels = ["a", "b", "c"], scores = () => [[0.9, 0.8, 0.1]];
  for (const multiLabel of [true, false]) {
    const service = testService({
      classifier: fuse([classifierFrom({ labels, scores, multiLabel })]),
    });
    const [own, other] = multiLabel ? ["sigmoid", "softmax"] : ["softmax", "sigmoid"];
    for (const apply of [undefined, own]) assertNear(await ask(service, apply), [0.9, 0.8, 0.1]);
    for (const function_to_apply of [other, "none"]) {
      const body = { inputs: CAT.toBase64(), parameters: { function_to_apply } };
      const response = await service.fetch(postJson("/", body));
      await response.body?.cancel();
      assertEquals(response.status, 501, function_to_apply);
    }
  }
});

Deno.test("/classify tells whether each label has its own score, also to other origins", async () => {
  for (const [name, told] of [["two", null], ["many", "true"]] as const) {
    const response = await services[name].fetch(post("/classify", CAT));
    assertEquals(response.headers.get("x-multi-label"), told);
    assertEquals(await response.json(), await classifiers[name].classify(CAT));
  }
  const service = testService({ classifier: many, corsOrigins: ["*"] });
  const answer = await service.fetch(post("/classify", CAT, { origin: "https://example.com" }));
  await answer.body?.cancel();
  assertMatch(answer.headers.get("access-control-expose-headers")!, /x-multi-label/);
});

Deno.test("/classify holds each label's own score against the threshold", async () => {
  const count = async (service: Service, query: string) =>
    (await (await service.fetch(post(`/classify?${query}`, CAT))).json()).length;
  assertEquals(await count(services.two, "topK=5"), 2);
  const scores = await many.scores(CAT);
  const above = scores.filter((score) => score >= 0.5).length;
  assert(above > 1, "two labels above it are what a soft-max cannot have");
  assertEquals(await count(services.many, "scoreThreshold=0.5"), above);
});

Deno.test("/embed gives the scores and the logits, /explain either class", async () => {
  const shape = async (layer: string) =>
    (await (await services.two.fetch(post(`/embed?layer=${layer}`, CAT))).json()).shape;
  assertEquals([await shape("prob"), await shape("fc8")], [[2], [1]]);
  const request = post("/explain?label=no", CAT, { accept: "application/json" });
  const { label, score } = await (await services.two.fetch(request)).json();
  assertEquals([label, score], ["no", (await two.scores(CAT))[0]]);
});

Deno.test("the Open Inference Protocol tells the head, and gives as many labels as there are", async () => {
  const wanted = { two: [false, 2], many: [true, 3] } as const;
  for (const name of ["two", "many"] as const) {
    const service = services[name], { model } = classifiers[name].info;
    const [multi_label, labels] = wanted[name];
    const metadata = await (await service.fetch(get(`/v2/models/${model}`))).json();
    assertEquals(metadata.parameters, { head: "sigmoid", multi_label });
    const inputs = [{ name: "image", datatype: "BYTES", shape: [1], data: [CAT.toBase64()] }];
    const request = postJson(`/v2/models/${model}/infer`, { inputs, parameters: { top_k: 5 } });
    const { outputs } = await (await service.fetch(request)).json();
    const best = await classifiers[name].classify(CAT);
    for (const [n, key] of (["label", "score", "index"] as const).entries()) {
      assertEquals(outputs[n].shape, [1, labels]);
      assertEquals(outputs[n].data, best.map((prediction) => prediction[key]));
    }
  }
});

Deno.test("metrics tell the head of a network", async () => {
  await services.many.warmUp();
  assertMatch(await services.many.metrics(), /vgg16_build_info\{[^}]*head="sigmoid"\} 1/);
});

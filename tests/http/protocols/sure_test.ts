/** What the service says of a model that knows when it does not know. */

import { assertEquals } from "@std/assert";
import { classifierFrom } from "../../../lib/compose/classifier_from.ts";
import { BOATS, CAT, get, post, postJson, testService } from "../../support/http_service.ts";

/** Sure of the second of two labels if it is given at least 0.75. */
function serviceOf(score: number) {
  const scores = (images: readonly unknown[]) => images.map(() => [1 - score, score]);
  const classifier = classifierFrom({ labels: ["a", "b"], scores, model: "two", sureScore: 0.75 });
  return testService({ classifier });
}

const sureOf = (predictions: { label: string; sure?: boolean }[]) =>
  predictions.map(({ label, sure }) => [label, sure]);

Deno.test("/classify tells of each prediction whether it is sure", async () => {
  for (const [score, isSure] of [[0.75, true], [0.625, false]] as const) {
    const service = serviceOf(score);
    const ask = async (query: string, body: BodyInit) =>
      await (await service.fetch(post(`/classify${query}`, body))).json();
    assertEquals(sureOf(await ask("", CAT)), [["b", isSure], ["a", false]]);
    assertEquals(sureOf(await ask("?topK=1", CAT)), [["b", isSure]]);
    assertEquals(sureOf(await ask("?deny=b", CAT)), [["a", false]]);
    const form = new FormData();
    for (const file of [CAT, BOATS]) form.append("file", new Blob([file]));
    for (const { predictions } of await ask("", form)) {
      assertEquals(sureOf(predictions), [["b", isSure], ["a", false]]);
    }
  }
});

Deno.test("a model that cannot tell has no such field", async () => {
  const plain = classifierFrom({ labels: ["a", "b"], scores: () => [[0.25, 0.75]] });
  const response = await testService({ classifier: plain }).fetch(post("/classify", CAT));
  assertEquals(await response.json(), [
    { label: "b", score: 0.75, index: 1 },
    { label: "a", score: 0.25, index: 0 },
  ]);
});

Deno.test("the other protocols answer what their specifications say, and no more", async () => {
  const service = serviceOf(0.75), inputs = CAT.toBase64();
  const json = async (path: string, body: unknown) =>
    await (await service.fetch(postJson(path, body))).json();
  assertEquals(await json("/", { inputs }), [{ label: "b", score: 0.75 }, {
    label: "a",
    score: 0.25,
  }]);
  const tensor = { name: "image", datatype: "BYTES", shape: [1], data: [inputs] };
  const { outputs } = await json("/v2/models/two/infer", { inputs: [tensor] });
  assertEquals(outputs.map(({ name }: { name: string }) => name), ["label", "score", "index"]);
});

Deno.test("the API's description has sure, which is not always there", async () => {
  const response = await testService().fetch(get("/openapi.json"));
  const { components: { schemas: { Prediction } } } = await response.json();
  assertEquals(Prediction.properties.sure.type, "boolean");
  assertEquals(Prediction.required, ["label", "score", "index"]);
});

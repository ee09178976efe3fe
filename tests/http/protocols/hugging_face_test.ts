import { assertAlmostEquals, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { devTest } from "../../support/dev_packages.ts";
import { CAT, cifar10Classifier, post, postJson, testService } from "../../support/http_service.ts";

const service = testService();
const [CAT_SCORES] = await (await cifar10Classifier()).scores([CAT]);

async function ask(body: unknown, path = "/"): Promise<{ label: string; score: number }[]> {
  return await (await service.fetch(postJson(path, body))).json();
}

Deno.test("raw bytes and base64 give labels and scores, nothing else, best first", async () => {
  const raw = await (await service.fetch(post("/", CAT))).json();
  assertEquals(raw[0], { label: "cat", score: CAT_SCORES[3] });
  assertEquals(raw.length, 5);
  assertEquals(await ask({ inputs: CAT.toBase64() }), raw);
});

Deno.test("the model's name may stand in the path, with an owner; others are 404", async () => {
  for (const name of ["vgg16-cifar10", "edge/vgg16-cifar10"]) {
    assertEquals((await ask({ inputs: CAT.toBase64() }, `/models/${name}`))[0].label, "cat");
  }
  const response = await service.fetch(post("/models/google/vit", CAT));
  assertEquals(response.status, 404);
  assertStringIncludes((await response.json()).error, "google/vit");
});

Deno.test("top_k and function_to_apply have Hugging Face's meaning", async () => {
  const inputs = CAT.toBase64();
  assertEquals((await ask({ inputs, parameters: { top_k: 1 } })).length, 1);
  assertEquals((await ask({ inputs, parameters: { top_k: 99 } })).length, 10);
  const logits = await ask({ inputs, parameters: { function_to_apply: "none", top_k: 10 } });
  // The soft-max of the logits is the score. Logits are float32: 2^-24 of some 10, through exp().
  const sum = logits.reduce((sum, { score }) => sum + Math.exp(score), 0);
  assertAlmostEquals(Math.exp(logits[0].score) / sum, CAT_SCORES[3], 1e-6);
  const sigmoid = await ask({ inputs, parameters: { function_to_apply: "sigmoid" } });
  assertAlmostEquals(sigmoid[0].score, 1 / (1 + Math.exp(-logits[0].score)), 1e-12);
});

Deno.test("wrong parameters and several images are refused", async () => {
  const inputs = CAT.toBase64();
  for (
    const [body, status, message] of [
      [{ inputs, parameters: { top_k: "2" } }, 422, "top_k"],
      [{ inputs, parameters: { top_k: 0 } }, 422, "top_k must be an integer"],
      [{ inputs, parameters: { function_to_apply: "relu" } }, 422, '"softmax", "sigmoid", "none"'],
      [{ inputs: [inputs, inputs] }, 400, "one image"],
      [{ inputs: 3 }, 400, "as a text"],
    ] as const
  ) {
    const response = await service.fetch(postJson("/", body));
    assertEquals(response.status, status);
    assertStringIncludes((await response.json()).error, message);
  }
});

devTest("Hugging Face's own client reads the answers and the errors", {
  file: import.meta.url,
  packages: ["@huggingface/inference"],
}, async (packages) => {
  // deno-lint-ignore no-explicit-any -- the package is not downloaded for the type check
  const { imageClassification, InferenceClient } = packages["@huggingface/inference"] as any;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, service.fetch);
  try {
    const endpointUrl = `http://127.0.0.1:${server.addr.port}`;
    const data = new Blob([CAT], { type: "image/png" });
    const [best] = await imageClassification({ data, endpointUrl });
    assertEquals(best, { label: "cat", score: CAT_SCORES[3] });
    const client = new InferenceClient("hf_none", { endpointUrl });
    // Of image classification the client sends the bytes alone: `parameters` stay with it.
    assertEquals((await client.imageClassification({ inputs: data })).length, 5);
    const bad = new Blob(["not an image"]);
    await assertRejects(
      () => imageClassification({ data: bad, endpointUrl }),
      Error,
      "JPEG, PNG",
    );
  } finally {
    await server.shutdown();
  }
});

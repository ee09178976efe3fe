/**
 * What the service answers, held to its own description: every route in every form that it says.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { faultsOf, type Schema } from "../../support/json_schema.ts";
import { CAT, get, post, postJson, testService } from "../../support/http_service.ts";
import { CIFAR10 } from "../../support/cifar10.ts";

interface Operation {
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema?: Schema }>> }>
  >;
}
interface Description {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

const service = testService();
const description: Description = await (await service.fetch(get("/openapi.json"))).json();
// It is ready once it has its model.
await (await service.fetch(post("/classify", CAT))).body?.cancel();
const find = (ref: string): Schema => description.components.schemas[ref.split("/").at(-1)!]!;

const BASE64 = CAT.toBase64();
const JSON_ALONE = { accept: "application/json" };
const INPUT = { name: "image", shape: [1], datatype: "BYTES", data: [BASE64] };

/** A picture, and what is none. */
function files(): FormData {
  const form = new FormData();
  form.append("file", new File([CAT], "cat.png"));
  form.append("file", new File(["no picture"], "none.png"));
  return form;
}

/** The good answers, by operation: as many requests as it has forms of them. */
const REQUESTS: Readonly<Record<string, readonly Request[]>> = {
  "get /": [get("/", { accept: "text/html" })],
  "post /": [post("/", CAT), postJson("/", { inputs: BASE64, parameters: { top_k: 2 } })],
  "get /page.js": [get("/page.js")],
  "get /openapi.json": [get("/openapi.json")],
  "post /classify": [
    post("/classify", CAT),
    post("/classify?topK=2&crops=ten", CAT),
    post("/classify", files()),
    postJson("/classify", { inputs: [BASE64, BASE64] }),
  ],
  "post /embed": [
    post("/embed", CAT),
    post("/embed?layer=pool5&pooling=avg&normalize=true", CAT),
    post("/embed", files()),
  ],
  "post /explain": [
    post("/explain", CAT),
    post("/explain?method=score-map&scale=64", CAT, JSON_ALONE),
    post("/explain?label=dog", CAT, JSON_ALONE),
  ],
  "post /models/{model}": [post(`/models/${CIFAR10}`, CAT)],
  "get /v2": [get("/v2")],
  "get /v2/models/{model}": [get(`/v2/models/${CIFAR10}`)],
  "get /v2/models/{model}/versions/{version}": [get(`/v2/models/${CIFAR10}/versions/1`)],
  "get /v2/models/{model}/ready": [get(`/v2/models/${CIFAR10}/ready`)],
  "get /v2/models/{model}/versions/{version}/ready": [
    get(`/v2/models/${CIFAR10}/versions/1/ready`),
  ],
  "post /v2/models/{model}/infer": [
    postJson(`/v2/models/${CIFAR10}/infer`, { id: "7", inputs: [INPUT] }),
  ],
  "post /v2/models/{model}/versions/{version}/infer": [
    postJson(`/v2/models/${CIFAR10}/versions/1/infer`, { inputs: [INPUT] }),
  ],
  "get /v2/health/live": [get("/v2/health/live")],
  "get /v2/health/ready": [get("/v2/health/ready")],
  "get /livez": [get("/livez")],
  "get /readyz": [get("/readyz")],
  "get /metrics": [get("/metrics")],
};

const operations = Object.entries(description.paths).flatMap(([path, item]) =>
  Object.entries(item).filter(([key]) => key !== "parameters").map(
    ([method, operation]) => [`${method} ${path}`, operation] as const,
  )
);

/** Holds an answer to what is said of its status. @returns The type of its contents. */
async function check(what: string, operation: Operation, response: Response): Promise<string> {
  const said = operation.responses[response.status] ??
    (response.ok ? undefined : operation.responses.default);
  assert(said !== undefined, `${what} answers ${response.status}, which it does not say`);
  const type = response.headers.get("content-type")?.split(";")[0] ?? "";
  const body = await response.text();
  if (said.content === undefined) return "";
  const content = said.content[type];
  assert(content !== undefined, `${what} answers ${type}, which it does not say`);
  if (type.endsWith("json")) {
    assertEquals(faultsOf(JSON.parse(body), content.schema ?? {}, find), [], what);
  }
  return type;
}

for (const [what, operation] of operations) {
  Deno.test(`${what} answers in every form that its description has, and in no other`, async () => {
    const requests = REQUESTS[what] ?? [];
    const types = new Set<string>();
    for (const request of requests) {
      const response = await service.fetch(request);
      assertEquals(response.status, 200, what);
      types.add(await check(what, operation, response));
    }
    assertEquals(
      [...types].sort(),
      Object.keys(operation.responses[200]!.content ?? { "": 0 }).sort(),
    );
  });
}

Deno.test("what is wrong is answered as the description says of every operation that takes a body", async () => {
  for (const [what, operation] of operations.filter(([what]) => what.startsWith("post "))) {
    const path = what.slice(5).replace("{model}", CIFAR10).replace("{version}", "1");
    for (
      const request of [
        post(path, "no picture"),
        postJson(path, { inputs: 5 }),
        postJson(path, {}),
        post(`${path}?topk=5`, CAT),
        post(path.replace(CIFAR10, "none"), ""),
      ]
    ) {
      const response = await service.fetch(request);
      if (!response.ok) {
        assertEquals(await check(what, operation, response), "application/problem+json");
      } else await response.body?.cancel();
    }
  }
});

Deno.test("a schema finds what does not fit", () => {
  const faults = (value: unknown, schema: Schema): number => faultsOf(value, schema, find).length;
  const prediction = { label: "cat", score: 0.5, index: 3 };
  assertEquals(faults([prediction], { $ref: "#/components/schemas/Predictions" }), 0);
  for (
    const wrong of [{ ...prediction, score: "0.5" }, { label: "cat", score: 1 }, {
      ...prediction,
      index: 0.5,
    }, "cat"]
  ) {
    assert(
      faults([wrong], { $ref: "#/components/schemas/Predictions" }) > 0,
      JSON.stringify(wrong),
    );
  }
  assertEquals(faults(5, { type: "integer", minimum: 5, maximum: 5 }), 0);
  assertEquals(faults(5, { type: "integer", minimum: 6 }), 1);
  assertEquals(faults("a", { oneOf: [{ type: "string" }, { const: "a" }] }), 1);
});

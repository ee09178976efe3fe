import { assertEquals, assertStringIncludes } from "@std/assert";
import { CAT, post, testService } from "../../support/http_service.ts";

const service = testService();
const JSON_TYPE = { "content-type": "application/json" };
const INFER = "/v2/models/vgg16-cifar10/infer";

async function problemOf(
  path: string,
  body: BodyInit,
  headers: HeadersInit = JSON_TYPE,
): Promise<[code: string, detail: string]> {
  const response = await service.fetch(post(path, body, headers));
  const { code, detail } = await response.json();
  return [code, detail];
}

Deno.test("JSON that would cost much more than its bytes is refused before it is parsed", async () => {
  const greedy: [body: string, detail: string][] = [
    ["[".repeat(33), "Expected JSON nested at most 32 deep"],
    ['{"a":'.repeat(33), "Expected JSON nested at most 32 deep"],
    ["[" + "{},".repeat(10_001), "Expected JSON of at most 10000 objects and names"],
    ['{"a":1' + ',"b":1'.repeat(10_000), "Expected JSON of at most 10000 objects and names"],
    ["[" + "[],".repeat(2 ** 20 + 2 ** 16), "Expected JSON of at most 1114112 lists"],
  ];
  for (const [body, expected] of greedy) {
    const [code, detail] = await problemOf("/classify", body);
    assertEquals(code, "bad-request");
    assertStringIncludes(detail, expected);
  }
});

Deno.test("JSON that costs as much as it may is left to the parser", async () => {
  // Each is cut off: it is refused for that, and not for what it costs.
  const most = [
    "[".repeat(32),
    '{"a":' + "{},".repeat(10_000 - 2),
    '{"a":1' + ',"b":1'.repeat(10_000 - 2),
    "[" + "[],".repeat(2 ** 20 + 2 ** 16 - 1),
  ];
  for (const body of most) {
    const [code, detail] = await problemOf("/classify", body);
    assertEquals(code, "bad-request");
    assertStringIncludes(detail, "The JSON is malformed");
  }
});

Deno.test("what stands in a JSON text does not count, whatever is before its quotes", async () => {
  const texts = ["[".repeat(100), '"' + "[".repeat(100), '\\"' + "[".repeat(100), "\\", '\\\\"'];
  for (const text of texts) {
    const body = JSON.stringify({ inputs: CAT.toBase64(), parameters: { note: text } });
    const response = await service.fetch(post("/", body, JSON_TYPE));
    assertEquals((await response.json())[0]?.label, "cat", text);
  }
});

Deno.test("a tensor's elements are counted while they are found", async () => {
  // The first one too many ends it, not the last, which is cut off.
  const parameters = { binary_data_size: 9 };
  const head = JSON.stringify({
    inputs: [{ name: "x", datatype: "BYTES", shape: [1], parameters }],
  });
  const [code, detail] = await problemOf(INFER, `${head}${"\0".repeat(8)}x`, {
    "inference-header-content-length": String(head.length),
  });
  assertEquals([code, detail], ["bad-request", 'Expected 1 elements of input "x", found more']);
});

Deno.test("an answer repeats no more than the beginning of a name, and no long id", async () => {
  const form = new FormData();
  form.append("f", new File([CAT], "a".repeat(2000)));
  const [{ file }] = await (await service.fetch(post("/classify", form))).json();
  assertEquals(file, "a".repeat(512));
  const [code, detail] = await problemOf(
    INFER,
    JSON.stringify({ id: "i".repeat(513), inputs: [{}] }),
  );
  assertEquals(code, "bad-request");
  assertStringIncludes(detail, "Expected an id of at most 512 characters, found 513");
});

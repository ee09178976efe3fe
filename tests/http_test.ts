import { assertEquals, assertStringIncludes } from "@std/assert";
import type { ClassifierInfo } from "../lib/classifier.ts";
import { createHandler, type HandlerOptions } from "../lib/http/handler.ts";
import { readImage } from "../lib/image/read.ts";

/** Decodes for real, and answers with the image's mean red as the score. */
const classifier = {
  info: { labels: ["red", "not red"] } as unknown as ClassifierInfo,
  async classify(image: Uint8Array) {
    const { data } = await readImage(image);
    let sum = 0;
    for (let i = 0; i < data.length; i += 3) sum += data[i];
    return [{ label: "red", score: sum / (data.length / 3) / 255, index: 0 }];
  },
} as unknown as HandlerOptions["classifier"];

const CAT = await Deno.readFile(new URL("data/photos/cat.png", import.meta.url));
const post = (body: BodyInit) => new Request("http://host/classify", { method: "POST", body });

Deno.test("POST /classify answers an image with predictions", async () => {
  const response = await createHandler({ classifier })(post(CAT));
  assertEquals(response.status, 200);
  const [{ label, score, index }] = await response.json();
  assertEquals([label, index], ["red", 0]);
  // By a PNG decoder written for this check in Python (zlib and numpy), from the same file.
  assertEquals(score.toFixed(6), "0.579110");
});

Deno.test("GET / says what this is", async () => {
  const response = await createHandler({ classifier })(new Request("http://host/"));
  assertEquals(response.status, 200);
  assertStringIncludes(await response.text(), "@edge/vgg16");
});

Deno.test("a body above maxBodyBytes is refused", async () => {
  const response = await createHandler({ classifier, maxBodyBytes: 1000 })(post(CAT));
  assertEquals(response.status, 413);
  assertStringIncludes((await response.json()).error, "1000 bytes");
});

Deno.test("a body that is no image is a 422 that says what was found", async () => {
  const response = await createHandler({ classifier })(post("hello"));
  assertEquals(response.status, 422);
  assertStringIncludes((await response.json()).error, 'found text that starts with "hello"');
});

Deno.test("other paths and methods are refused", async () => {
  const handler = createHandler({ classifier });
  assertEquals((await handler(new Request("http://host/nothing"))).status, 404);
  assertEquals((await handler(new Request("http://host/classify"))).status, 405);
});

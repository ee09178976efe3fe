import { assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import {
  BOATS,
  CAT,
  cifar10Classifier,
  get,
  post,
  postJson,
  standIn,
  testService,
} from "../../support/http_service.ts";
import { readImage } from "../../../lib/image/read.ts";

const service = testService();
const MODEL = "/v2/models/vgg16-cifar10";
const classifier = await cifar10Classifier();
const [CAT_SCORES, BOATS_SCORES] = await classifier.scores([CAT, BOATS]);

interface Output {
  readonly name: string;
  readonly datatype: string;
  readonly shape: number[];
  readonly data: (string | number)[];
}

async function infer(
  body: unknown,
): Promise<{ id?: string; outputs: Output[]; status: number; error: string }> {
  const response = await service.fetch(postJson(`${MODEL}/infer`, body));
  return { ...await response.json(), status: response.status };
}

const image = (data: unknown[], shape = [data.length]) => ({
  inputs: [{ name: "image", datatype: "BYTES", shape, data }],
});

Deno.test("server, model and health answer as the protocol has it", async () => {
  const server = await (await service.fetch(get("/v2"))).json();
  assertEquals([server.name, server.extensions], ["@edge/vgg16", ["binary_tensor_data"]]);
  const model = await (await service.fetch(get(MODEL))).json();
  assertEquals(model.name, "vgg16-cifar10");
  assertEquals(model.inputs[1], { name: "pixels", datatype: "UINT8", shape: [-1, -1, -1, 3] });
  for (const path of ["/v2/health/live", "/v2/health/ready", `${MODEL}/ready`]) {
    const response = await service.fetch(get(path));
    await response.body?.cancel();
    assertEquals(response.status, 200, path);
  }
  for (const path of ["/v2/models/other", "/v2/models/other/ready"]) {
    const response = await service.fetch(get(path));
    assertEquals(response.status, 404);
    assertStringIncludes((await response.json()).error, 'no model "other"');
  }
});

Deno.test("a batch of base64 files gives labels, scores and indices, row by row", async () => {
  const result = await infer({
    id: "42",
    parameters: { top_k: 2 },
    ...image([CAT.toBase64(), BOATS.toBase64()]),
  });
  assertEquals(result.id, "42");
  const [label, score, index] = result.outputs;
  assertEquals([label.name, label.datatype, label.shape], ["label", "BYTES", [2, 2]]);
  assertEquals([label.data[0], label.data[2]], ["cat", "ship"]);
  assertEquals([score.datatype, index.datatype], ["FP32", "INT32"]);
  assertEquals([score.data[0], score.data[2]], [CAT_SCORES[3], BOATS_SCORES[8]]);
  assertEquals([index.data[0], index.data[2]], [3, 8]);
});

Deno.test("pixels as UINT8 or FP32, flat or nested, give what the file gives", async () => {
  const { data, width, height } = await readImage(CAT);
  const shape = [1, height, width, 3];
  const nested = [
    Array.from({ length: height }, (_, y) =>
      Array.from(
        { length: width },
        (_, x) => [...data.subarray((y * width + x) * 3).subarray(0, 3)],
      )),
  ];
  for (
    const [datatype, values] of [["UINT8", [...data]], ["FP32", [...data]], ["UINT8", nested]]
  ) {
    const { outputs } = await infer({
      inputs: [{ name: "pixels", datatype, shape, data: values }],
    });
    assertEquals([outputs[0].data[0], outputs[1].data[0]], ["cat", CAT_SCORES[3]]);
  }
});

Deno.test("binary tensors follow the JSON, as Triton's clients send them", async () => {
  const send = async (
    input: Record<string, unknown>,
    binary: Uint8Array,
    size: unknown = binary.length,
  ) => {
    const json = new TextEncoder().encode(JSON.stringify({
      inputs: [{ ...input, parameters: { binary_data_size: size } }],
    }));
    const body = new Uint8Array([...json, ...binary]);
    const response = await service.fetch(post(`${MODEL}/infer`, body, {
      "inference-header-content-length": String(json.length),
      "content-type": "application/octet-stream",
    }));
    return await response.json();
  };
  const element = new Uint8Array(4 + CAT.length);
  new DataView(element.buffer).setUint32(0, CAT.length, true);
  element.set(CAT, 4);
  const files = await send({ name: "image", datatype: "BYTES", shape: [1] }, element);
  assertEquals(files.outputs[1].data[0], CAT_SCORES[3]);

  const { data, width, height } = await readImage(CAT);
  const shape = [1, height, width, 3];
  const floats = new Uint8Array(Float32Array.from(data).buffer);
  const pixels = await send({ name: "pixels", datatype: "FP32", shape }, floats);
  assertEquals(pixels.outputs[1].data[0], CAT_SCORES[3]);
  const short = await send(
    { name: "image", datatype: "BYTES", shape: [1] },
    element.subarray(0, 99),
  );
  assertStringIncludes(short.error, "ends within an element");
  for (const size of [element.length - 1, element.length + 1, String(element.length), null]) {
    const other = await send({ name: "image", datatype: "BYTES", shape: [1] }, element, size);
    const words = `Expected ${JSON.stringify(size)} bytes of input "image" after the JSON`;
    assertStringIncludes(other.error, words);
  }
});

Deno.test("outputs can be chosen, and scores of all labels sum to 1", async () => {
  const { outputs } = await infer({
    ...image([CAT.toBase64()]),
    parameters: { top_k: 10 },
    outputs: [{ name: "score" }],
  });
  assertEquals(outputs.map(({ name, shape }) => [name, shape]), [["score", [1, 10]]]);
  // Ten float64 of at most 1 are summed: the rounding is some 1e-16 each.
  assertAlmostEquals(outputs[0].data.reduce((sum: number, x) => sum + Number(x), 0), 1, 1e-12);
});

Deno.test("wrong requests say what was expected", async () => {
  const pixels = (shape: number[], data: unknown[], datatype = "UINT8") => ({
    inputs: [{ name: "x", datatype, shape, data }],
  });
  const wrong: [unknown, number, string][] = [
    [{}, 400, "inputs to be a list of one tensor"],
    [{ inputs: [] }, 400, "inputs to be a list of one tensor"],
    [{ inputs: [null] }, 400, "{name, datatype, shape, data}"],
    [image([1]), 400, "base64"],
    [image(["%%%"]), 400, "base64"],
    [image([CAT.toBase64()], [2]), 400, "Expected 2 elements"],
    [image([btoa("no image")]), 415, "JPEG, PNG"],
    [pixels([1, 2, 2, 3], [1, 2]), 400, "Expected 12 values"],
    [pixels([1, 2, 2, 4], Array(16).fill(0)), 400, "[N, H, W, 3]"],
    [pixels([1, 1, 1, 3], [0, 0, 256]), 400, "from 0 to 255"],
    [pixels([1, 1, 1, 3], [0, 0, "x"], "FP32"), 400, "from 0 to 255"],
    [pixels([1, 1, 1, 3], [0, 0, 0], "FP64"), 400, "BYTES, UINT8 or FP32"],
    [pixels([2147483647, 2147483647, 2147483647, 3], [0]), 400, "values"],
    [{ ...image([CAT.toBase64()]), outputs: [{ name: "logits" }] }, 400, "label, score or index"],
    [{ ...image([CAT.toBase64()]), parameters: { top_k: 0 } }, 422, "topK"],
    [image(Array(17).fill(CAT.toBase64())), 413, "at most 16"],
  ];
  for (const [body, status, message] of wrong) {
    const result = await infer(body);
    assertEquals(result.status, status, result.error);
    assertStringIncludes(result.error, message);
  }
});

Deno.test("when one image of a request fails, nothing is done for the others any more", async () => {
  const seen: number[] = [];
  const classifier = standIn((images) => {
    seen.push(...images);
    if (images.includes(0)) return Promise.reject(new Error("no such image"));
    return Promise.resolve(images.map(() => 0.5));
  });
  const service = testService({ classifier, maxBatch: 1 });
  const statusOf = async (images: readonly number[]): Promise<number> => {
    const data = images.map((first) => Uint8Array.of(first).toBase64());
    const response = await service.fetch(postJson("/v2/models/stand-in/infer", image(data)));
    await response.body?.cancel();
    return response.status;
  };
  assertEquals([await statusOf([0, 1, 2]), await statusOf([3])], [500, 200]);
  assertEquals(seen, [0, 3]);
});

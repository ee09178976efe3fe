/** No key and no value of anyone's JSON is taken for what objects have by themselves. */

import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { Budget } from "../lib/convert/formats/budget.ts";
import { openCheckpoint } from "../lib/convert/formats/open_checkpoint.ts";
import { OUTPUTS_LAST } from "../lib/convert/formats/checkpoint.ts";
import { numpyTensor } from "../lib/convert/formats/numpy/npy.ts";
import type { Graph } from "../lib/convert/formats/graph.ts";
import { buildGraph } from "../lib/convert/formats/keras/build_graph.ts";
import { DescriptionError, readDescription } from "../lib/convert/formats/keras/description.ts";
import { understand } from "../lib/convert/network/understand.ts";
import { CheckpointFormatError } from "../lib/errors.ts";
import { BytesSource, FileSource } from "../lib/io/byte_source.ts";
import { findModel } from "../lib/model/catalog.ts";
import { classesOf, findClass } from "../lib/model/classes.ts";
import { parseModelDocument } from "../lib/model/document.ts";
import { readSafetensorsHeader } from "../lib/model/safetensors.ts";
import { checkOptions, CONVERT_OPTIONS, readOptions, SELECTION_OPTIONS } from "../lib/options.ts";
import { settingsFromEnv } from "../lib/http/server/settings.ts";
import type { SelectionOptions } from "../lib/output/predictions.ts";
import { CAT, post, testService } from "./support/http_service.ts";
import { OBJECT_NAMES, poisoned } from "./support/poisoned_json.ts";
import { CIFAR10_FILE } from "./support/cifar10.ts";

const FIXTURES = new URL("fixtures/checkpoints/", import.meta.url);

/** Reads it, or refuses it by the error that says so. */
async function readOrRefuse(read: () => unknown, text: string): Promise<void> {
  try {
    await read();
  } catch (error) {
    assertInstanceOf(error, CheckpointFormatError, `${text.slice(0, 3000)}\n${error}`);
  }
}

Deno.test("a TensorFlow.js model with poisoned JSON is read or refused", async () => {
  const folder = new URL("tfjs_uint8/", FIXTURES);
  const model = JSON.parse(await Deno.readTextFile(new URL("model.json", folder)));
  const [group] = model.weightsManifest, { paths } = group;
  // The first layer stands for the others.
  const short = {
    ...model,
    weightsManifest: [{ ...group, weights: group.weights.slice(0, 2) }],
  };
  for (const text of poisoned(short)) {
    await readOrRefuse(async () => {
      const source = new BytesSource(new TextEncoder().encode(text), "model.json");
      const sibling = () => Promise.resolve(new FileSource(new URL(paths[0], folder)));
      const checkpoint = await openCheckpoint(source, {
        openSibling: sibling,
        budget: new Budget("model.json", source.size),
      });
      try {
        await understand(checkpoint, "model.json", {});
      } finally {
        checkpoint.close();
      }
    }, text);
  }
});

/** Layers of each kind, as Keras 2 and 3 write them. */
const LAYERS = [
  { class_name: "InputLayer", config: { name: "in", batch_input_shape: [null, 32, 32, 3] } },
  {
    class_name: "Conv2D",
    config: { name: "conv", kernel_size: [3, 3], strides: 1, padding: "same", filters: 8 },
  },
  { class_name: "BatchNormalization", config: { name: "norm", axis: [3], epsilon: 1e-3 } },
  { class_name: "ReLU", config: { name: "relu", max_value: null, negative_slope: 0 } },
  { class_name: "MaxPooling2D", config: { name: "pool", pool_size: [2, 2], strides: null } },
  { class_name: "Rescaling", config: { name: "scale", scale: [1, 2, 3], offset: 0 } },
  { class_name: "Resizing", config: { name: "size", height: 32, width: 32 } },
  { class_name: "Normalization", config: { name: "mean", axis: [-1], mean: [1], variance: [2] } },
  { class_name: "ZeroPadding2D", config: { name: "zeros", padding: [[1, 1], [1, 1]] } },
  { class_name: "Permute", config: { name: "turn", dims: [3, 1, 2] } },
  { class_name: "Reshape", config: { name: "shape", target_shape: [-1] } },
  { class_name: "Dense", config: { name: "dense", units: 8, activation: "softmax" } },
];
const OPERATIONS = [
  LAYERS[0],
  {
    class_name: "GetItem",
    config: { name: "item" },
    inbound_nodes: [{
      args: [
        { class_name: "__keras_tensor__", config: { keras_history: ["in", 0, 0] } },
        [{ class_name: "__ellipsis__", config: {} }, { class_name: "__slice__", config: {} }],
      ],
      kwargs: {},
    }],
  },
  {
    class_name: "TFOpLambda",
    config: { name: "op", function: "math.subtract" },
    inbound_nodes: [["item", 0, 0, { y: [1, 2, 3] }]],
  },
];
const PLACES = { input_layers: [["in", 0, 0]], output_layers: [["op", 0, 0]] };

Deno.test("Keras' description with poisoned JSON is read or refused", async () => {
  const weight = { name: "w", shape: [3, 3, 8, 8], layout: OUTPUTS_LAST, read: () => {} };
  const names = ["kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"];
  const weights = Object.fromEntries(names.map((name) => [name, weight]));
  const read = (text: string): Graph | undefined => {
    const model = readDescription(JSON.parse(text));
    return model && buildGraph(model, () => weights, "m.h5");
  };
  const refusing = (text: string) => (): void => {
    try {
      read(text);
    } catch (error) {
      if (!(error instanceof DescriptionError)) throw error;
    }
  };
  for (const layer of LAYERS.slice(1)) {
    const sound = { class_name: "Sequential", config: { layers: [LAYERS[0], layer] } };
    assert(read(JSON.stringify(sound))!.nodes.length > 1);
    for (const text of poisoned(sound)) await readOrRefuse(refusing(text), text);
  }
  const sound = { class_name: "Functional", config: { layers: OPERATIONS, ...PLACES } };
  const kinds = read(JSON.stringify(sound))!.nodes.map(({ operator }) => operator.kind);
  assertEquals(kinds, ["input", "identity", "affine"]);
  for (const text of poisoned(sound)) await readOrRefuse(refusing(text), text);
});

Deno.test("a model's document and a header with poisoned JSON are read or refused", async () => {
  const file = new FileSource(CIFAR10_FILE);
  const { metadata, bytes } = await readSafetensorsHeader(file);
  file.close();
  for (const json of Object.values(metadata)) {
    let document: unknown;
    try {
      document = JSON.parse(json);
    } catch {
      continue;
    }
    for (const text of poisoned(document)) {
      await readOrRefuse(() => parseModelDocument(text, "m.safetensors"), text);
    }
  }
  const { __metadata__: _, ...all } = JSON.parse(new TextDecoder().decode(bytes.subarray(8)));
  const header = Object.fromEntries(Object.entries(all).slice(0, 1));
  for (const text of poisoned({ __metadata__: { format: "pt" }, ...header })) {
    const json = new TextEncoder().encode(text), whole = new Uint8Array(8 + json.length);
    new DataView(whole.buffer).setBigUint64(0, BigInt(json.length), true);
    whole.set(json, 8);
    await readOrRefuse(() => readSafetensorsHeader(new BytesSource(whole, "m")), text);
  }
});

Deno.test("numpy's types are no names of objects", () => {
  const source = new BytesSource(new Uint8Array(8), "x.npz");
  const array = { name: "a", isFortran: false, shape: [1], dataOffset: 0, end: 8 };
  for (const name of OBJECT_NAMES) {
    assertEquals(numpyTensor(source, { ...array, descr: `<${name}` }, OUTPUTS_LAST), undefined);
  }
});

Deno.test("requests with poisoned JSON are answered, and none fails the service", async () => {
  const service = testService();
  await service.warmUp();
  const image = CAT.toBase64();
  const tensor = { name: "image", datatype: "BYTES", shape: [1], data: [image] };
  const pixels = { name: "pixels", datatype: "FP32", shape: [1, 1, 1, 3], data: [1, 2, 3] };
  const parameters = { top_k: 2 }, outputs = [{ name: "label" }];
  const binary = { ...pixels, parameters: { binary_data_size: 12 } };
  const bodies: [path: string, body: unknown][] = [
    ["/", { inputs: image, parameters: { ...parameters, function_to_apply: "none" } }],
    ["/classify", { inputs: [image] }],
    ["/classify", { url: ["http://a.test/"] }],
    ["/v2/models/vgg16-cifar10/infer", { id: "1", inputs: [tensor], parameters, outputs }],
    ["/v2/models/vgg16-cifar10/infer", { inputs: [pixels] }],
    ["/v2/models/vgg16-cifar10/infer", { inputs: [binary] }],
  ];
  for (const [path, body] of bodies) {
    for (const text of poisoned(body)) {
      const headers = { "content-type": "application/json" };
      const response = await service.fetch(post(path, text, headers));
      await response.body?.cancel();
      assert(response.status < 500, `${path} ${response.status}: ${text.slice(0, 300)}`);
    }
  }
});

Deno.test("names of objects are no names of anything else", async () => {
  const classes = classesOf({ labels: ["cat", "dog"] });
  const named = (name: string): Record<string, number> => Object.fromEntries([[name, 1]]);
  const service = testService();
  for (const name of OBJECT_NAMES) {
    assertEquals(findModel(name), undefined);
    assertThrows(() => findClass(name, classes), RangeError, "has no label");
    assertThrows(
      () => checkOptions<SelectionOptions>(SELECTION_OPTIONS, named(name)),
      RangeError,
      "There is no",
    );
    assertThrows(() => readOptions(SELECTION_OPTIONS, [[name, "1"]], "parameter"), RangeError);
    assertThrows(() => settingsFromEnv(Object.fromEntries([[`VGG16_${name}`, "1"]])), RangeError);
    for (const path of [`/classify?${name}=1`, `/classify?allow=${name}`, `/models/${name}`]) {
      const response = await service.fetch(post(path, CAT));
      await response.body?.cancel();
      assert(response.status < 500, `${path}: ${response.status}`);
      if (path.includes("?")) assertEquals(response.status, 422, path);
    }
  }
});

Deno.test("a class may be called as objects' names are", async () => {
  const form = new FormData();
  for (const name of OBJECT_NAMES) form.append(name, new File([CAT], name));
  const service = testService({ maxImages: OBJECT_NAMES.length });
  const response = await service.fetch(
    new Request("http://host/classify", { method: "POST", body: form }),
  );
  assertEquals((await response.json()).map(({ file }: { file: string }) => file), OBJECT_NAMES);
  const classes = classesOf({ labels: OBJECT_NAMES });
  assertEquals(OBJECT_NAMES.map((name) => findClass(name, classes).label), [...OBJECT_NAMES]);
});

Deno.test("what is no object of options is refused, and not looked through for options", () => {
  for (const given of [AbortSignal.abort(), [], "topK", 5, null, () => {}]) {
    const check = () => checkOptions(SELECTION_OPTIONS, given as SelectionOptions);
    assertThrows(check, TypeError, "Expected an object of options: found");
  }
});

Deno.test("an option that is an object without a text is shown in the error", () => {
  const none = { toString: 1, valueOf: 1 };
  for (const labels of [none, [none], [[none]], [Object.create(null)], [Symbol("s")]]) {
    const options = { labels } as unknown as { labels: string[] };
    assertThrows(() => checkOptions(CONVERT_OPTIONS, options), RangeError, "labels must be");
  }
  const options = { topK: [none] } as unknown as { topK: number };
  assertThrows(() => checkOptions(SELECTION_OPTIONS, options), RangeError, "topK must be");
});

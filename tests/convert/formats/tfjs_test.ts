import { assert, assertEquals, assertRejects } from "@std/assert";
import { convert } from "../../../lib/convert/convert.ts";
import { graphOfJson } from "../../../lib/convert/formats/tensorflow/json_graph.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { checkpointLogits, CHECKPOINTS } from "../../support/checkpoint_logits.ts";

const FIXTURES = new URL("tfjs/", CHECKPOINTS);

/** TensorFlow.js and Keras compute in float32, this test in float64. */
const TOLERANCE = 1e-4;

async function jsonOf(file: string) {
  return JSON.parse(await Deno.readTextFile(new URL(file, FIXTURES)));
}

const TOOLS = { saved: "TensorFlow.js", converted: "Keras, whose converter wrote it" };

for (const [folder, tool] of Object.entries(TOOLS)) {
  Deno.test(`a ${folder} model of TensorFlow.js is read: the logits are those of ${tool}`, async () => {
    const { logits: expected, head } = await jsonOf(`${folder}.json`);
    const { network, logits, chosen } = await checkpointLogits(
      new URL(`${folder}/model.json`, FIXTURES),
    );
    assertEquals(network.architecture.configuration, "A");
    assertEquals(network.architecture.head ?? "softmax", head);
    assertEquals(network.assumptions, []);
    assertEquals(chosen.from, "read");
    const largest = Math.max(...expected.map(Math.abs));
    assertEquals(logits.length, expected.length);
    for (const [i, logit] of logits.entries()) {
      const error = Math.abs(logit - expected[i]) / largest;
      assert(error < TOLERANCE, `logit ${i}: ${logit}, ${tool} has ${expected[i]}`);
    }
  });
}

/** Converts what a browser saved, after a change. */
async function convertChanged(change: (model: Json) => void): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    const model = await jsonOf("saved/model.json");
    change(model);
    await Deno.writeTextFile(`${folder}/model.json`, JSON.stringify(model));
    const weights = "model.weights.bin";
    await Deno.copyFile(new URL(`saved/${weights}`, FIXTURES), `${folder}/${weights}`);
    await convert(`${folder}/model.json`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

// deno-lint-ignore no-explicit-any -- it is changed in any place
type Json = any;

const REFUSALS:
  readonly (readonly [what: string, change: (model: Json) => void, message: string])[] = [
    ...[
      "../model.weights.bin",
      "./../model.weights.bin",
      "a/model.weights.bin",
      "././x",
      "C:model.weights.bin",
      "./..",
      ".",
    ]
      .map((path) =>
        [
          `a shard ${path}`,
          (model: Json) => model.weightsManifest[0].paths = [path],
          `shard "${path}" is no file name`,
        ] as const
      ),
    ["a layer of another class", (model) => {
      model.modelTopology.config.layers[1].class_name = "LayerNormalization";
    }, "The LayerNormalization rescaling_Rescaling1 of"],
    ["a layer without a class", (model) => {
      delete model.modelTopology.config.layers[1].class_name;
    }, "a layer has no class"],
    ["a layer that takes what is not there", (model) => {
      model.modelTopology.config.layers[1].inbound_nodes = [[["nowhere", 0, 0, {}]]];
    }, "nothing gives what activation_Activation1 should"],
    ["a layer whose weights are not there", (model) => {
      model.weightsManifest[0].weights[0].name = "other/kernel";
    }, "a Conv2D, whose kernel is not among the weights"],
    [
      "layers where a graph is said to be",
      (model) => model.format = "graph-model",
      "Expected convolutions with weights",
    ],
  ];

for (const [what, change, message] of REFUSALS) {
  Deno.test(`a model of TensorFlow.js with ${what} is refused`, async () => {
    await assertRejects(() => convertChanged(change), CheckpointFormatError, message);
  });
}

Deno.test("attributes of a graph as JSON are those of its protocol buffers", () => {
  const { nodes } = graphOfJson({
    node: [{
      name: "mean",
      op: "Mean",
      input: ["x", "^control"],
      attr: {
        keep_dims: { b: true },
        off: { b: false },
        T: { type: "DT_INT32" },
        axis: { i: "3" },
        ratio: { f: 0.5 },
        data_format: { s: btoa("NCHW") },
        none: { b: null },
        strides: { list: { i: ["1", 2] } },
        shape: { shape: { dim: [{ size: "-1" }, { size: 8 }] } },
      },
    }, { name: "no node" }],
  }, new Map());
  assertEquals([...nodes.keys()], ["mean"]);
  const { inputs, attributes } = nodes.get("mean")!;
  assertEquals(inputs, ["x"]);
  const ints = ["keep_dims", "off", "T", "axis", "none"].map((name) => attributes.get(name)!.int);
  assertEquals(ints, [1, 0, 3, 3, undefined]);
  assertEquals(attributes.get("ratio")!.float, 0.5);
  assertEquals(attributes.get("data_format")!.text, "NCHW");
  assertEquals(attributes.get("strides")!.ints, [1, 2]);
  assertEquals(attributes.get("shape")!.shape, [undefined, 8]);
});

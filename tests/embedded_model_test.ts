/** The model that comes with the package: what it is made of, and that it is what all take that name none. */

import { assert, assertEquals } from "@std/assert";
import { classify, loadClassifier } from "@edge/vgg16";
import type { LayerName } from "../lib/model/architecture.ts";
import { findClass } from "../lib/model/classes.ts";
import { openModel } from "../lib/model/file.ts";
import { resolveModel } from "../lib/open_model.ts";
import { defaultLabels, FILE } from "../tools/default_labels.ts";
import { makeModel, modelFile, withHead } from "../weights/make_model.ts";
import { gpuTest } from "./support/webgpu.ts";

const ID = "vgg16-imagenet200";
const photo = (name: string): URL => new URL(`data/photos/${name}`, import.meta.url);
const committed = await Deno.readFile(modelFile(ID));
const model = await openModel(committed);

Deno.test("classify() takes the embedded model, and it names a cat and a cup of coffee", async () => {
  assertEquals((await resolveModel(undefined)).id, ID);
  const found = await classify([photo("cat.png"), photo("coffee.png")], { topK: 1 });
  assertEquals(found.map(([{ label }]) => label), ["tabby cat", "espresso"]);
});

Deno.test("the embedded model's labels are those that the compiler knows", async () => {
  assertEquals(
    await Deno.readTextFile(FILE),
    defaultLabels(),
    "deno run --allow-read --allow-write=lib tools/default_labels.ts renews it",
  );
  await using classifier = await loadClassifier({ backend: "wasm", threads: 1 });
  const { classes } = classifier.info;
  const labels = classes.map(({ label }) => label);
  const known = [...defaultLabels().matchAll(/^ {2}\| (".*?");?$/gm)];
  assertEquals(labels.map((label) => JSON.stringify(label)), known.map(([, label]) => label));
  assertEquals(new Set(labels).size, 200);
  // People say one word or two, and WordNet's own are found as well.
  assertEquals(labels.filter((label) => label.split(" ").length > 2), []);
  const ids = classes.map(({ id }) => id!);
  assertEquals(ids, ids.toSorted());
  for (const name of ["lesser panda", "cat bear", "n02509815", "red panda"]) {
    assertEquals(findClass(name, classes).label, "red panda", name);
  }
});

/**
 * The first weight and the first bias of each convolution of the authors' VGG16, as others print them of
 * MatConvNet's file and of Keras' (weights/README.md).
 */
const FIRST: Readonly<Partial<Record<LayerName, readonly [weight: number, bias: number]>>> = {
  conv1_1: [0.42947057, 0.73429835],
  conv1_2: [0.16621928, -0.30912212],
  conv2_1: [-0.008902963, -0.04577766],
  conv2_2: [-0.0023012366, -0.06418542],
  conv3_1: [0.002486315, -0.074358866],
  conv3_2: [-0.0103266295, 0.019675018],
  conv3_3: [0.0024918285, 0.035415243],
  conv4_1: [-0.012453815, 0.013485669],
  conv4_2: [0.007116542, 0.023680462],
  conv4_3: [-0.0041355654, 0.03757768],
  conv5_1: [-0.0006068934, 0.09722325],
  conv5_2: [-0.0011261065, 0.21327873],
  conv5_3: [0.00040788297, 0.18837857],
};

/** The filter of the first channel of each layer. */
async function firstFilters(): Promise<Map<LayerName, Int8Array>> {
  const filters = new Map<LayerName, Int8Array>();
  for await (const { layer, data, first, count } of model.weights()) {
    if (first === 0) filters.set(layer, data.slice(0, data.length / count));
  }
  return filters;
}

Deno.test("the embedded model's convolutions begin as those of the authors' VGG16 do", async () => {
  const filters = await firstFilters();
  const convolutions = model.parameters.filter(({ name }) => name.startsWith("conv"));
  assertEquals(convolutions.map(({ name }) => name), Object.keys(FIRST));
  for (const { name, scale, bias } of convolutions) {
    const [weight, first] = FIRST[name]!;
    // The authors' colors begin with blue, the model's end with it.
    const value = filters.get(name)![name === "conv1_1" ? 2 : 0]! * scale[0]!;
    // Half a step of the quantization, and what float32 rounds.
    assert(
      Math.abs(value - weight) <= 0.5 * scale[0]! * (1 + 1e-6),
      `${name}: ${value}, ${weight}`,
    );
    assertEquals(bias[0], Math.fround(first), name);
  }
});

/** A float32 checkpoint, which is too large for the repository. */
const CHECKPOINT = new URL(
  "../../shared/checkpoints/vgg16_imagenet200.safetensors",
  import.meta.url,
);
const isAtHand = await Deno.stat(CHECKPOINT).then(() => true, () => false);
if (!isAtHand) {
  console.log(`skipped: the embedded model is not made again without ${CHECKPOINT.pathname}`);
}

Deno.test("the embedded model is what the converter makes of its checkpoint", {
  ignore: !isAtHand,
}, async () => {
  const checkpoint = await Deno.readFile(CHECKPOINT);
  const head = await Deno.readFile(new URL(`../weights/${ID}-head.safetensors`, import.meta.url));
  const bytes = await makeModel(ID, withHead(checkpoint, head));
  assertEquals(bytes.length, committed.length);
  assertEquals(bytes.findIndex((byte, at) => byte !== committed[at]), -1);
});

gpuTest("the embedded model gives the same bits on both engines", async () => {
  await using wasm = await loadClassifier({ backend: "wasm" });
  await using webgpu = await loadClassifier({ backend: "webgpu", tune: "off" });
  for (const layer of ["pool4", "average", "fc8"] as const) {
    const options = { layer };
    const image = photo("coffee.png");
    assertEquals(await webgpu.embed(image, options), await wasm.embed(image, options), layer);
  }
});

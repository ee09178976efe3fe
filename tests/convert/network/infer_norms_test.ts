import { assertEquals } from "@std/assert";
import { type CheckpointTensor, readAll } from "../../../lib/convert/formats/checkpoint.ts";
import type { Operator } from "../../../lib/convert/formats/graph.ts";
import { inferNetwork } from "../../../lib/convert/network/infer.ts";
import {
  BLOCKS_A,
  type Case,
  checkpointOf,
  convolutions,
  dense,
  features,
  HEAD,
  infer,
  keras,
  named,
  norm1d,
  refuse,
  type Shapes,
  sorted,
} from "../../support/tensor_lists.ts";

Deno.test("numbers tell whether batch normalization stands before the ReLU or after it", async () => {
  assertEquals(
    await infer(sorted([...features("A", { norm: "before" }), ...HEAD])),
    "32 cnrP cnrP cnrcnrP cnrcnrP cnrcnrP Fdrdrd",
  );
  assertEquals(
    await infer([...features("A", { norm: "after" }), ...HEAD]),
    "32 crnP crnP crncrnP crncrnP crncrnP Fdrdrd",
  );
});

Deno.test("modules between dense layers: two are a ReLU and dropout, one is asked for, none is a list or none", async () => {
  const of = (
    ...numbers: number[]
  ): Shapes => [...features("A"), ...dense("classifier", numbers, [12, 7, 9, 5])];
  assertEquals(await infer(of(1, 4, 7)), `32 ${BLOCKS_A}Fdrdrd`);
  // Dropout before each layer but the last.
  assertEquals(await infer(of(1, 4, 6)), `32 ${BLOCKS_A}Fdrdrd`);
  await refuse(of(0, 3, 5), {}, "classifier.3", "classifier.5", "--activation relu");
  await refuse(of(0, 1, 2), {}, "classifier.0", "classifier.1", "list", "--activation relu");
  assertEquals(await infer(of(0, 1, 2), { activation: "relu" }), `32 ${BLOCKS_A}Fdrdrd`);
  // A sequence: the last two have nothing between them.
  assertEquals(await infer(of(0, 3, 4), { activation: "relu" }), `32 ${BLOCKS_A}Fdrdd`);
  await refuse(of(0, 2, 4), {}, "classifier.0", "classifier.2", "--activation relu");
  assertEquals(await infer(of(0, 2, 4), { activation: "relu" }), `32 ${BLOCKS_A}Fdrdrd`);
});

Deno.test("norms that are declared behind all convolutions belong to these by their numbers", async () => {
  const all = convolutions("A");
  const network: Shapes = [
    ...all.map(({ shape }, n) => [`conv${n}.weight`, shape] as const),
    ...all.flatMap(({ outputs }, n) => norm1d(`bn${n}`, outputs)),
    ...dense("fc", [1, 2], [12, 7, 5]),
  ];
  const options = { order: "declared", norm: "before-relu", activation: "relu" } as const;
  const expected = "32 cnrP cnrP cnrcnrP cnrcnrP cnrcnrP Fdrd";
  assertEquals(await infer(network, options), expected);
  const fewer = network.filter(([name]) => !name.startsWith("bn3"));
  await refuse(fewer, options, "bn0", "7 normalizations");
});

Deno.test("batch normalization among the dense layers stands where its number says", async () => {
  const of = (norm: number, next: number): Shapes => [
    ...features("A"),
    ...dense("classifier", [0, next], [12, 7, 5]),
    ...norm1d(`classifier.${norm}`, 7),
  ];
  assertEquals(await infer(of(1, 3)), `32 ${BLOCKS_A}Fdnrd`);
  assertEquals(await infer(of(1, 4)), `32 ${BLOCKS_A}Fdnrd`);
  assertEquals(await infer(of(2, 3)), `32 ${BLOCKS_A}Fdrnd`);
  await refuse(of(2, 4), {}, "classifier.2", "--activation relu", "--norm before-relu");
  assertEquals(await infer(of(2, 4), { activation: "relu" }), `32 ${BLOCKS_A}Fdrnd`);
  assertEquals(await infer(of(2, 4), { norm: "before-relu" }), `32 ${BLOCKS_A}Fdnrd`);
});

Deno.test("batch normalization of a whole flattened map stands before the first dense layer", async () => {
  const apart: Shapes = [
    ...features("A"),
    ...norm1d("classifier.0", 48),
    ...dense("classifier", [1, 4], [48, 7, 5]),
  ];
  assertEquals(await infer(apart), `64 ${BLOCKS_A}Fndrd`);
  await refuse([...apart, ...norm1d("bn", 48)], {}, "classifier.0", "bn", "the same values");
  // By its size alone.
  const named: Shapes = [...features("A"), ...norm1d("bn", 48), ...dense("fc", [0, 3], [48, 7, 5])];
  assertEquals(await infer(named), `64 ${BLOCKS_A}Fndrd`);
  // One sequence of all: ReLU, pool and Flatten before it.
  const one: Shapes = [
    ...features("A", { name: "net" }),
    ...norm1d("net.22", 48),
    ...dense("net", [23, 26], [48, 7, 5]),
  ];
  assertEquals(await infer(one), `64 ${BLOCKS_A}Fndrd`);
  const plain: Shapes = [
    ...features("A", { name: "net", norm: "before" }),
    ...dense("net", [30, 33], [48, 7, 5]),
  ];
  assertEquals(await infer(plain), "64 cnrP cnrP cnrcnrP cnrcnrP cnrcnrP Fdrd");
});

Deno.test("without numbers the place of batch normalization is asked for", async () => {
  const network = convolutions("A").flatMap(({ shape, outputs }, i): [string, number[]][] => [
    [`conv${i + 1}.weight`, shape],
    ...norm1d(`bn${i + 1}`, outputs),
  ]);
  const both: Case[] = [{}, { order: "declared" }];
  for (const options of both) {
    await refuse([...network, ...HEAD], options, "bn1", "--norm before-relu");
    assertEquals(
      await infer([...network, ...HEAD], { ...options, norm: "before-relu" }),
      "32 cnrP cnrP cnrcnrP cnrcnrP cnrcnrP Fdrdrd",
    );
  }
});

Deno.test("a normalization that is a part of its convolution comes first", async () => {
  const network = convolutions("A").flatMap(({ shape, outputs }, i): [string, number[]][] => [
    [`conv${i + 1}/W`, shape],
    [`conv${i + 1}/bn/gamma`, [outputs]],
    [`conv${i + 1}/bn/mean/EMA`, [outputs]],
    [`conv${i + 1}/bn/variance/EMA`, [outputs]],
  ]);
  assertEquals(await infer([...network, ...HEAD]), "32 cnrP cnrP cnrcnrP cnrcnrP cnrcnrP Fdrdrd");
});

Deno.test("Keras' layers without weights tell where ReLUs are, and what a weights file cannot say", async () => {
  const network = convolutions("A").flatMap((
    { shape: [o, i, h, w], outputs },
    n,
  ): [string, number[]][] => [
    [`conv${n}.kernel`, [h!, w!, i!, o!]],
    ...["gamma", "beta", "moving_mean", "moving_variance"].map((
      part,
    ): [string, number[]] => [`bn${n}.${part}`, [outputs]]),
  ]);
  const head: Shapes = [["dense.kernel", [12, 7]], ["dense_1.kernel", [7, 5]]];
  const names = (
    ...of: string[]
  ): string[] => [
    "input_1",
    ...convolutions("A").flatMap((_, n) => of.map((name) => `${name}${n}`)),
    "flatten",
    "dense",
    "dense_1",
  ];
  const infer2 = (layerNames: string[]): Promise<string> =>
    infer([...network, ...head], { layout: "last", order: "declared", layerNames });
  const before = "32 cnrP cnrP cnrcnrP cnrcnrP cnrcnrP Fdrd", after = before.replaceAll("nr", "rn");
  assertEquals(await infer2(names("conv", "bn", "activation_")), before);
  assertEquals(await infer2(names("conv", "activation_", "bn")), after);
  assertEquals(await infer2(names("conv", "bn")), after);
  const infer3 = (layerNames: string[]) =>
    refuse([...network, ...head], { layout: "last", order: "declared", layerNames }, "rescaling");
  await infer3(["rescaling", ...names("conv", "bn", "re_lu_")]);
});

Deno.test("a normalization of the colors stands before the first convolution", async () => {
  // nn.BatchNorm2d(3), then the convolutions.
  const numbered: Shapes = [...norm1d("features.0", 3), ...features("A", { first: 1 }), ...HEAD];
  assertEquals(await infer(numbered), `32 n${BLOCKS_A}Fdrdrd`);
  // Keras' Normalization, which divides by the deviation itself.
  const adapted: Shapes = [
    ["normalization.mean", [1, 1, 1, 3]],
    ["normalization.variance", [1, 1, 1, 3]],
    ["normalization.count", [1]],
    ...features("A"),
    ...HEAD,
  ];
  assertEquals(await infer(adapted), `32 a${BLOCKS_A}Fdrdrd`);
  const { graph } = await inferNetwork(checkpointOf(adapted, {}), "x.h5", {});
  const step = graph.nodes[1]!.operator as Operator & { kind: "affine" };
  const [scale, shift] = await Promise.all(
    [step.scale, step.shift].map((tensor) => readAll(tensor as CheckpointTensor)),
  );
  // A mean of 0.25 and a variance of 0.5.
  const deviation = Math.fround(Math.sqrt(0.5));
  assertEquals([...scale], new Array(3).fill(Math.fround(1 / deviation)));
  assertEquals([...shift], new Array(3).fill(Math.fround(-0.25 / deviation)));
  await refuse(
    [...numbered, ...norm1d("input_norm", 3)],
    {},
    "features.0",
    "input_norm",
    "the same values",
  );
});

Deno.test("normalizations go with layers by their sizes, numbers and order, or are refused", async () => {
  const of = (block: number, index: number) => `conv${block}_${index}`;
  const network = named("A", of);
  const norms = convolutions("A").flatMap(({ block, index, outputs }) =>
    keras(`bn${block + 1}_${index + 1}`, outputs)
  );
  const normal = "cnrP cnrP cnrcnrP cnrcnrP cnrcnrP ";
  const head = dense("fc", [0, 3], [12, 7, 5]);
  const options: Case = { norm: "before-relu" };
  // Of all layers but the last, whatever their order in the file.
  const all = [...network, ...head, ...norms, ...keras("bn6_1", 7)];
  assertEquals(await infer(all.toReversed(), options), `32 ${normal}Fdnrd`);
  // Behind the layer that was declared last.
  const declared: Shapes = [
    ...convolutions("A").flatMap(({ block, index, shape, outputs }): [string, number[]][] => [
      [`${of(block + 1, index + 1)}.kernel`, shape],
      ...keras(`n${String(9 - block)}_${index}_x`, outputs),
    ]),
    ["fc1.kernel", [7, 12]],
    ...keras("last_norm", 7),
    ["fc2.kernel", [5, 7]],
  ];
  assertEquals(await infer(declared, { ...options, order: "declared" }), `32 ${normal}Fdnrd`);
  await refuse([...network, ...norms.slice(0, 12), ...HEAD], options, "normalizations", "bn1_1");
  await refuse([...network, ...norms, ...keras("other", 4), ...HEAD], options, "normalizations");
  const first: Shapes = [...keras("bn", 9), ...network, ...HEAD];
  await refuse(first, { ...options, order: "declared" }, "bn", "before all layers");
  const larger = features("A", { norm: "before" }).map(([name, shape]) =>
    [name, name.startsWith("features.1.") ? shape.map((size) => size + 1) : shape] as const
  );
  await refuse([...larger, ...HEAD], {}, "features.1", "5 numbers", "4 outputs");
  const twice = norm1d("features.0.bn", 4);
  await refuse(
    [...features("A", { norm: "before" }), ...twice, ...HEAD],
    {},
    "features.0",
    "another normalization",
  );
  const half: Shapes = [["features.1.running_mean", [4]]];
  await refuse([...features("A"), ...half, ...HEAD], {}, "features.1", "mean and a variance");
});

Deno.test("in one sequence of all, a normalization behind the last ReLU is that of its convolution", async () => {
  const net: Shapes = [
    ...features("A", { name: "net", norm: "after" }),
    ...dense("net", [30, 33], [12, 7, 5]),
  ];
  assertEquals(await infer(net), "32 crnP crnP crncrnP crncrnP crncrnP Fdrd");
});

import { assertEquals } from "@std/assert";
import { inferNetwork } from "../../../lib/convert/network/infer.ts";
import {
  BLOCKS_A,
  BLOCKS_D,
  checkpointOf,
  convolutions,
  features,
  HEAD,
  infer,
  norm1d,
  refuse,
  type Shapes,
  sorted,
} from "../../support/tensor_lists.ts";

Deno.test("names in other words: Frossard's, MXNet's, Chainer's, Paddle's, and a layer with its own norm", async () => {
  const of = (parts: (name: string, outputs: number, shape: readonly number[]) => Shapes): Shapes =>
    convolutions("A").flatMap(({ block, index, shape, outputs }) =>
      parts(`conv${block + 1}_${index + 1}`, outputs, shape)
    );
  const dense: Shapes = [["fc6_W", [7, 12]], ["fc6_b", [7]], ["fc7_W", [5, 7]]];
  assertEquals(
    await infer([...of((name, _, shape) => [[`${name}_W`, shape]]), ...dense]),
    `32 ${BLOCKS_A}Fdrd`,
  );
  const norms = "32 cnrP cnrP cnrcnrP cnrcnrP cnrcnrP Fdrd";
  const own = of((name, outputs, shape) => [
    [`${name}/weights`, shape],
    [`${name}/biases`, [outputs]],
    [`${name}/gamma`, [outputs]],
    [`${name}/moving_mean`, [outputs]],
    [`${name}/moving_variance`, [outputs]],
  ]);
  const checkpoint = checkpointOf([...own, ...dense], {});
  const { graph } = await inferNetwork(checkpoint, "x.npz", {});
  const [, conv, norm] = graph.nodes.map(({ operator }) => operator);
  if (conv?.kind !== "conv" || norm?.kind !== "batchNorm") throw new Error("another order");
  assertEquals([conv.weight.name, conv.bias?.name], ["conv1_1/weights", "conv1_1/biases"]);
  assertEquals([norm.gamma?.name, norm.beta, norm.mean.name, norm.variance.name], [
    ...["conv1_1/gamma", undefined, "conv1_1/moving_mean", "conv1_1/moving_variance"],
  ]);
  const paddle = of((name, outputs, shape) => [
    [`${name}.weight`, shape],
    ...["weight", "bias", "_mean", "_variance"].map((part) =>
      [`${name}.bn.${part}`, [outputs]] as const
    ),
  ]);
  assertEquals(await infer([...paddle, ...dense]), norms);
  const chainer = of((name, outputs, shape) => [
    [`${name}/W`, shape],
    ...["gamma", "beta", "avg_mean", "avg_var"].map((part) =>
      [`${name}/bn/${part}`, [outputs]] as const
    ),
    [`${name}/bn/N`, []],
  ]);
  assertEquals(await infer([...chainer, ...dense]), norms);
  const flax = of((name, outputs, shape) => [
    [`params/${name}/kernel`, shape],
    ...["scale", "bias"].map((part) => [`params/${name}/bn/${part}`, [outputs]] as const),
    ...["mean", "var"].map((part) => [`batch_stats/${name}/bn/${part}`, [outputs]] as const),
    [`opt_state/0/mu/${name}/kernel`, shape],
  ]);
  assertEquals(await infer([...flax, ...dense]), norms);
});

Deno.test("what training leaves beside a network is left out, and the rest is refused by name", async () => {
  const network = [...features("A"), ...HEAD];
  for (
    const name of [
      "criterion.weight",
      "loss_fn.weight",
      "center_loss.centers",
      "center",
      "focal_loss.alpha",
    ]
  ) {
    assertEquals(await infer([...network, [name, [5]]]), `32 ${BLOCKS_A}Fdrdrd`);
    assertEquals(await infer([...network, [name, [5, 1]]]), `32 ${BLOCKS_A}Fdrdrd`);
  }
  await refuse([...network, ["temperature", [1]]], {}, "temperature");
  await refuse([...network, ["features.1.weight", [1]]], {}, "features.1.weight", "PReLU");
  await refuse([...network, ["arr_0", [1]]], {}, "arr_0", "names of layers");
  await refuse(
    [...network, ["features.0.weight_g", [4, 1, 1, 1]]],
    {},
    "features.0.weight_g",
    "remove_weight_norm",
  );
  const group: Shapes = [["features.1.weight", [4]], ["features.1.bias", [4]]];
  await refuse([...network, ...group], {}, "features.1", "group, instance or layer normalization");
});

Deno.test("a file of thousands of layers is refused at once", async () => {
  const layers = Array.from(
    { length: 20_000 },
    (_, i): [string, number[]] => [`a${i}.weight`, [9, 9]],
  );
  await refuse([...features("A"), ...layers], {}, "found 20008 layers");
});

Deno.test("two tensors for one part are ambiguous", async () => {
  const network = [...features("A"), ...HEAD];
  await refuse(
    [...network, ["classifier.0.kernel", [7, 12]]],
    {},
    "classifier.0",
    "more than one weight",
  );
  const colors: Shapes = [["mean", [3]], ["std", [3]], ["norm.mean", [3]]];
  await refuse([...network, ...colors], {}, "mean", "norm.mean", "normalizes images");
});

Deno.test("timm and TF-Slim write dense layers as convolutions; other networks that do are refused", async () => {
  const timm: Shapes = [["pre_logits.fc1.weight", [7, 12, 2, 2]], ["pre_logits.fc2.weight", [
    7,
    7,
    1,
    1,
  ]], ["head.fc.weight", [5, 7]]];
  assertEquals(await infer(sorted([...features("A"), ...timm])), `64 ${BLOCKS_A}crcrd`);
  const slim = convolutions("D").map((
    { block, index, shape: [o, i, h, w] },
  ): [string, number[]] => [
    `vgg_16/conv${block + 1}/conv${block + 1}_${index + 1}/weights`,
    [h!, w!, i!, o!],
  ]);
  const head: Shapes = [
    ["vgg_16/fc6/weights", [2, 2, 12, 7]],
    ["vgg_16/fc7/weights", [1, 1, 7, 7]],
    ["vgg_16/fc8/weights", [1, 1, 7, 5]],
    ["vgg_16/fc8/weights/Momentum", [1, 1, 7, 5]],
    ["global_step", []],
  ];
  assertEquals(await infer([...slim, ...head], { layout: "last" }), `64 ${BLOCKS_D}crcrc`);
  const fcn: Shapes = [["fc6.weight", [7, 12, 7, 7]], ["fc7.weight", [7, 7, 1, 1]]];
  await refuse([...features("D"), ...fcn], {}, "fc6.weight", "fully convolutional");
  const dilated: Shapes = [["fc6.weight", [7, 12, 3, 3]]];
  await refuse([...features("D"), ...dilated], {}, "fc6.weight", "fully convolutional");
});

Deno.test("fastai's head is refused by its average and maximum", async () => {
  const body = features("A", { norm: "before", name: "0.0" });
  const head: Shapes = [...norm1d("1.2", 24), ["1.4.weight", [9, 24]], ...norm1d("1.6", 9), [
    "1.8.weight",
    [5, 9],
  ]];
  await refuse([...body, ...head], {}, "1.4.weight", "AdaptiveConcatPool2d");
});

import { assertEquals } from "@std/assert";
import {
  BLOCKS_A,
  BLOCKS_D,
  type Case,
  convolutions,
  dense,
  features,
  HEAD,
  infer,
  named,
  norm1d,
  refuse,
  type Shapes,
  sorted,
} from "../../support/tensor_lists.ts";

Deno.test("names of layers with a sequence each are in the order of their numbers", async () => {
  const network = convolutions("D").flatMap(({ shape, outputs }, i): [string, number[]][] => [
    [`layer${i + 1}.0.weight`, shape],
    [`layer${i + 1}.0.bias`, [outputs]],
    ...norm1d(`layer${i + 1}.1`, outputs),
  ]);
  const head: Shapes = [["fc.1.weight", [7, 12]], ["fc1.1.weight", [9, 7]], ["fc2.0.weight", [
    5,
    9,
  ]]];
  assertEquals(
    await infer(sorted([...network, ...head])),
    "32 cnrcnrP cnrcnrP cnrcnrcnrP cnrcnrcnrP cnrcnrcnrP Fdrdrd",
  );
});

Deno.test("words are in the order in which a dictionary has them, and no other", async () => {
  const words = ["stem", "enter", "alpha", "beta", "nu", "delta", "eps", "zeta"];
  const network = convolutions("A").map(({ shape }, i): [string, number[]] => [
    `${words[i]}.weight`,
    i === 0 ? [12, 3, 3, 3] : [12, 12, ...shape.slice(2)],
  ]);
  assertEquals(await infer([...network, ...HEAD], { order: "declared" }), `32 ${BLOCKS_A}Fdrdrd`);
  await refuse(sorted([...network, ...HEAD]), {}, "order of the convolutions", "is not known");
  // A dictionary that somebody has sorted: biases come before their weights.
  await refuse(sorted([...network, ...HEAD]), { order: "declared" }, "order of the convolutions");
});

Deno.test("an alphabet is no order, even where it would be a chain", async () => {
  const words = ["a", "beta", "c", "d", "e_", "ff", "g", "h"].map((word) => `${word}x`);
  const network = convolutions("A").flatMap((_, i): [string, number[]][] => [
    [`${words[i]}.weight`, i === 0 ? [12, 3, 3, 3] : [12, 12, 3, 3]],
    [`${words[i]}.bias`, [12]],
  ]);
  const head = dense("zz", [0, 3], [12, 7, 5]);
  const declared: Case = { order: "declared" };
  assertEquals(await infer([...network, ...head], declared), `32 ${BLOCKS_A}Fdrd`);
  await refuse(sorted([...network, ...head]), declared, "order of the convolutions");
});

Deno.test("dense layers are ordered by the dictionary or by their shapes, never by an alphabet", async () => {
  const final: Shapes = [["linear1.weight", [12, 12]], ["linear2.weight", [12, 12]], [
    "final.weight",
    [12, 12],
  ]];
  assertEquals(
    await infer([...features("A"), ...final], { order: "declared" }),
    `32 ${BLOCKS_A}Fdrdrd`,
  );
  await refuse([...features("A"), ...final], {}, "order of the dense layers", "final");
  const shaped: Shapes = [["a_out.weight", [5, 9]], ["fc1.weight", [7, 12]], ["fc2.weight", [
    9,
    7,
  ]]];
  assertEquals(await infer([...features("A"), ...shaped]), `32 ${BLOCKS_A}Fdrdrd`);
});

Deno.test("an order that is declared, and another by numbers, are refused where both could be", async () => {
  const turned: Shapes = [["classifier.3.weight", [12, 12]], ["classifier.0.weight", [12, 12]]];
  await refuse([...features("A"), ...turned], { order: "declared" }, "declared", "classifier.3");
});

Deno.test("dense layers that take as many inputs are a chain if their names are those of one", async () => {
  const of = (...names: string[]): Shapes => [
    ...features("A"),
    ...names.map((name, i): [string, number[]] => [
      `${name}.weight`,
      [i === names.length - 1 ? 5 : 12, 12],
    ]),
  ];
  const chains = [
    ["classifier.0", "classifier.3"],
    ["0.head.0", "0.head.3"],
    ["fc1", "fc2"],
    ["model.linear", "model.classifier"],
    ["fc", "head.out"],
    ["dense", "dense_1"],
  ];
  for (const names of chains) {
    assertEquals(await infer(of(...names), { order: "declared" }), `32 ${BLOCKS_A}Fdrd`);
  }
  const heads = [
    ["head1", "head2"],
    ["out", "fc"],
    ["age", "classifier"],
    ["fc_age", "fc_gender"],
    ["a.0", "b.0"],
  ];
  for (const names of heads) {
    await refuse(of(...names), { order: "declared" }, names[0]!, names[1]!, "side by side");
  }
});

Deno.test("heads side by side are no chain", async () => {
  const tasks: Shapes = [["age.weight", [12, 12]], ["gender.weight", [2, 12]]];
  await refuse(
    [...features("A"), ...tasks],
    { order: "declared" },
    "age",
    "gender",
    "side by side",
  );
  const others: Shapes = [["age.weight", [8, 12]], ["gender.weight", [2, 12]]];
  await refuse([...features("A"), ...others], { order: "declared" }, "age", "gender", "heads");
});

Deno.test("names of one series are in the order of their numbers, of letters behind them too", async () => {
  const letters = named("D", (block, index) => `conv_${block}${"abc"[index - 1]}`);
  assertEquals(await infer([...letters.toReversed(), ...HEAD]), `32 ${BLOCKS_D}Fdrdrd`);
  // Keras numbers all but the first.
  const counted = named("D", (_, __, all) => all === 0 ? "conv2d" : `conv2d_${all}`);
  assertEquals(await infer([...counted.toReversed(), ...HEAD]), `32 ${BLOCKS_D}Fdrdrd`);
});

Deno.test("networks in a file are named as far as they differ; one of grey images has one channel", async () => {
  const of = (name: string): Shapes =>
    [...features("A"), ...HEAD].map(([tensor, shape]) =>
      [`model.net.${name}.${tensor}`, shape] as const
    );
  await refuse([...of("student"), ...of("teacher")], {}, "model.net.student, model.net.teacher");
  const grey = [...features("A"), ...HEAD].map(([name, shape]) =>
    [name, name === "features.0.weight" ? [4, 1, 3, 3] : shape] as const
  );
  assertEquals(await infer(grey), `32 ${BLOCKS_A}Fdrdrd`);
  const two = grey.map(([name, shape]) => [`b.${name}`, shape] as const);
  await refuse([...grey.map(([name, shape]) => [`a.${name}`, shape] as const), ...two], {}, "a, b");
});

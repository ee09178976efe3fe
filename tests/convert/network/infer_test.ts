import { assertEquals } from "@std/assert";
import type { CheckpointTensor } from "../../../lib/convert/formats/checkpoint.ts";
import { inferNetwork } from "../../../lib/convert/network/infer.ts";
import {
  BLOCKS_A,
  BLOCKS_D,
  type Case,
  checkpointOf,
  features,
  HEAD,
  infer,
  refuse,
  type Shapes,
  sorted,
} from "../../support/tensor_lists.ts";

Deno.test("torchvision's numbers tell a network, in whatever order its tensors lie", async () => {
  const network = [...features("D"), ...HEAD];
  assertEquals(await infer(network), `32 ${BLOCKS_D}Fdrdrd`);
  assertEquals(await infer(sorted(network)), `32 ${BLOCKS_D}Fdrdrd`);
  const prefixed = network.map(([name, shape]) => [`module.backbone.${name}`, shape] as const);
  assertEquals(await infer(prefixed), `32 ${BLOCKS_D}Fdrdrd`);
});

Deno.test("networks with other parts are refused by them", async () => {
  const decoder: Shapes = [["dec1.weight", [6, 12, 3, 3]], ["dec2.weight", [5, 6, 3, 3]]];
  await refuse([...features("A"), ...decoder], { order: "declared" }, "in parts", "dec1");
  const back = features("A", { name: "backend" }).slice(2, 8).map(([name]) =>
    [name, [12, 12, 3, 3]] as const
  );
  await refuse(
    [...features("B"), ...back.filter(([name]) => name.endsWith("weight"))],
    {},
    "in parts",
    "backend.3",
  );
});

Deno.test("several networks in a file are named, and one is chosen by what its names begin with", async () => {
  const of = (name: string, letter: "A" | "D"): Shapes =>
    [...features(letter), ...HEAD].map(([tensor, shape]) => [`${name}.${tensor}`, shape] as const);
  const both = [...of("student", "A"), ...of("teacher", "D")];
  await refuse(both, {}, "student", "teacher", "--state student");
  await refuse(both, { state: "pupil" }, "pupil", "teacher");
  assertEquals(await infer(both, { state: "teacher" }), `32 ${BLOCKS_D}Fdrdrd`);
  assertEquals(
    await infer(of("model", "A"), { state: "chosen by the reader" }),
    `32 ${BLOCKS_A}Fdrdrd`,
  );
  await refuse([...of("model", "A"), ...of("loss_fn.vgg", "D")], {}, "model", "loss_fn");
});

Deno.test("depthwise convolutions are no networks of their own", async () => {
  const depthwise: Shapes = [["dw.1.weight", [4, 1, 3, 3]], ["dw.2.weight", [4, 1, 3, 3]]];
  await refuse([...features("A"), ...depthwise, ...HEAD], {}, "in parts", "dw.1");
});

Deno.test("a mean and a std of colors are a step of the network", async () => {
  const network = [...features("A"), ...HEAD];
  const shapes: number[][] = [[3], [3, 1, 1], [1, 3, 1, 1]];
  for (const name of ["", "normalize.", "pixel_"]) {
    for (const shape of shapes) {
      const checkpoint = checkpointOf(
        [...network, [`${name}mean`, shape], [`${name}std`, shape]],
        {},
      );
      const { graph } = await inferNetwork(checkpoint, "x.pth", {});
      const { operator } = graph.nodes[1]!;
      if (operator.kind !== "affine") throw new Error(operator.kind);
      const values = async (of: unknown) => {
        const into = new Float32Array(3);
        await (of as CheckpointTensor).read({ start: 0, length: 3, stride: 3, count: 1 }, into);
        return [...into];
      };
      assertEquals(await values(operator.scale), [2, 2, 2]);
      assertEquals(await values(operator.shift), [-0.5, -0.5, -0.5]);
    }
  }
});

Deno.test("constants that change no color are none of the network, and one alone is", async () => {
  const network = [...features("A"), ...HEAD];
  const withColors = async (
    mean: number | undefined,
    std: number | undefined,
    layout: Case["layout"],
  ) => {
    const shapes: Shapes = [
      ...network,
      ...mean === undefined ? [] : [["mean", [1]] as const],
      ...std === undefined ? [] : [["std", [3]] as const],
    ];
    const checkpoint = checkpointOf(shapes, { layout });
    const tensors = checkpoint.tensors.map((tensor): CheckpointTensor => ({
      ...tensor,
      read: (_, into) => void into.fill(tensor.name === "mean" ? mean! : std!),
    }));
    return (await inferNetwork({ ...checkpoint, tensors }, "x.pth", {})).graph.nodes[1]!.operator;
  };
  assertEquals((await withColors(0, 1, "first")).kind, "conv");
  assertEquals((await withColors(0, 2, "first")).kind, "affine");
  assertEquals((await withColors(1, 1, "first")).kind, "affine");
  assertEquals((await withColors(3, undefined, "first")).kind, "affine");
  const step = await withColors(undefined, 2, "first");
  if (step.kind !== "affine" || typeof step.scale !== "object") throw new Error(step.kind);
  // As it is broadcast over a map.
  assertEquals(step.scale.shape, [3, 1, 1]);
});

Deno.test("a file without convolutions is no VGG", async () => {
  await refuse(HEAD, {}, "8, 10, 13 or 16", "found 0");
  await refuse([["features.0.weight", [4, 3, 3]]], {}, "features.0.weight", "2 or 4 dimensions");
  await refuse([["features.0.bias", [4]]], {}, "features.0.bias", "without a weight");
});

import { assertEquals } from "@std/assert";
import { inferNetwork } from "../../../lib/convert/network/infer.ts";
import {
  BLOCKS_A,
  type Case,
  checkpointOf,
  dense,
  features,
  HEAD,
  infer,
  refuse,
  type Shapes,
} from "../../support/tensor_lists.ts";

Deno.test("as many inputs as channels are one position or an average: only several dense layers speak for one", async () => {
  const many: Shapes = [...features("A"), ...HEAD];
  const one: Shapes = [...features("A"), ...dense("classifier", [0], [12, 5])];
  await refuse(
    one,
    {},
    "classifier.0.weight",
    "--after-pool flatten",
    "--after-pool average",
    "--input-size",
  );
  await refuse(one, { inputSize: 64 }, "--after-pool average");
  await refuse(one, { afterPool: "average" }, "--input-size");
  assertEquals(await infer(one, { inputSize: 48 }), `48 ${BLOCKS_A}Fd`);
  assertEquals(await infer(one, { afterPool: "flatten" }), `32 ${BLOCKS_A}Fd`);
  assertEquals(await infer(one, { afterPool: "average", inputSize: 64 }), `64 ${BLOCKS_A}GFd`);
  assertEquals(await infer(many, { afterPool: "average", inputSize: 64 }), `64 ${BLOCKS_A}GFdrdrd`);
  await refuse(one, { layerNames: ["global_average_pooling2d"] }, "--input-size");
  assertEquals(await infer(one, { layerNames: ["flatten"] }), `32 ${BLOCKS_A}Fd`);
  assertEquals(
    await infer(one, { layerNames: ["global_max_pooling2d"] }),
    `undefined ${BLOCKS_A}(GlobalMaxPooling2D)d`,
  );
  // AdaptiveAvgPool2d and Flatten before it, within its sequence or beside it.
  await refuse(
    [...features("A"), ...dense("classifier", [2, 5], [12, 7, 5])],
    {},
    "--after-pool average",
  );
  const children = (body: number, head: number): Shapes => [
    ...features("A", { name: `${body}` }),
    ...dense(`${head}`, [0, 3], [12, 7, 5]),
  ];
  for (const body of [0, 1]) {
    await refuse(children(body, body + 3), {}, "--after-pool average");
    assertEquals(await infer(children(body, body + 2)), `32 ${BLOCKS_A}Fdrd`);
  }
});

Deno.test("max-pools that a file names in no order are counted; one may be used five times", async () => {
  const network: Shapes = [...features("A"), ...dense("classifier", [0, 3], [12 * 9, 7, 5])];
  const named = (count: number) => ({
    layerNames: Array.from(
      { length: count },
      (_, i) => i === 0 ? "max_pooling2d" : `max_pooling2d_${i}`,
    ),
  });
  await refuse(network, named(4), "4 max-pools");
  await refuse(network, named(2), "2 max-pools");
  for (const count of [0, 1, 5]) {
    assertEquals(await infer(network, named(count)), await infer(network));
  }
});

Deno.test("the inputs of the first dense layer tell the map; torchvision averages to 7x7", async () => {
  const of = (positions: number, name = "classifier"): Shapes => [
    ...features("A"),
    ...dense(name, [0, 3], [12 * positions, 7, 5]),
  ];
  assertEquals(await infer(of(9)), `96 ${BLOCKS_A}Fdrd`);
  assertEquals(await infer(of(49)), `224 ${BLOCKS_A}AFdrd`);
  assertEquals(await infer(of(49), { inputSize: 64 }), `64 ${BLOCKS_A}AFdrd`);
  assertEquals(await infer(of(49, "head")), `224 ${BLOCKS_A}Fdrd`);
  assertEquals(await infer(features("A")), `undefined ${BLOCKS_A}`);
});

Deno.test("the input's size is said to be assumed unless it is given", async () => {
  const assumed = async (shapes: Shapes, options: Case = {}): Promise<readonly string[]> =>
    (await inferNetwork(checkpointOf(shapes, options), "x.pth", options)).assumptions;
  const of = (
    inputs: number,
  ): Shapes => [...features("A"), ...dense("classifier", [0, 3], [inputs, 7, 5])];
  assertEquals((await assumed(of(48))).map((text) => /\d+x\d+/.exec(text)?.[0]), ["64x64"]);
  assertEquals((await assumed(of(12))).map((text) => /\d+x\d+/.exec(text)?.[0]), ["32x32"]);
  assertEquals(await assumed(of(48), { inputSize: 70 }), []);
  assertEquals(await assumed(of(12), { inputSize: 40 }), []);
  // A map of 3x1 is none of a square input, whose size is not known then.
  assertEquals(await infer(of(36)), `undefined ${BLOCKS_A}Fdrd`);
  assertEquals(await infer(of(36), { inputSize: 96 }), `96 ${BLOCKS_A}Fdrd`);
  assertEquals(await infer(features("A"), { inputSize: 96 }), `96 ${BLOCKS_A}`);
  await refuse(of(48), { afterPool: "average", inputSize: 64 }, "takes 48 inputs", "12");
});

Deno.test("timm averages a map that is smaller than its filter", async () => {
  const timm: Shapes = [...features("A"), ["pre_logits.fc1.weight", [7, 12, 3, 3]], [
    "head.fc.weight",
    [5, 7],
  ]];
  assertEquals(await infer(timm), `96 ${BLOCKS_A}crd`);
  assertEquals(await infer(timm, { inputSize: 96 }), `96 ${BLOCKS_A}crd`);
  assertEquals(await infer(timm, { inputSize: 64 }), `64 ${BLOCKS_A}Acrd`);
});

Deno.test("room for an average beside a Flatten: in one sequence of all it is the fourth module", async () => {
  const of = (first: number): Shapes => [
    ...features("A", { name: "net" }),
    ...dense("net", [first, first + 3], [12, 7, 5]),
  ];
  // net.18 is the last convolution; then ReLU, pool and Flatten.
  assertEquals(await infer(of(22)), `32 ${BLOCKS_A}Fdrd`);
  await refuse(of(23), {}, "net.23.weight", "--after-pool average");
});

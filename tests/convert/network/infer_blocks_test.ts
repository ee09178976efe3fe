import { assert, assertEquals } from "@std/assert";
import { inferNetwork } from "../../../lib/convert/network/infer.ts";
import {
  BLOCKS_A,
  BLOCKS_D,
  type Case,
  checkpointOf,
  convolutions,
  features,
  HEAD,
  infer,
  named,
  refuse,
  type Shapes,
  WIDTHS,
} from "../../support/tensor_lists.ts";

Deno.test("pools at other places than a VGG's are refused", async () => {
  const moved = features("A").map(([name, shape]) => [name.replace(".6.", ".7."), shape] as const);
  await refuse([...moved, ...HEAD], {}, "features.7.weight", "must be features.6", "pools");
  // VGG19's up to its thirteenth convolution.
  const cut = features("E").slice(0, 26).map(([name, [o, ...rest]]) =>
    [name, [o!, ...rest]] as const
  );
  await refuse(cut, {}, "features.16.weight", "must be features.17");
  const bare = features("D", { afterPool: -1 });
  await refuse([...bare, ...HEAD], {}, "features.4.weight", "must be features.5");
});

Deno.test("dropout among the convolutions is understood where it is regular, and else refused", async () => {
  assertEquals(await infer([...features("D", { afterPool: 1 }), ...HEAD]), `32 ${BLOCKS_D}Fdrdrd`);
  assertEquals(
    await infer([...features("A", { norm: "before", afterRelu: 1 }), ...HEAD]),
    "32 cnrP cnrP cnrcnrP cnrcnrP cnrcnrP Fdrdrd",
  );
  const once = features("A").map(([name, shape]) => {
    const [, number] = name.split(".");
    return [
      Number(number) > 6 ? name.replace(`.${number}.`, `.${Number(number) + 1}.`) : name,
      shape,
    ] as const;
  });
  await refuse([...once, ...HEAD], {}, "features.9.weight", "without weights");
  // InstanceNorm2d has no tensors: conv, norm, ReLU.
  await refuse(
    [...features("D", { afterRelu: 1, afterPool: 1 }), ...HEAD],
    {},
    "features.0",
    "normalization",
  );
});

Deno.test("more modules than a ReLU, a pool and dropout are refused", async () => {
  for (const options of [{ afterRelu: 2, afterPool: 1 }, { afterPool: 2 }]) {
    await refuse([...features("D", options), ...HEAD], {}, "features.0", "without weights");
    await refuse(
      [...features("D", { ...options, norm: "before" }), ...HEAD],
      {},
      "without weights",
    );
  }
  const three = features("D", { norm: "before", afterRelu: 1, afterPool: 1 });
  assertEquals(
    await infer([...three, ...HEAD]),
    "32 cnrcnrP cnrcnrP cnrcnrcnrP cnrcnrcnrP cnrcnrcnrP Fdrdrd",
  );
});

Deno.test("names such as conv4_3 tell the blocks, and other groups are refused", async () => {
  const network = named("D", (block, index) => `conv${block}_${index}`);
  assertEquals(await infer([...network, ...HEAD]), `32 ${BLOCKS_D}Fdrdrd`);
  assertEquals(
    await infer([...named("D", (block, index) => `vgg.conv${block}${"abc"[index - 1]}`), ...HEAD]),
    `32 ${BLOCKS_D}Fdrdrd`,
  );
  // The first four blocks of VGG16 have as many convolutions as VGG13.
  let inputs = 3;
  const four = [2, 2, 3, 3].flatMap((count, block) =>
    Array.from({ length: count }, (_, index): [string, number[]] => {
      const shape = [WIDTHS[block]!, inputs, 3, 3];
      inputs = WIDTHS[block]!;
      return [`conv${block + 1}_${index + 1}.weight`, shape];
    })
  );
  await refuse([...four, ...HEAD], {}, "groups of 2, 2, 3, 3", "expected 2, 2, 2, 2, 2");
});

Deno.test("small sequences in a large one leave room for the pools between them", async () => {
  const of = (sizes: readonly number[]): Shapes => {
    let number = -1;
    const lasts = sizes.flatMap((size) => Array.from({ length: size }, (_, i) => i === size - 1));
    return convolutions("D").map(({ shape }, i): [string, number[]] => {
      number += 1 + Number(lasts[i - 1] ?? false);
      return [`features.${number}.0.weight`, shape];
    });
  };
  assertEquals(await infer([...of([2, 2, 3, 3, 3]), ...HEAD]), `32 ${BLOCKS_D}Fdrdrd`);
  await refuse([...of([3, 3, 3, 2, 2]), ...HEAD], {}, "features.1.0", "no room for a max-pool");
});

Deno.test("numbers that go on through slices are those of one sequence", async () => {
  const slices = features("D").map(([name, shape]) => {
    const number = Number(name.split(".")[1]);
    const slice = [4, 9, 16, 23, 30].findIndex((end) => number < end) + 1;
    return [name.replace("features", `slice${slice}`), shape] as const;
  });
  assertEquals(await infer([...slices, ...HEAD]), `32 ${BLOCKS_D}Fdrdrd`);
  // Without a number for the pool between the second slice and the third there is none.
  const without = slices.map(([name, shape]) =>
    [name.replace(/\d+(?=\.\w+$)/, (n) => `${Number(n) > 9 ? Number(n) - 1 : n}`), shape] as const
  );
  await refuse(without, {}, "slice3.9.weight", "must be slice3.10", "pools", "1 module");
});

Deno.test("slices that are cut elsewhere than at pools keep the numbers of their network", async () => {
  const of = (shapes: Shapes, ends: readonly number[]): Shapes =>
    shapes.map(([name, shape]) => {
      const slice = ends.findIndex((end) => Number(name.split(".")[1]) < end) + 1;
      return [name.replace("features", `slice${slice}`), shape] as const;
    });
  // After the first ReLU of each block.
  assertEquals(
    await infer([...of(features("D"), [2, 7, 12, 19, 30]), ...HEAD]),
    `32 ${BLOCKS_D}Fdrdrd`,
  );
  const cut = of(features("E").slice(0, 26), [2, 7, 12, 21, 30]);
  await refuse(cut, {}, "slice4.16.weight", "must be slice4.17", "pools", "1 module");
});

Deno.test("a list of convolutions alone says nothing of what is between them, which is said", async () => {
  const list = named("A", (_, __, all) => `convs.${all}`);
  assertEquals(await infer([...list, ...HEAD]), `32 ${BLOCKS_A}Fdrdrd`);
  const said = async (shapes: Shapes): Promise<string> =>
    (await inferNetwork(checkpointOf(shapes, {}), "x.pth", {})).assumptions.join();
  assert((await said([...list, ...HEAD])).includes("max-pools"));
  assert((await said([...features("A", { afterPool: 1 }), ...HEAD])).includes("dropout"));
  assert(
    (await said([...features("D", { afterRelu: 1 }).filter(([name]) => name !== ""), ...HEAD]))
      .includes("pixels"),
  );
  assert(!(await said([...features("A"), ...HEAD])).includes("max-pools"));
  // Where a list holds other things too, nothing lies between convolutions that follow each other.
  const tight: Shapes = named("B", (block, index) => `net.${3 * block + index}`);
  assertEquals(
    await infer([...tight, ...HEAD]),
    "32 ccrP ccrP ccrP ccrP ccrP Fdrdrd",
  );
});

Deno.test("pools and an average that a file names are held against the tensors", async () => {
  const network = convolutions("A").map(({ shape: [o, i, h, w] }, n): [string, number[]] => [
    `conv2d_${n}.kernel`,
    [h!, w!, i!, o!],
  ]);
  const names = (pools: readonly number[], ...more: string[]): Case => ({
    layout: "last",
    order: "declared",
    layerNames: [
      ...convolutions("A").flatMap((_, n) => [
        `conv2d_${n}`,
        ...pools.includes(n) ? [`max_pooling2d_${n}`] : [],
      ]),
      ...more,
    ],
  });
  const one: Shapes = [...network, ["dense.kernel", [12, 5]]];
  assertEquals(await infer(one, names([0, 1, 3, 5, 7], "flatten", "dense")), `32 ${BLOCKS_A}Fd`);
  await refuse(one, names([0, 2, 4, 6, 7], "flatten", "dense"), "conv2d_1", "max-pool");
  await refuse(one, names([0, 1, 3, 5], "flatten", "dense"), "conv2d_7", "max-pool");
  await refuse(one, names([0, 1, 3, 5, 7], "gap", "dense"), "--input-size");
  // Of several dense layers, too: a file that names its layers would name a Flatten.
  const two: Shapes = [...network, ["dense.kernel", [12, 7]], ["dense_1.kernel", [7, 5]]];
  await refuse(two, names([0, 1, 3, 5, 7], "squash", "dense", "dense_1"), "--after-pool flatten");
});

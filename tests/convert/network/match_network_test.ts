import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import {
  chainOf,
  type Graph,
  type Layout,
  type Operator,
  type Pair,
} from "../../../lib/convert/formats/graph.ts";
import { matchNetwork, type MatchOptions } from "../../../lib/convert/network/match_network.ts";
import { seededRandom } from "../../fuzz/checkpoints.ts";
import { change, Draft, relu, type Step, step, withOperator } from "../../support/draft_network.ts";
import { forward, networkLayers } from "../../support/float_forward.ts";
import { runGraph } from "../../support/graph_executor.ts";

/** Both sides compute in float64, in other orders. */
const TOLERANCE = 1e-9;

/** A random image of bytes as the graph takes it, `[C, H, W]` or `[H, W, C]`. */
function imageFor(
  { layout, size }: Draft,
): { shape: number[]; data: Float64Array; layout: Layout } {
  const random = seededRandom(7);
  const data = Float64Array.from({ length: 3 * size * size }, () => 2 * random() - 1);
  return { shape: layout === "NCHW" ? [3, size, size] : [size, size, 3], data, layout };
}

/** What the matched network gives for the same image. */
async function matched(
  draft: Draft,
  graph: Graph,
  options: MatchOptions = {},
): Promise<Float64Array> {
  const network = await matchNetwork(graph, "drawn.bin", options);
  const { size, layout } = draft;
  const image = imageFor(draft);
  const { normalization, reversesColors } = network;
  const values = new Float64Array(image.data.length);
  for (let i = 0; i < values.length; i++) {
    const c = i % 3, position = (i - c) / 3;
    const x = image.data[layout === "NCHW" ? c * size * size + position : i]!;
    const at = (of: Float64Array): number => of[of.length === 1 ? 0 : c]!;
    values[i] = normalization === undefined
      ? x
      : x * at(normalization.scale) + at(normalization.shift);
  }
  const layers = await networkLayers(network, { isBgr: reversesColors, negated: [] });
  return forward(layers, { height: size, width: size, channels: 3, values });
}

async function assertSame(
  draft: Draft,
  steps: readonly Step[],
  options?: MatchOptions,
): Promise<void> {
  const graph = chainOf(steps);
  const expected = await runGraph(graph, imageFor(draft));
  const found = await matched(draft, graph, options);
  assertClose(found, expected);
}

function assertClose(found: Float64Array, expected: Float64Array): void {
  assertEquals(found.length, expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  const error = Math.max(...expected.map((value, i) => Math.abs(value - found[i]!))) / largest;
  assert(error < TOLERANCE, `off by ${error}: ${found} for ${expected}`);
}

/** What folds exactly, by what it is. */
const EXACT: Readonly<Record<string, (draft: Draft) => readonly Step[]>> = {
  "a plain VGG11": (draft) => draft.whole(),
  "features alone": (draft) => draft.features(),
  "batch norm before the ReLU": (draft) =>
    change(draft.whole(), "conv2_1", (conv) => [conv, draft.norm("bn", 4)]),
  "two batch norms before the ReLU": (draft) =>
    change(draft.whole(), "conv2_1", (conv) => [conv, draft.norm("bn", 4), draft.norm("bn2", 4)]),
  "batch norm between the dense layer and its ReLU": (draft) =>
    change(draft.whole(), "fc7", (dense) => [dense, draft.norm("bn", 6)]),
  "batch norm after the ReLU of a dense layer": (draft) =>
    change(draft.whole(), "relu7", (relu) => [relu, draft.norm("bn", 6)]),
  "batch norm of a flattened map": (draft) =>
    change(draft.whole(), "flatten", (flatten) => [
      flatten,
      draft.norm("bn", 4 * (draft.size >> 5) ** 2),
    ]),
  "batch norm behind the last pool": (draft) =>
    change(draft.whole(), "pool5", (pool) => [pool, draft.norm("bn", 4)]),
  "batch norm of the image": (draft) =>
    change(draft.whole(), "image", (image) => [image, draft.norm("bn", 3)]),
  "batch norm of the logits": (draft) => [...draft.whole(), draft.norm("bn", 5)],
  "a scale for each channel, and a bias of its own": (draft) =>
    change(draft.whole(), "conv3_2", (conv) => [
      conv,
      step("mul", { kind: "affine", scale: draft.perChannel("m", 4, -2, 2) }),
      step("add", { kind: "affine", shift: draft.perChannel("a", 4, -1, 1) }),
    ]),
  "a scale above 0 behind a max pool, and then the ReLU": (draft) =>
    change(change(draft.whole(), "relu1_1", () => []), "pool1", (pool) => [
      pool,
      step("mul", {
        kind: "affine",
        scale: draft.perChannel("m", 4, 0.1, 2),
        shift: draft.perChannel("a", 4, -1, 1),
      }),
      relu("late"),
    ]),
  "a scale after the ReLU": (draft) =>
    change(draft.whole(), "relu3_1", (relu) => [
      relu,
      step("mul", { kind: "affine", scale: draft.perChannel("m", 4, 0.1, 2) }),
    ]),
  "a negative scale after the ReLU, before a convolution": (draft) =>
    change(draft.whole(), "relu3_1", (relu) => [relu, step("mul", { kind: "affine", scale: -2 })]),
  "a temperature of the logits, and soft-max behind it left out": (draft) => [
    ...draft.whole(),
    step("t", { kind: "affine", scale: 1 / 3 }),
  ],
  "a normalization of the image": (draft) =>
    change(draft.whole(), "image", (image) => [
      image,
      step("sub", { kind: "affine", shift: draft.perChannel("m", 3, -1, 1) }),
      step("div", { kind: "affine", scale: draft.perChannel("s", 3, 0.5, 2) }),
    ]),
  "colors turned round, with constants on both sides": (draft) =>
    change(draft.whole(), "image", (image) => [
      image,
      step("mul", { kind: "affine", scale: draft.perChannel("m", 3, 0.5, 2) }),
      step("bgr", { kind: "reverseColors" }),
      step("sub", { kind: "affine", shift: draft.perChannel("s", 3, -1, 1) }),
    ]),
  "zeros in a node of their own": (draft) =>
    change(draft.whole(), "conv4_1", (conv) => [
      step("pad", { kind: "pad", padding: [1, 1, 1, 1], layout: draft.layout }),
      ...withOperator([conv], "conv4_1", { padding: "valid" }),
    ]),
  "TensorFlow's same padding": (draft) =>
    withOperator(draft.whole(), "conv4_1", { padding: "same" }),
  "pools that round up where no size is odd": (draft) =>
    withOperator(draft.whole(), "pool2", { roundsUp: true }),
  "the ReLU behind the pool": (draft) =>
    change(change(draft.whole(), "relu2_1", () => []), "pool2", (pool) => [pool, relu("late")]),
  "a global average": (draft) =>
    change(draft.whole(1), "flatten", () => [step("gap", { kind: "globalAverage" })]),
  "a global average, batch norm, and flattening": (draft) =>
    change(draft.whole(1), "flatten", (flatten) => [
      step("gap", { kind: "globalAverage" }),
      draft.norm("bn", 4),
      flatten,
    ]),
  "an average pool of the whole map": (draft) =>
    change(draft.whole(1), "flatten", (flatten) => [
      step("avg", {
        kind: "averagePool",
        window: [draft.size >> 5, draft.size >> 5],
        stride: [1, 1],
        padding: "valid",
        roundsUp: false,
        layout: draft.layout,
      }),
      flatten,
    ]),
  "dense layers that are convolutions": (draft) => {
    const map = draft.size >> 5;
    return [
      ...draft.features(),
      draft.conv("fc7", 4, 6, map),
      relu("relu7"),
      draft.conv("fc8", 6, 5, 1),
      step("flatten", { kind: "flatten" }),
    ];
  },
  "identities, a pool of one pixel and two ReLUs": (draft) =>
    change(draft.whole(), "relu1_1", (relu) => [
      relu,
      step("again", { kind: "relu" }),
      step("dropout", { kind: "identity" }),
      ...withOperator([draft.pool("none")], "none", { window: [1, 1], stride: [1, 1] }),
    ]),
};

for (const layout of ["NCHW", "NHWC"] as const) {
  for (const [what, make] of Object.entries(EXACT)) {
    Deno.test(`${what} folds exactly (${layout})`, async () => {
      const draft = new Draft(layout, 64);
      await assertSame(draft, make(draft));
    });
  }
}

Deno.test("a map that is turned round before it is flattened gives the dense layer its order", async () => {
  for (const [layout, order] of [["NCHW", [0, 2, 3, 1]], ["NHWC", [0, 3, 1, 2]]] as const) {
    const draft = new Draft(layout, 64);
    await assertSame(
      draft,
      change(draft.whole(), "flatten", (flatten) => [
        step("transpose", { kind: "transpose", order }),
        flatten,
      ]),
    );
    const other = layout === "NCHW" ? "NHWC" : "NCHW";
    await assertSame(draft, withOperator(draft.whole(), "flatten", { order: other }));
  }
});

Deno.test("an adaptive average pool is folded into the dense layer behind it", async () => {
  const cases: readonly [size: number, pool: Pair][] = [
    ...[[64, [7, 7]], [96, [2, 2]], [128, [3, 2]], [64, [2, 2]]] as [number, Pair][],
  ];
  for (const layout of ["NCHW", "NHWC"] as const) {
    for (const [size, pool] of cases) {
      const draft = new Draft(layout, size);
      const steps = change(draft.whole(pool[0] * pool[1]), "flatten", (flatten) => [
        step("avgpool", { kind: "adaptiveAverage", size: pool }),
        flatten,
      ]);
      await assertSame(draft, steps);
    }
  }
});

Deno.test("an input whose size is odd somewhere loses its last row and column, as a plain pool does", async () => {
  const draft = new Draft("NCHW", 75);
  await assertSame(draft, draft.whole());
});

Deno.test("what is behind the last pool tells the size of an input that is left open", async () => {
  const draft = new Draft("NCHW", 96);
  const open = { height: undefined, width: undefined, channels: undefined };
  const conv = [draft.conv("fc7", 4, 6, 3), relu("relu7"), draft.conv("fc8", 6, 5, 1)];
  const valid = withOperator(conv, "fc7", { padding: "valid" });
  const average = EXACT["an average pool of the whole map"]!(draft);
  for (const steps of [draft.whole(), [...draft.features(), ...valid], average]) {
    const left = withOperator(steps, "image", open);
    const { architecture, assumptions } = await matchNetwork(chainOf(left), "drawn.bin");
    assertEquals(architecture.input, { height: 96, width: 96, channels: 3 });
    assertEquals(assumptions, [
      "The input is 96x96 pixels, though up to 31 more give the same last map; --input-size says otherwise.",
    ]);
    await assertSame(draft, left);
  }
});

Deno.test("an input that nothing tells the size of is assumed, and said so", async () => {
  const draft = new Draft("NHWC", 64);
  const open = { height: undefined, width: undefined };
  const steps = withOperator(EXACT["a global average"]!(draft), "image", open);
  const { architecture, assumptions } = await matchNetwork(chainOf(steps), "drawn.bin", {}, ["A."]);
  assertEquals([architecture.input.height, architecture.pooling], [224, "average"]);
  assertEquals(assumptions, ["A.", "The input is 224x224 pixels; --input-size says otherwise."]);
  const asked = await matchNetwork(chainOf(steps), "drawn.bin", { inputSize: 96 });
  assertEquals([asked.architecture.input.height, asked.assumptions], [96, []]);
});

Deno.test("a normalization of the image is told from batch normalization of it", async () => {
  const draft = new Draft("NHWC", 32);
  const behind = async (...steps: Step[]) => {
    const whole = change(draft.whole(), "image", (image) => [image, ...steps]);
    return (await matchNetwork(chainOf(whole), "drawn.bin")).normalizesImages;
  };
  assertEquals(await behind(), false);
  assertEquals(await behind(draft.norm("bn", 3)), false);
  assertEquals(await behind(step("scale", { kind: "affine", scale: 1 / 255 })), true);
  assertEquals(await behind(step("bgr", { kind: "reverseColors" })), true);
  const both = [draft.norm("bn", 3), step("scale", { kind: "affine", scale: 2 })];
  assertEquals(await behind(...both), true);
});

Deno.test("pools that round up leave an open input's size to whoever knows it, but the paper's", async () => {
  const roundingUp = (positions: number): Graph => {
    const draft = new Draft("NCHW", 64);
    const steps = withOperator(draft.whole(positions), "pool5", { roundsUp: true });
    return chainOf(withOperator(steps, "image", { height: undefined, width: undefined }));
  };
  const error = await assertRejects(
    () => matchNetwork(roundingUp(4), "drawn.bin"),
    CheckpointFormatError,
    "may be 33 to 64 pixels high",
  );
  assertEquals(error.code, "checkpoint-ambiguous");
  assertMatch(error.message, /the max pool pool5 rounds up.*--input-size/);
  const known = await matchNetwork(roundingUp(4), "drawn.bin", { inputSize: 64 });
  assertEquals(known.architecture.input.height, 64);
  const usual = await matchNetwork(roundingUp(49), "drawn.bin");
  assertEquals(usual.architecture.input.height, 224);
});

Deno.test("a head is what the graph ends in, or what is said", async () => {
  const draft = new Draft("NHWC", 32);
  const headOf = async (steps: readonly Step[], options?: MatchOptions) =>
    (await matchNetwork(chainOf(steps), "drawn.bin", options)).architecture.head;
  const end = (kind: "softmax" | "sigmoid") => [...draft.whole(), step("end", { kind })];
  assertEquals(await headOf(draft.whole()), undefined);
  assertEquals(await headOf(end("softmax")), undefined);
  assertEquals(await headOf(end("sigmoid")), "sigmoid");
  assertEquals(await headOf(draft.whole(), { head: "sigmoid" }), "sigmoid");
  await assertRefused(end("softmax"), /ends in a softmax: sigmoid was asked for/, {
    head: "sigmoid",
  });
  const one = change(draft.whole(), "fc8", () => [draft.dense("fc8", 6, 1)]);
  assertEquals(await headOf([...one, step("end", { kind: "sigmoid" })]), "sigmoid");
  await assertRefused(one, /fc8.*one number.*--head sigmoid/);
  await assertRefused([...one, step("end", { kind: "softmax" })], /one output, which is always 1/);
});

/** What is refused, and by which words. */
const REFUSED: Readonly<Record<string, readonly [(draft: Draft) => readonly Step[], RegExp]>> = {
  "batch norm after a ReLU, before a padded convolution": [
    (draft) => change(draft.whole(), "relu2_1", (relu) => [relu, draft.norm("bn", 4)]),
    /batch normalization bn of drawn\.bin stands after a ReLU, before the convolution conv3_1/i,
  ],
  "an operator that is not understood": [
    (draft) =>
      change(draft.whole(), "relu2_1", () => [
        step("act", { kind: "unsupported", type: "LeakyRelu", because: "it has a slope of 0.1" }),
      ]),
    /LeakyRelu act of drawn\.bin cannot be converted: it has a slope of 0\.1/,
  ],
  "no ReLU between convolutions": [
    (draft) => change(draft.whole(), "relu3_1", () => []),
    /conv3_2 of drawn\.bin follows the convolution conv3_1 without a ReLU/,
  ],
  "no ReLU between dense layers": [
    (draft) => change(draft.whole(), "relu7", () => []),
    /fc8 of drawn\.bin follows the dense layer fc7 without a ReLU/,
  ],
  "a ReLU after the logits": [
    (draft) => [...draft.whole(), relu("last")],
    /fc8 of drawn\.bin is the last one, and a ReLU follows/,
  ],
  "a ReLU behind an adaptive average": [
    (draft) =>
      change(change(draft.whole(1), "relu5_2", () => []), "flatten", (flatten) => [
        step("avgpool", { kind: "adaptiveAverage", size: [1, 2] }),
        relu("late"),
        flatten,
      ]),
    /adaptive average pool avgpool of drawn\.bin follows no ReLU/,
  ],
  "windows of the whole map that begin everywhere": [
    (draft) => [
      ...draft.features(),
      step("avg", {
        kind: "averagePool",
        window: [draft.size >> 5, draft.size >> 5],
        stride: [1, 1],
        padding: "same",
        roundsUp: false,
        layout: draft.layout,
      }),
      draft.conv("fc8", 4, 5, 1),
      step("gap", { kind: "globalAverage" }),
    ],
    /average pool avg of drawn\.bin has a window of/,
  ],
  "zeros where a border was cut off": [
    (draft) =>
      change(draft.whole(), "conv4_1", (conv) => [
        step("crop", { kind: "pad", padding: [-1, -1, -1, -1], layout: draft.layout }),
        ...withOperator([conv], "conv4_1", { padding: [2, 2, 2, 2] }),
      ]),
    /padding crop of drawn\.bin cuts off the border of a map/,
  ],
  "numbers that are neither those of the channels nor of the flattened map": [
    (draft) => {
      const open = { height: undefined, width: undefined };
      const steps = change(draft.whole(), "flatten", (flatten) => [flatten, draft.norm("bn", 7)]);
      return withOperator(steps, "image", open);
    },
    /batch normalization bn of drawn\.bin has 7 numbers for 16 inputs/,
  ],
  "a dilated convolution": [
    (draft) => withOperator(draft.whole(), "conv3_1", { dilation: [2, 2], padding: [2, 2, 2, 2] }),
    /conv3_1 of drawn\.bin is dilated by 2x2/,
  ],
  "a stride": [
    (draft) => withOperator(draft.whole(), "conv3_1", { stride: [2, 2] }),
    /conv3_1 of drawn\.bin has stride 2x2/,
  ],
  "groups": [
    (draft) => withOperator(draft.whole(), "conv3_1", { groups: 2 }),
    /conv3_1 of drawn\.bin has 2 groups/,
  ],
  "valid padding": [
    (draft) => withOperator(draft.whole(), "conv3_1", { padding: "valid" }),
    /conv3_1 of drawn\.bin pads its 3x3 filter by 0, 0, 0, 0: expected 1/,
  ],
  "another pool": [
    (draft) => withOperator(draft.whole(), "pool3", { window: [3, 3], padding: [1, 1, 1, 1] }),
    /pool3 of drawn\.bin has a window of 3x3/,
  ],
  "an average pool in a max pool's place": [
    (draft) => withOperator(draft.whole(), "pool3", { kind: "averagePool" }),
    /average pool pool3 of drawn\.bin has a window of 2x2/,
  ],
  "a pool too few": [
    (draft) => change(draft.features(), "pool3", () => []),
    /there must be a max pool/,
  ],
  "a mean image": [
    (draft) =>
      change(draft.whole(), "image", (image) => [
        image,
        step("sub", { kind: "affine", shift: draft.tensor("mean", [1, 3, 64, 64]) }),
      ]),
    /Tensor mean of drawn\.bin .* shape \[1,3,64,64\]: expected one number, or one for each channel/,
  ],
  "zeros around an image that is normalized after it": [
    (draft) =>
      change(withOperator(draft.whole(), "conv1_1", { padding: "valid" }), "image", (image) => [
        image,
        step("pad", { kind: "pad", padding: [1, 1, 1, 1], layout: "NCHW" }),
        step("sub", { kind: "affine", shift: 1 }),
      ]),
    /sub of drawn\.bin stands between zeros around a map and their convolution/,
  ],
  "a map that nothing flattens": [
    (draft) => change(draft.whole(), "flatten", () => []),
    /fc7 of drawn\.bin takes a map that nothing has flattened/,
  ],
  "a scale below 0 before a max pool": [
    (draft) =>
      change(draft.whole(), "relu2_1", (relu) => [
        relu,
        step("mul", { kind: "affine", scale: -1 }),
      ]),
    /mul of drawn\.bin turns the order of values round before a max pool/,
  ],
  "a convolution behind the features": [
    (draft) => [...draft.features(), draft.conv("more", 4, 4)],
    /more of drawn\.bin has a 3x3 filter, padded by 1, 1, 1, 1, behind pool5/,
  ],
  "dense layers of another size": [
    (draft) => draft.whole(9),
    /fc7\.weight of drawn\.bin takes 36 inputs: an input of 64x64 pixels gives a map of 2x2/,
  ],
};

for (const [what, [make, words]] of Object.entries(REFUSED)) {
  Deno.test(`${what} is refused by name`, async () => {
    await assertRefused(make(new Draft("NCHW", 64)), words);
  });
}

Deno.test("a size that the file contradicts is refused", async () => {
  const draft = new Draft("NCHW", 64);
  await assertRefused(draft.whole(), /64x64 pixels, as the file says: 32 was asked for/, {
    inputSize: 32,
  });
});

Deno.test("a pool that rounds an odd size up is refused", async () => {
  const draft = new Draft("NCHW", 48);
  const steps = withOperator(draft.whole(4), "pool5", { roundsUp: true });
  await assertRefused(steps, /pool5 of drawn\.bin makes 2x2 of a map of 3x3, as it rounds up/);
});

Deno.test("a graph with two outputs, with a sum or without a way is refused", async () => {
  const draft = new Draft("NCHW", 32);
  const { nodes, outputs } = chainOf(draft.whole());
  const at = (name: string) => nodes.find((node) => node.name === name)!;
  const other = { ...at("fc8"), name: "other", output: "other" };
  await assertGraphRefused(
    { nodes: [...nodes, other], outputs: [...outputs, "other"] },
    /2 outputs/,
  );
  const sum = nodes.map((node) =>
    node.name === "relu3_1" ? { ...node, inputs: [...node.inputs, at("pool1").output] } : node
  );
  await assertGraphRefused({ nodes: sum, outputs }, /relu3_1 of drawn\.bin takes 2 values/);
  await assertGraphRefused({ nodes: nodes.slice(1), outputs }, /Nothing .* gives 0/);
  // What nobody asks for does no harm, and an output on the way to another one is no second one.
  await matchNetwork({ nodes: [...nodes, other], outputs }, "drawn.bin");
  await matchNetwork({ nodes, outputs: [at("relu7").output, ...outputs] }, "drawn.bin");
});

/** How many graphs are drawn. */
const DRAWN = 400;

Deno.test("a graph that is changed at random is matched exactly, or refused", async () => {
  const random = seededRandom(11);
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!;
  let [same, refused] = [0, 0];
  for (let seed = 0; seed < DRAWN; seed++) {
    const draft = new Draft(pick(["NCHW", "NHWC"]), pick([32, 48, 64]), seed);
    let steps = pick([draft.whole(), draft.whole(1), EXACT["a global average"]!(draft)]);
    for (let changes = 1 + Math.floor(random() * 3); changes > 0; changes--) {
      steps = mutate(draft, steps, random, pick);
    }
    const graph = chainOf(steps);
    let found: Float64Array;
    try {
      found = await matched(draft, graph);
    } catch (error) {
      assert(error instanceof CheckpointFormatError, `${error}`);
      refused++;
      continue;
    }
    const names = steps.map(({ name, operator }) => `${name} (${operator.kind})`).join(", ");
    const last = steps.at(-1)!.operator.kind;
    if (last === "softmax" || last === "sigmoid") continue;
    const expected = await runGraph(graph, imageFor(draft)).catch((error) => {
      throw new Error(`matched what cannot be run (${error}): ${names}`);
    });
    try {
      assertClose(found, expected);
    } catch (error) {
      throw new Error(`${names}\n${error}`);
    }
    same++;
  }
  assert(same > DRAWN / 20 && refused > DRAWN / 20, `${same} were the same, ${refused} refused`);
});

/** Drops, doubles, swaps or changes a step, or puts another one in. */
function mutate(
  draft: Draft,
  steps: readonly Step[],
  random: () => number,
  pick: <T>(of: readonly T[]) => T,
): Step[] {
  const index = 1 + Math.floor(random() * (steps.length - 1));
  const chosen = steps[index]!;
  const channels = chosen.operator.kind === "dense" ? 6 : 4;
  const inserted = pick<() => Step>([
    () => relu("more"),
    () => draft.norm("more", channels),
    () => step("more", { kind: "affine", scale: random() - 0.3, shift: random() - 0.5 }),
    () => step("more", { kind: "affine", scale: draft.perChannel("s", channels, 0.1, 1) }),
    () => step("more", { kind: "transpose", order: pick([[0, 2, 3, 1], [0, 3, 1, 2]]) }),
    () => step("more", { kind: "globalAverage" }),
    () => step("more", { kind: "adaptiveAverage", size: pick([[1, 1], [2, 2], [3, 3]] as Pair[]) }),
    () => step("more", { kind: "flatten" }),
    () => step("more", { kind: "pad", padding: [1, 1, 1, 1], layout: draft.layout }),
    () => step("more", { kind: pick(["softmax", "sigmoid"]) }),
    () => draft.pool("more"),
    () => draft.conv("more", 4, 4, pick([1, 3])),
  ]);
  const changes = pick<object>([
    { padding: pick(["same", "valid", [1, 1, 1, 1], [0, 0, 1, 1], [2, 2, 2, 2]]) },
    { stride: pick([[1, 1], [2, 2], [1, 2]]) },
    { dilation: [2, 2] },
    { window: pick([[1, 1], [2, 2], [3, 3]]) },
    { roundsUp: true },
    { layout: pick(["NCHW", "NHWC"]) },
    { order: pick(["NCHW", "NHWC"]) },
  ]);
  const operator = chosen.operator.kind === "transpose"
    ? chosen.operator
    : { ...chosen.operator, ...changes } as Operator;
  return pick<() => Step[]>([
    () => steps.toSpliced(index, 1),
    () => steps.toSpliced(index, 0, inserted()),
    () => steps.toSpliced(index, 0, inserted()),
    () => steps.toSpliced(index, 1, { ...chosen, operator }),
    () => steps.toSpliced(index, 2, steps[index + 1] ?? chosen, chosen),
  ])();
}

async function assertRefused(
  steps: readonly Step[],
  words: RegExp,
  options?: MatchOptions,
): Promise<void> {
  await assertGraphRefused(chainOf(steps), words, options);
}

async function assertGraphRefused(
  graph: Graph,
  words: RegExp,
  options?: MatchOptions,
): Promise<void> {
  const error = await assertRejects(
    () => matchNetwork(graph, "drawn.bin", options),
    CheckpointFormatError,
  );
  assertMatch(error.message, words);
}

import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { chainOf, type Layout } from "../../../lib/convert/formats/graph.ts";
import { matchNetwork } from "../../../lib/convert/network/match_network.ts";
import type { Network } from "../../../lib/convert/network/network.ts";
import {
  convertLayer,
  type LayerConversion,
  type LayerReport,
} from "../../../lib/convert/quantize/layer.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { MemoryFile } from "../../../lib/io/atomic_file.ts";
import { openModel } from "../../../lib/model/file.ts";
import { ModelWriter } from "../../../lib/model/writer.ts";
import { change, Draft, type Step, step } from "../../support/draft_network.ts";
import { type FloatLayer, modelLayers, networkLayers } from "../../support/float_forward.ts";

/** Half a step of 127 is 0.4 % of the largest weight, and these weights are drawn evenly. */
const NOISE = 0.01;

async function networkOf(steps: readonly Step[]): Promise<Network> {
  return await matchNetwork(chainOf(steps), "drawn.bin");
}

/** Converts all layers of a network, and reads the model that they make. */
async function converted(
  network: Network,
  options: Partial<Pick<LayerConversion, "colors" | "negated" | "isAveraged" | "signal">> = {},
  onTile?: () => void,
): Promise<{ layers: FloatLayer[]; reports: LayerReport[]; weights: number }> {
  const { architecture } = network;
  const file = new MemoryFile();
  const normalized = { scale: 1, mean: [0, 0, 0], std: [1, 1, 1] };
  const writer = new ModelWriter(file, {
    id: "drawn",
    architecture,
    preprocessing: { resize: "direct", size: 64, filter: "bilinear", ...normalized },
    labels: Array.from({ length: architecture.dense.at(-1) ?? 0 }, (_, index) => `${index}`),
    provenance: {},
  });
  let weights = 0;
  const conversion: LayerConversion = {
    ...{ writer, file: "drawn.bin", colors: [0, 1, 2], negated: [], isAveraged: false },
    ...options,
    onTile: (elements) => {
      weights += elements;
      onTile?.();
    },
  };
  const reports: LayerReport[] = [];
  for (const layer of network.layers) {
    const { parameters, report } = await convertLayer(layer, conversion);
    writer.setParameters(parameters.name, parameters.scale, parameters.bias);
    reports.push(report);
  }
  await writer.finish({});
  return { layers: await modelLayers(await openModel(file.bytes)), reports, weights };
}

/** Each filter as well as int8 can tell it, and biases as they are. */
function assertQuantized(found: readonly FloatLayer[], expected: readonly FloatLayer[]): void {
  assertEquals(found.map(({ layer }) => layer.name), expected.map(({ layer }) => layer.name));
  for (const [index, { layer, weight, bias }] of expected.entries()) {
    const inputs = weight.length / layer.outChannels;
    for (let o = 0; o < layer.outChannels; o++) {
      let energy = 0, error = 0;
      for (let i = o * inputs; i < (o + 1) * inputs; i++) {
        energy += weight[i] ** 2;
        error += (weight[i] - found[index].weight[i]) ** 2;
      }
      const noise = Math.sqrt(error / energy);
      assert(noise < NOISE, `filter ${o} of ${layer.name} is off by ${noise}`);
      assertAlmostEquals(found[index].bias[o], bias[o], 1e-5 * Math.max(1, Math.abs(bias[o])));
    }
  }
}

/** What is folded, by what it is. */
const FOLDED: Readonly<Record<string, (draft: Draft) => readonly Step[]>> = {
  "nothing": (draft) => draft.whole(),
  "factors of both signs": (draft) =>
    change(draft.whole(), "conv3_1", (conv) => [
      conv,
      step("mul", { kind: "affine", scale: draft.perChannel("m", 4, -2, 2) }),
    ]),
  "batch norm behind the ReLU of a dense layer": (draft) =>
    change(draft.whole(), "relu7", (relu) => [relu, draft.norm("bn", 6)]),
  "batch norm of a flattened map": (draft) =>
    change(draft.whole(), "flatten", (flatten) => [flatten, draft.norm("bn", 16)]),
  "an adaptive pool": (draft) =>
    change(draft.whole(9), "flatten", (flatten) => [
      step("avgpool", { kind: "adaptiveAverage", size: [3, 3] }),
      flatten,
    ]),
};

for (const layout of ["NCHW", "NHWC"] as const satisfies Layout[]) {
  for (const [what, make] of Object.entries(FOLDED)) {
    Deno.test(`layers are quantized with what is folded into them: ${what} (${layout})`, async () => {
      const network = await networkOf(make(new Draft(layout, 64)));
      const { layers } = await converted(network);
      assertQuantized(layers, await networkLayers(network, { isBgr: false, negated: [] }));
    });
  }
}

Deno.test("the first layer's colors are turned round and negated, and no other's", async () => {
  const network = await networkOf(new Draft("NCHW", 32).whole());
  const negated = [true, false, true];
  const { layers } = await converted(network, { colors: [2, 1, 0], negated });
  assertQuantized(layers, await networkLayers(network, { isBgr: true, negated }));
});

Deno.test("a layer's report tells the range of its weights and how little rounding changed", async () => {
  const network = await networkOf(FOLDED["factors of both signs"](new Draft("NCHW", 32)));
  const { layers, reports, weights } = await converted(network);
  const exact = await networkLayers(network, { isBgr: false, negated: [] });
  for (const [index, { name, shape, range, scale, sqnr }] of reports.entries()) {
    const { weight, layer } = exact[index];
    assertEquals([name, shape], [
      layer.name,
      [layer.outChannels, ...layer.filterSize, layer.inChannels],
    ]);
    assertAlmostEquals(range[0], Math.min(0, ...weight), 1e-6);
    assertAlmostEquals(range[1], Math.max(0, ...weight), 1e-6);
    assert(scale[0] > 0 && scale[0] <= scale[1], `${scale}`);
    let energy = 0, error = 0;
    weight.forEach((w, i) => {
      energy += w * w;
      error += (w - layers[index].weight[i]) ** 2;
    });
    assertAlmostEquals(sqnr, 10 * Math.log10(energy / error), 1e-3);
  }
  assertEquals(weights, exact.reduce((sum, { weight }) => sum + weight.length, 0));
});

Deno.test("errors of rounding are balanced where an average follows", async () => {
  const draft = new Draft("NHWC", 64);
  const steps = change(draft.whole(1), "flatten", () => [step("gap", { kind: "globalAverage" })]);
  const network = await networkOf(steps);
  const exact = await networkLayers(network, { isBgr: false, negated: [] });
  const biased = async (isAveraged: boolean): Promise<number> => {
    const { layers } = await converted(network, { isAveraged });
    // In steps of the filter's scale, of the filter that is worst.
    return Math.max(...exact.flatMap(({ layer, weight }, index) => {
      const inputs = weight.length / layer.outChannels;
      return Array.from({ length: layer.outChannels }, (_, o) => {
        let sum = 0, largest = 0;
        for (let i = o * inputs; i < (o + 1) * inputs; i++) {
          sum += layers[index].weight[i] - weight[i];
          largest = Math.max(largest, Math.abs(layers[index].weight[i]));
        }
        return Math.abs(sum) * 127 / largest;
      });
    }));
  };
  assert(await biased(false) > 1, "plain rounding happened to be balanced: draw other weights");
  const worst = await biased(true);
  assert(worst <= 0.5 * 127 / 100, `${worst} steps`);
});

Deno.test("a weight or a bias that is not finite is refused with its tensor and channel", async () => {
  const network = await networkOf(new Draft("NCHW", 32).whole());
  const [first, ...others] = network.layers;
  const weight = {
    ...first.weight,
    read: (_: unknown, into: Float32Array) => void into.fill(1).set([NaN], 27),
  };
  await assertRejects(
    () => converted({ ...network, layers: [{ ...first, weight }, ...others] }),
    CheckpointFormatError,
    "Tensor conv1_1.weight of drawn.bin must be finite: output channel 1 is not",
  );
  const outputs = { ...first.outputs, shift: Float64Array.of(0, 0, 1e39, 0) };
  await assertRejects(
    () => converted({ ...network, layers: [{ ...first, outputs }, ...others] }),
    CheckpointFormatError,
    "batch normalization of conv1_1 in drawn.bin must be finite: output channel 2 is not",
  );
});

Deno.test("quantizing ends before the next layer's weights are read, when it is aborted", async () => {
  const abort = new AbortController(), reason = new Error("enough");
  const { layers, ...network } = await networkOf(new Draft("NCHW", 32).whole());
  const read: string[] = [];
  const watched = layers.map((layer) => ({
    ...layer,
    weight: {
      ...layer.weight,
      read: (...runs: Parameters<typeof layer.weight.read>) => {
        read.push(layer.layer.name);
        return layer.weight.read(...runs);
      },
    },
  }));
  const run = () =>
    converted({ ...network, layers: watched }, { signal: abort.signal }, () => abort.abort(reason));
  assertEquals([await assertRejects(run), read], [reason, ["conv1_1"]]);
});

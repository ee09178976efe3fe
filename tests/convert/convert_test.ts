import { assert, assertEquals } from "@std/assert";
import { convert } from "../../lib/convert/convert.ts";
import { openConversionSource } from "../../lib/convert/source.ts";
import { openCheckpoint } from "../../lib/convert/formats/open_checkpoint.ts";
import type { Network } from "../../lib/convert/network/network.ts";
import {
  choosePreprocessing,
  type ChosenPreprocessing,
} from "../../lib/convert/network/preprocessing.ts";
import { understand } from "../../lib/convert/network/understand.ts";
import type { Preprocessing } from "../../lib/model/model.ts";
import { openModel } from "../../lib/model/file.ts";
import {
  type FloatLayer,
  forward,
  type Map3,
  modelLayers,
  networkLayers,
} from "../support/float_forward.ts";
import { seededRandom } from "../fuzz/checkpoints.ts";

const FIXTURES = new URL("../fixtures/checkpoints/", import.meta.url);

interface Expected {
  readonly configuration: string;
  readonly preprocessing: "torch" | "caffe" | "mean";
  /** Height, width and channels. */
  readonly input: [number, number, number];
  /** What PyTorch gives for the photo. */
  readonly logits: number[];
}

const EXPECTED: Record<string, Expected> = JSON.parse(
  await Deno.readTextFile(new URL("expected.json", FIXTURES)),
);

/** PyTorch computes in float32, this test in float64. */
const FLOAT_TOLERANCE = 1e-4;

/** Trials of {@linkcode roundingNoise}. */
const TRIALS = 8;

/**
 * The error of logits (L2) that rounding to int8 must be expected to cause: every weight is moved by up to
 * half a step at random, a step being the largest weight of its output channel / 127. These networks are
 * so narrow that it differs much from one to the next: between 0.2 and 7 % of the logits.
 */
function roundingNoise(layers: readonly FloatLayer[], input: Map3, logits: Float64Array): number {
  const random = seededRandom(1);
  const errors = Array.from({ length: TRIALS }, () => {
    const moved = layers.map(({ layer, weight, bias }) => {
      const inputs = weight.length / layer.outChannels;
      const noisy = weight.slice();
      for (let o = 0; o < layer.outChannels; o++) {
        const filter = noisy.subarray(o * inputs, (o + 1) * inputs);
        const step = filter.reduce((max, w) => Math.max(max, Math.abs(w)), 0) / 127;
        for (let i = 0; i < inputs; i++) filter[i] += (random() - 0.5) * step;
      }
      return { layer, weight: noisy, bias };
    });
    return distance(forward(moved, input), logits);
  });
  return Math.max(...errors);
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Math.hypot(...Array.from(a, (value, i) => value - b[i]));
}

function photo(expected: Expected, { scale, mean, std }: Preprocessing): Map3 {
  const [height, width, channels] = expected.input;
  const file = channels === 3 ? "photo.rgb" : "photo.grey";
  const bytes = Deno.readFileSync(new URL(file, FIXTURES));
  const values = Float64Array.from(
    bytes,
    (byte, i) => (byte * scale - mean[i % channels]) / std[i % channels],
  );
  return { height, width, channels, values };
}

/** Opens a checkpoint, and understands its network. */
async function withNetwork<T>(
  file: string,
  inputSize: number,
  use: (network: Network, chosen: ChosenPreprocessing) => Promise<T>,
): Promise<T> {
  const source = await openConversionSource(new URL(file, FIXTURES), {});
  const checkpoint = await openCheckpoint(source.bytes, source);
  try {
    const { network, images } = await understand(checkpoint, file, { inputSize });
    return await use(network, choosePreprocessing(network, images, undefined, file));
  } finally {
    checkpoint.close();
    source.bytes.close();
  }
}

for (const [file, expected] of Object.entries(EXPECTED)) {
  const [height, width, channels] = expected.input;

  Deno.test(`a reader gives the floats of ${file}: the logits are PyTorch's`, async () => {
    await withNetwork(file, height, async (network, chosen) => {
      assertEquals(network.architecture.configuration, expected.configuration);
      assertEquals(network.architecture.input, { height, width, channels });
      assertEquals(chosen.isBgr, expected.preprocessing === "caffe" && channels === 3);
      assertEquals(chosen.from, "assumed");
      const layers = await networkLayers(network, chosen);
      const logits = forward(layers, photo(expected, chosen.preprocessing));
      const largest = Math.max(...expected.logits.map(Math.abs));
      assertEquals(logits.length, expected.logits.length);
      for (const [i, logit] of logits.entries()) {
        const error = Math.abs(logit - expected.logits[i]) / largest;
        assert(error < FLOAT_TOLERANCE, `logit ${i}: ${logit}, PyTorch has ${expected.logits[i]}`);
      }
    });
  });

  Deno.test(`convert() makes a model of ${file} whose logits are PyTorch's within the rounding noise`, async () => {
    const { bytes } = await convert(new URL(file, FIXTURES), { inputSize: height });
    const model = await openModel(bytes);
    const input = photo(expected, model.preprocessing);
    const error = distance(forward(await modelLayers(model), input), expected.logits);
    const noise = await withNetwork(file, height, async (network, chosen) => {
      const layers = await networkLayers(network, chosen);
      return roundingNoise(layers, input, forward(layers, input));
    });
    // Twice the worst of eight random roundings: a tensor in a wrong order errs a hundred times as much.
    assert(error < 2 * noise, `error ${error}, ${noise} is to be expected`);
  });
}

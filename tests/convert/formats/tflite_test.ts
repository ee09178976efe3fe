import { assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { type Checkpoint, readAll } from "../../../lib/convert/formats/checkpoint.ts";
import { graphOf } from "../../../lib/convert/formats/tflite/nodes.ts";
import { openCheckpoint } from "../../../lib/convert/formats/open_checkpoint.ts";
import {
  choosePreprocessing,
  type GivenPreprocessing,
} from "../../../lib/convert/network/preprocessing.ts";
import { understand } from "../../../lib/convert/network/understand.ts";
import { openConversionSource } from "../../../lib/convert/source.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { forward, networkLayers } from "../../support/float_forward.ts";

const CHECKPOINTS = new URL("../../fixtures/checkpoints/", import.meta.url);
const FIXTURES = new URL("tflite/", CHECKPOINTS);

/** What TensorFlow gives for the photo, with the file's own numbers as floats. */
const EXPECTED: Record<string, number[]> = JSON.parse(
  await Deno.readTextFile(new URL("expected.json", FIXTURES)),
);
const PHOTO = Deno.readFileSync(new URL("photo.rgb", CHECKPOINTS));

/** TensorFlow computes in float32, this test in float64. */
const TOLERANCE = 1e-4;

async function withCheckpoint<T>(
  file: string | Uint8Array,
  use: (checkpoint: Checkpoint) => Promise<T> | T,
): Promise<T> {
  const input = typeof file === "string" ? new URL(file, FIXTURES) : file;
  const source = await openConversionSource(input, {});
  try {
    const checkpoint = await openCheckpoint(source.bytes, source);
    if ("inGraphOrder" in checkpoint) throw new Error("a reader of the old kind");
    return await use(checkpoint);
  } finally {
    source.bytes.close();
  }
}

const FILES: readonly (readonly [string, "caffe" | undefined, "read" | "given"])[] = [
  ["float16.tflite", undefined, "read"],
  ["dynamic.tflite", "caffe", "given"],
  ["integer.tflite", undefined, "read"],
];

for (const [file, given, from] of FILES) {
  Deno.test(`${file} gives TensorFlow's logits`, async () => {
    const expected = EXPECTED[file];
    const largest = Math.max(...expected.map(Math.abs));
    await withCheckpoint(file, async (checkpoint) => {
      const { network, images } = await understand(checkpoint, file, {});
      const chosen = choosePreprocessing(network, images, given, file);
      assertEquals(chosen.from, from);
      const { scale, mean, std } = chosen.preprocessing;
      const values = Float64Array.from(
        PHOTO,
        (byte, i) => (byte * scale - mean[i % 3]) / std[i % 3],
      );
      const layers = await networkLayers(network, chosen);
      const logits = forward(layers, { height: 64, width: 64, channels: 3, values });
      assertEquals(logits.length, expected.length);
      for (const [i, logit] of logits.entries()) {
        assertAlmostEquals(logit, expected[i], TOLERANCE * largest, `logit ${i}`);
      }
    });
  });
}

Deno.test("labels and normalization come from the description for apps", async () => {
  await withCheckpoint("integer.tflite", ({ labels, images }) => {
    assertEquals(labels, ["kind 0", "kind 1", "kind 2", "kind 3", "kind 4"]);
    const [mean, std] = [[127.5], [127.5]];
    assertEquals(images?.preprocessing, { scale: 1, mean, std });
    assertEquals([images?.colors, images?.isRead], ["rgb", true]);
  });
});

/** The description's mean and deviation, which are 127.5, replaced by others. */
async function normalizedBy(mean: number, std: number): Promise<Uint8Array> {
  const bytes = await Deno.readFile(new URL("integer.tflite", FIXTURES));
  const view = new DataView(bytes.buffer);
  const places = Array.from({ length: bytes.length - 3 }, (_, at) => at)
    .filter((at) => view.getFloat32(at, true) === 127.5);
  assertEquals(places.length, 2);
  const vectors = places.toSorted((a, b) => a - b);
  // The tables are written from the end: the deviation comes first.
  view.setFloat32(vectors[0], std, true);
  view.setFloat32(vectors[1], mean, true);
  return bytes;
}

Deno.test("bytes that nothing normalizes are the integers of the input", async () => {
  await withCheckpoint(await normalizedBy(0, 1), ({ images }) => {
    const { scale, mean, std } = images!.preprocessing as GivenPreprocessing;
    const [step, zeroPoint] = EXPECTED["integer.tflite input"];
    assertEquals([scale, mean], [1, [zeroPoint]]);
    assertEquals(std, [1 / step]);
  });
});

Deno.test("a description of another network's images is not believed", async () => {
  await withCheckpoint(await normalizedBy(0.5, 0.5), ({ images }) => {
    assertEquals(images, undefined);
  });
});

Deno.test("a filter has its outputs first and its channels last", async () => {
  await withCheckpoint("dynamic.tflite", async ({ tensors, images, graph }) => {
    assertEquals(images, undefined);
    const [first, second] = tensors;
    assertEquals([first.shape, second.shape], [[8, 3, 3, 3], [8, 3, 3, 8]]);
    assertEquals(first.layout, { outputs: "first", inputs: "HWC" });
    // Each output channel of the integers has a scale of its own.
    const large = tensors.find(({ shape }) => String(shape) === "12,3,3,12")!;
    const values = await readAll(large);
    const channels = Array.from({ length: 12 }, (_, o) => values.subarray(o * 108, (o + 1) * 108));
    const steps = channels.map((channel) => {
      const sizes = [...channel].map(Math.abs);
      return Math.max(...sizes) / 127;
    });
    for (const [o, channel] of channels.entries()) {
      for (const value of channel) {
        assertAlmostEquals(value / steps[o], Math.round(value / steps[o]), 1e-3);
      }
    }
    assertEquals(new Set(steps).size, 12);
    assertEquals(graph?.nodes[0].operator, {
      ...{ kind: "input", layout: "NHWC", height: 64, width: 64, channels: 3 },
    });
  });
});

/** A file with one byte or number changed. */
async function changed(change: (view: DataView, text: string) => void): Promise<Uint8Array> {
  const bytes = await Deno.readFile(new URL("float16.tflite", FIXTURES));
  const text = String.fromCharCode(...bytes);
  change(new DataView(bytes.buffer), text);
  return bytes;
}

Deno.test("offsets that lead out of the file, or are cut short, are errors", async () => {
  const beyond = await changed((view) => view.setUint32(0, 1 << 30, true));
  await assertRejects(
    () => withCheckpoint(beyond, () => {}),
    CheckpointFormatError,
    "beyond the file",
  );
  const whole = await changed(() => {});
  for (const part of [0.2, 0.5, 0.9]) {
    const cut = whole.subarray(0, Math.floor(whole.length * part));
    await assertRejects(() => withCheckpoint(cut, () => {}), CheckpointFormatError);
  }
});

Deno.test("any byte of the tables may be wrong: the answer is a network or a named error", async () => {
  const whole = await Deno.readFile(new URL("integer.tflite", FIXTURES));
  let refused = 0;
  for (let at = 8; at < whole.length; at += 97) {
    const bytes = whole.slice();
    bytes[at] ^= 0x55;
    try {
      const given: GivenPreprocessing = {};
      await withCheckpoint(bytes, async (checkpoint) => {
        const { network, images } = await understand(checkpoint, "bytes", {});
        choosePreprocessing(network, images, given, "bytes");
      });
    } catch (error) {
      if (!(error instanceof CheckpointFormatError)) throw error;
      refused++;
    }
  }
  assertEquals(refused > 0, true);
});

/** The nodes of operators over two tensors, `t0` the image and `t1`. */
async function nodesOf(
  ...operators: (readonly [code: number, inputs: number[], outputs: number[]])[]
): Promise<[key: string, op: string, inputs: readonly string[]][]> {
  const tensor = {
    type: "F32",
    isInteger: false,
    quantization: undefined,
    constant: undefined,
  } as const;
  const { nodes } = await graphOf({
    tensors: ["x", "y"].map((name) => ({ ...tensor, name, shape: [1, 8, 8, 3] })),
    operators: operators.map(([code, inputs, outputs]) => (
      { code, custom: "", inputs, outputs, options: undefined }
    )),
    inputs: [0],
    outputs: [1],
    metadata: undefined,
  });
  return [...nodes].map(([key, { op, inputs }]) => [key, op, inputs]);
}

Deno.test("an operator without its inputs is not understood, and one without outputs gives nothing", async () => {
  const image = ["t0", "Placeholder", []] as [string, string, string[]];
  for (const [code, name] of [[3, "CONV_2D"], [9, "FULLY_CONNECTED"]] as const) {
    assertEquals(await nodesOf([code, [0], [1]]), [image, ["t1", name, ["t0"]]]);
    assertEquals(await nodesOf([code, [], [1]]), [image, ["t1", name, []]]);
  }
  assertEquals(await nodesOf([22, [], [1]]), [image, ["t1", "RESHAPE", []]]);
  assertEquals(await nodesOf([3, [0], [-1]], [19, [0], []]), [image]);
});

/**
 * `BuiltinOperator` of TensorFlow's schema.fbs, for those that are known: the name in TensorFlow of what is translated,
 * and else its own.
 */
const OPERATORS: Readonly<Record<number, string>> = {
  ...{ 0: "AddV2", 1: "AvgPool", 2: "ConcatV2", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D" },
  ...{ 6: "Identity", 9: "FULLY_CONNECTED", 11: "L2_NORMALIZATION" },
  ...{ 13: "LOCAL_RESPONSE_NORMALIZATION", 14: "Sigmoid", 17: "MaxPool", 18: "Mul", 19: "Relu" },
  ...{ 20: "RELU_N1_TO_1", 21: "RELU6", 22: "RESHAPE", 23: "ResizeBilinear", 25: "Softmax" },
  ...{
    28: "TANH",
    34: "Pad",
    36: "GatherV2",
    39: "Transpose",
    40: "Mean",
    41: "Sub",
    42: "RealDiv",
  },
  ...{ 43: "Squeeze", 45: "StridedSlice", 48: "TopKV2", 49: "Split", 50: "LogSoftmax", 53: "Cast" },
  ...{ 54: "PRELU", 55: "Maximum", 56: "ArgMax", 57: "Minimum", 59: "Neg", 60: "PadV2" },
  ...{ 70: "ExpandDims", 74: "SUM", 75: "Sqrt", 76: "Rsqrt", 77: "Shape", 81: "Prod" },
  ...{ 82: "REDUCE_MAX", 83: "Pack", 88: "Unpack", 92: "Square", 97: "ResizeNearestNeighbor" },
  ...{ 98: "LEAKY_RELU", 102: "SplitV", 105: "ReverseV2", 111: "ELU", 114: "Identity" },
  ...{ 117: "HARD_SWISH", 118: "IF", 142: "VAR_HANDLE", 143: "READ_VARIABLE", 150: "GELU" },
};

Deno.test("operators are those of the schema, and others are called by their numbers", async () => {
  for (let code = 0; code < 200; code++) {
    if (code === 32) continue; // CUSTOM has a name of its own.
    const [, name] = (await nodesOf([code, [], [1]])).at(-1)!;
    assertEquals(name, OPERATORS[code] ?? `operator ${code}`, `${code}`);
  }
});

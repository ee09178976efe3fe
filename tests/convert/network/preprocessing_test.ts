import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import type { ImageHint } from "../../../lib/convert/formats/checkpoint.ts";
import type { Affine, Network } from "../../../lib/convert/network/network.ts";
import {
  choosePreprocessing,
  type ChosenPreprocessing,
} from "../../../lib/convert/network/preprocessing.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";

const USUAL: ImageHint = { preprocessing: "caffe", isRead: false, because: "usual for Keras" };

function network(normalization?: Affine, reversesColors = false, channels = 3): Network {
  const input = { height: 64, width: 64, channels };
  const architecture = { configuration: "D", input, convolutions: [], dense: [] } as const;
  const normalizesImages = normalization !== undefined || reversesColors;
  return {
    ...{ architecture, layers: [], assumptions: [] },
    ...{ normalization, normalizesImages, reversesColors },
  };
}

function affine(scale: number | readonly number[], shift: number | readonly number[]): Affine {
  return { scale: Float64Array.from([scale].flat()), shift: Float64Array.from([shift].flat()) };
}

/** What the first convolution gets of a color in the order red, green, blue, whose weight may be negated. */
function value(
  { preprocessing, negated }: ChosenPreprocessing,
  byte: number,
  color: number,
): number {
  const { scale, mean, std } = preprocessing;
  return (byte * scale - mean[color]!) / std[color]! * (negated[color] ? -1 : 1);
}

/** What each case gives for the bytes 10, 100 and 200, computed by hand from what it stands for. */
const OWN: Readonly<
  Record<
    string,
    { own: Affine; reverses?: boolean; expected: (byte: number, color: number) => number }
  >
> = {
  "Rescaling(1/255)": { own: affine(1 / 255, 0), expected: (p) => p / 255 },
  "Rescaling(1/127.5, -1)": { own: affine(1 / 127.5, -1), expected: (p) => p / 127.5 - 1 },
  "a mean subtracted from bytes": {
    own: affine(1, [-123.68, -116.779, -103.939]),
    expected: (p, c) => p - [123.68, 116.779, 103.939][c]!,
  },
  "Keras' caffe preprocessing: colors turned round, then the mean": {
    // In the order of the input, as the matcher gives it.
    own: affine(1, [-123.68, -116.779, -103.939]),
    reverses: true,
    expected: (p, c) => p - [123.68, 116.779, 103.939][c]!,
  },
  "mean and deviation of numbers from 0 to 1": {
    own: affine([1 / 0.229, 1 / 0.224, 1 / 0.225], [
      -0.485 / 0.229,
      -0.456 / 0.224,
      -0.406 / 0.225,
    ]),
    expected: (p, c) => (p / 255 - [0.485, 0.456, 0.406][c]!) / [0.229, 0.224, 0.225][c]!,
  },
  "numbers from 0 to 1 made bytes": { own: affine(255, 0), expected: (p) => p },
  "numbers from 0 to 1 spread to -1…1": { own: affine(2, -1), expected: (p) => p / 127.5 - 1 },
  "an image turned into its negative": { own: affine(-1 / 255, 1), expected: (p) => 1 - p / 255 },
};

for (const [what, { own, reverses = false, expected }] of Object.entries(OWN)) {
  Deno.test(`a network's own normalization is read: ${what}`, () => {
    const chosen = choosePreprocessing(network(own, reverses), USUAL, undefined, "m.onnx");
    assertEquals([chosen.from, chosen.isBgr], ["read", reverses]);
    for (const byte of [10, 100, 200]) {
      for (const color of [0, 1, 2]) {
        assertAlmostEquals(value(chosen, byte, color), expected(byte, color), 1e-9);
      }
    }
  });
}

Deno.test("a mean that is well known with blue first is asked about, and either answer is right", () => {
  for (const unit of [1, 1 / 255]) {
    for (const means of [[123.675, 116.28, 103.53], [129.1863, 104.7624, 93.594]]) {
      const blueFirst = affine(1, means.toReversed().map((mean) => -mean * unit));
      const of = (given?: Parameters<typeof choosePreprocessing>[2], reverses = false) =>
        choosePreprocessing(network(blueFirst, reverses), USUAL, given, "m.pth");
      const plain = unit === 1 ? "byte" : "unit";
      for (const reverses of [false, true]) {
        const error = assertThrows(
          () => of(undefined, reverses),
          CheckpointFormatError,
          `--preprocess ${plain}`,
        );
        assertEquals(error.code, "checkpoint-ambiguous");
        const answer = JSON.parse(/\{.*\}/.exec(error.message)![0]);
        const blue = of(answer, reverses), red = of(plain, reverses);
        assertEquals([blue.isBgr, red.isBgr], [!reverses, reverses]);
        for (const color of [0, 1, 2]) {
          const [own, other] = [means[color]!, means[2 - color]!];
          assertAlmostEquals(value(blue, 200, color), (200 - own) * unit, 1e-9);
          assertAlmostEquals(value(red, 200, color), (200 - other) * unit, 1e-9);
        }
      }
    }
  }
  const others = network(affine(1, [-0.3444, -0.3803, -0.4078]));
  assertEquals(choosePreprocessing(others, USUAL, undefined, "m.pth").from, "read");
});

Deno.test("a network that turns colors round alone may be given any preprocessing", () => {
  const chosen = choosePreprocessing(network(undefined, true), USUAL, "torch", "m.onnx");
  assertEquals([chosen.from, chosen.isBgr], ["given", true]);
  assertAlmostEquals(value(chosen, 51, 0), (0.2 - 0.485) / 0.229, 1e-9);
});

Deno.test("what a network takes is asked for where its numbers do not tell", () => {
  // Of -1…1 to 0…1: neither bytes nor parts of 1.
  const own = affine(0.5, 0.5);
  const asked = assertThrows(
    () => choosePreprocessing(network(own), USUAL, undefined, "m.onnx"),
    CheckpointFormatError,
    "its numbers do not tell what it takes: say --preprocess byte, unit (0…1) or tf (-1…1)",
  );
  assertEquals(asked.code, "checkpoint-ambiguous");
  const tf = choosePreprocessing(network(own), USUAL, "tf", "m.onnx");
  assertEquals([tf.from, tf.isBgr], ["given", false]);
  assertAlmostEquals(value(tf, 255, 0), 1, 1e-9);
  const byte = choosePreprocessing(network(own), USUAL, "byte", "m.onnx");
  assertAlmostEquals(value(byte, 255, 0), 128, 1e-9);
});

Deno.test("batch normalization of the image is a part of the network, not a way to prepare it", () => {
  const norm = { ...network(affine(0.5, -1)), normalizesImages: false };
  const chosen = choosePreprocessing(norm, USUAL, undefined, "m.h5");
  assertEquals([chosen.from, chosen.isBgr], ["assumed", true]);
  assertAlmostEquals(value(chosen, 200, 0), (200 - 123.68) * 0.5 - 1, 1e-9);
});

Deno.test("a network that normalizes its images is not given normalized ones", () => {
  for (const name of ["torch", "caffe", "tf"] as const) {
    const error = assertThrows(
      () => choosePreprocessing(network(affine(1 / 255, 0)), USUAL, name, "m.onnx"),
      CheckpointFormatError,
      `normalizes its images itself, so that ${name} would be done twice`,
    );
    assertEquals(error.code, "checkpoint-unsupported");
  }
});

Deno.test("presets: what each makes of a byte, and which color comes first", () => {
  const of = (name: "torch" | "caffe" | "tf" | "unit" | "byte", channels = 3) =>
    choosePreprocessing(network(undefined, false, channels), USUAL, name, "m.pth");
  const mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225];
  for (const color of [0, 1, 2]) {
    assertAlmostEquals(value(of("torch"), 51, color), (0.2 - mean[color]) / std[color], 1e-9);
    const own = [123.68, 116.779, 103.939][color];
    assertAlmostEquals(value(of("caffe"), 200, color), 200 - own, 1e-9);
    assertAlmostEquals(value(of("tf"), 255, color), 1, 1e-9);
    assertAlmostEquals(value(of("unit"), 51, color), 0.2, 1e-9);
    assertAlmostEquals(value(of("byte"), 51, color), 51, 1e-9);
  }
  assertEquals(["torch", "caffe", "tf", "unit", "byte"].map((name) => of(name as "tf").isBgr), [
    ...[false, true, false, false, false],
  ]);
  // There are no published statistics of grey images.
  for (const name of ["torch", "caffe", "unit"] as const) {
    assertEquals(of(name, 1).preprocessing.mean, [0]);
    assertAlmostEquals(value(of(name, 1), 51, 0), 0.2, 1e-9);
    assertEquals(of(name, 1).isBgr, false);
  }
});

Deno.test("a preprocessing that is given may take blue first, with means in its own order", () => {
  const given = { colors: "bgr", mean: [1, 2, 3], std: [4, 5, 6] } as const;
  const { preprocessing, isBgr, from } = choosePreprocessing(network(), USUAL, given, "m.npy");
  assertEquals([isBgr, from], [true, "given"]);
  assertEquals([preprocessing.mean, preprocessing.std], [[3, 2, 1], [6, 5, 4]]);
  assertEquals("colors" in preprocessing, false);
  assertThrows(
    () => choosePreprocessing(network(), USUAL, { mean: [1] }, "m.npy"),
    RangeError,
    "preprocessing.mean must be 3 numbers",
  );
});

Deno.test("what a preprocessing that is given does not know is refused, never left out", () => {
  const refuse = (given: object, message: string) =>
    assertThrows(
      () => choosePreprocessing(network(), USUAL, given, "m.npy"),
      RangeError,
      message,
    );
  refuse({ colors: "BGR" }, 'preprocessing.colors must be "rgb" or "bgr": found "BGR"');
  refuse({ color: "bgr" }, 'A preprocessing has no field "color": did you mean colors?');
  refuse({ means: [1, 2, 3] }, 'A preprocessing has no field "means": did you mean mean?');
});

Deno.test("a hint that the file gives is read, one that is usual is assumed", () => {
  const read: ImageHint = {
    preprocessing: { scale: 1, mean: [10, 20, 30], std: [1, 2, 4] },
    colors: "bgr",
    isRead: true,
    because: "meta.normalization",
  };
  const { preprocessing, from, isBgr } = choosePreprocessing(network(), read, undefined, "m.mat");
  assertEquals([from, isBgr], ["read", true]);
  assertEquals([preprocessing.mean, preprocessing.std], [[10, 20, 30], [1, 2, 4]]);
  assertEquals(choosePreprocessing(network(), USUAL, undefined, "m.h5").from, "assumed");
  const rgb: ImageHint = { ...USUAL, colors: "rgb" };
  const chosen = choosePreprocessing(network(), rgb, undefined, "vgg16_weights.npz");
  assertEquals([chosen.isBgr, chosen.preprocessing.mean], [false, [123.68, 116.779, 103.939]]);
});

Deno.test("one number of a file is for all colors, and what is usual for colors is not for grey", () => {
  const one = { preprocessing: { scale: 1 / 127.5, mean: [1], std: [1] }, because: "metadata" };
  const three = { scale: 1, mean: [123.68, 116.78, 103.94], std: [1, 1, 1] };
  for (const channels of [1, 3]) {
    const of = (hint: ImageHint) =>
      choosePreprocessing(network(undefined, false, channels), hint, undefined, "m.bin")
        .preprocessing;
    const { mean, std } = of({ ...one, isRead: true });
    assertEquals([mean, std], [new Array(channels).fill(1), new Array(channels).fill(1)]);
    const { scale } = of({ preprocessing: three, isRead: false, because: "usual for TF-Slim" });
    assertAlmostEquals(scale, channels === 1 ? 1 / 255 : 1);
  }
});

Deno.test("where nothing is said and nothing is usual, the preprocessing is asked for", () => {
  const error = assertThrows(
    () => choosePreprocessing(network(), undefined, undefined, "graph.pb"),
    CheckpointFormatError,
    "--preprocess torch|caffe|tf|unit|byte",
  );
  assertEquals(error.code, "checkpoint-ambiguous");
  assertEquals(choosePreprocessing(network(), undefined, "unit", "graph.pb").from, "given");
});

Deno.test("what a file says and cannot be done is refused, unless somebody says what else", () => {
  const hint: ImageHint = {
    ...USUAL,
    isRead: true,
    because: "its mean",
    problem: "it is an image",
  };
  assertThrows(
    () => choosePreprocessing(network(), hint, undefined, "net.mat"),
    CheckpointFormatError,
    "Images cannot be prepared as its mean of net.mat says: it is an image. Say --preprocess",
  );
  assertEquals(choosePreprocessing(network(), hint, "torch", "net.mat").from, "given");
});

Deno.test("numbers of the file that cannot be are the file's error, not the caller's", () => {
  for (const mean of [[1, 2], [1, 2, NaN]]) {
    const hint: ImageHint = {
      preprocessing: { scale: 1, mean, std: [1, 1, 1] },
      isRead: true,
      because: "mean_rgb",
    };
    const choose = () => choosePreprocessing(network(), hint, undefined, "vgg_16.ckpt");
    assertThrows(choose, CheckpointFormatError, "The preprocessing of vgg_16.ckpt is not valid");
  }
});

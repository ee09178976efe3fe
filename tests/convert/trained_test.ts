/**
 * Networks that PyTorch and Keras trained, one and more for each way to prepare images: what they are
 * worth before and after a conversion.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type Classifier, loadClassifier } from "../../lib/classifier.ts";
import { convert, type ConvertOptions } from "../../lib/convert/convert.ts";
import { openCheckpoint } from "../../lib/convert/formats/open_checkpoint.ts";
import {
  choosePreprocessing,
  type GivenPreprocessing,
} from "../../lib/convert/network/preprocessing.ts";
import { understand } from "../../lib/convert/network/understand.ts";
import { openConversionSource } from "../../lib/convert/source.ts";
import { CheckpointFormatError } from "../../lib/errors.ts";
import type { Pixels } from "../../lib/image/image.ts";
import { forward, networkLayers } from "../support/float_forward.ts";
import { labelOf, pictures, TRAINED } from "../support/trained.ts";

/** What the framework found for the pictures of `sheet.png`. */
interface Expected {
  readonly what: string;
  readonly tool: string;
  /** One class of eight, one of two, or three labels by themselves. */
  readonly task: "classes" | "two" | "labels";
  /** The part of the pictures that it got right. */
  readonly accuracy: number;
  /** Of each picture the class, or the labels as bits, the first in the lowest. */
  readonly answers: string;
}

const EXPECTED: Record<string, Expected> = JSON.parse(
  await Deno.readTextFile(new URL("expected.json", TRAINED)),
);

/** What has to be done to an image before it is given to the network. */
type Outside = Required<Pick<GivenPreprocessing, "colors" | "scale" | "mean" | "std">>;

const plain = (scale: number, mean: number): Outside => ({
  colors: "rgb",
  scale,
  mean: [mean, mean, mean],
  std: [1, 1, 1],
});
const [BYTE, UNIT, TF] = [plain(1, 0), plain(1 / 255, 0), plain(1 / 127.5, 1)];
const TORCH: Outside = {
  colors: "rgb",
  scale: 1 / 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};
const CAFFE: Outside = {
  colors: "bgr",
  scale: 1,
  mean: [103.939, 116.779, 123.68],
  std: [1, 1, 1],
};

const turned = ({ colors, scale, mean, std }: Outside): Outside => ({
  colors: colors === "rgb" ? "bgr" : "rgb",
  scale,
  mean: mean.toReversed(),
  std: std.toReversed(),
});

interface Case {
  /** What is said of the file on the command line; its JSON is the preprocessing. */
  readonly options: Omit<ConvertOptions, "out">;
  /** What it has to come to. */
  readonly outside: Outside;
  /** The input's size, if it is not the pictures'. */
  readonly size?: number;
}

/** Pictures of just the input's size are not enlarged first to crop them. */
const direct = { resize: "direct", size: 64 } as const;

const CASES: Record<string, Case> = {
  "torch.pth": { options: { preprocessing: "torch" }, outside: TORCH },
  "torch_norm.onnx": {
    options: { preprocessing: { ...TORCH, ...direct } },
    outside: TORCH,
    size: 64,
  },
  "opencv.pth": { options: { preprocessing: turned(TORCH) }, outside: turned(TORCH) },
  "buffers.pth": { options: {}, outside: UNIT },
  "buffers.onnx": { options: {}, outside: UNIT },
  "unit.pth": { options: { preprocessing: "unit" }, outside: UNIT },
  "byte.pth": { options: { preprocessing: "byte" }, outside: BYTE },
  "labels.pth": { options: { preprocessing: "tf", head: "sigmoid" }, outside: TF },
  "labels.onnx": { options: { preprocessing: "tf" }, outside: TF },
  "caffe.h5": { options: { preprocessing: "caffe" }, outside: CAFFE },
  "caffe_inside.keras": { options: {}, outside: BYTE },
  "tf.keras": { options: { preprocessing: "tf" }, outside: TF },
  "rescaling_tf.h5": { options: {}, outside: BYTE },
  "rescaling_unit.keras": { options: {}, outside: BYTE },
  "normalization.keras": { options: {}, outside: BYTE },
  "average.keras": { options: { preprocessing: { ...BYTE, ...direct } }, outside: BYTE, size: 64 },
};

const PICTURES = await pictures(), LARGE = await pictures(2);
const PAGE = await Deno.readTextFile(new URL("../../docs/converting.md", import.meta.url));

/** What each picture shows, as `fixtures/checkpoints/trained/results.py` has it. */
function truth(task: Expected["task"]): number[] {
  return PICTURES.map((_, index) => {
    const label = labelOf(index);
    const isBright = label & 1, isBlue = label >> 1 & 1, hasDiscs = label >> 2;
    if (task === "classes") return label;
    return task === "two" ? isBlue ^ isBright : (1 - isBlue) + 2 * isBright + 4 * (1 - hasDiscs);
  });
}

const best = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((best, value, index, all) => value > all[best] ? index : best, 0);
const bits = (values: ArrayLike<number>, threshold: number): number =>
  Array.from(values).reduce((sum, value, label) => sum + (value > threshold ? 1 << label : 0), 0);
const share = (a: readonly number[], b: readonly number[]): number =>
  a.filter((value, index) => value === b[index]).length / a.length;

async function answersOf(
  bytes: Uint8Array<ArrayBuffer>,
  precision: "int8" | "float",
  task: Expected["task"],
  images: readonly Pixels[],
): Promise<number[]> {
  await using classifier: Classifier = await loadClassifier({
    model: bytes,
    backend: "wasm",
    precision,
    threads: 1,
  });
  assertEquals(classifier.info.multiLabel, task === "labels");
  const scores = await classifier.scores([...images]);
  return scores.map((row) => task === "labels" ? bits(row, 0.5) : best(row));
}

/** The logits of the network that the converter found, before it makes int8 of it, in float64. */
async function logitsOf(
  file: string,
  options: Case["options"],
  pixels: readonly Pixels[],
): Promise<Float64Array[]> {
  const source = await openConversionSource(new URL(file, TRAINED), {});
  const checkpoint = await openCheckpoint(source.bytes, source);
  try {
    const { network, images } = await understand(checkpoint, file, options);
    const chosen = choosePreprocessing(network, images, options.preprocessing, file);
    const layers = await networkLayers(network, chosen);
    const { scale, mean, std } = chosen.preprocessing;
    return pixels.map(({ data, width, height }) => {
      const values = Float64Array.from(data, (p, i) => (p * scale - mean[i % 3]) / std[i % 3]);
      return forward(layers, { width, height, channels: 3, values });
    });
  } finally {
    checkpoint.close();
    source.bytes.close();
  }
}

/** What a user says of a file, as docs/converting.md has it. */
function saidOf({ options: { preprocessing, head } }: Case): string {
  const flags = [
    ...preprocessing === undefined
      ? []
      : [`--preprocess ${typeof preprocessing === "string" ? preprocessing : "FILE.json"}`],
    ...head === undefined ? [] : [`--head ${head}`],
  ];
  return flags.length === 0 ? "–" : `\`${flags.join(" ")}\``;
}

const percent = (part: number): string => (100 * part).toFixed(2);

/**
 * int8 moves the logits of networks as narrow as these by some percent, so that pictures between two
 * classes change sides: 1 of 100 in the worst of them, and here twice as many at most.
 */
const AGREEMENT = 0.98;

/** What changes sides does so in both directions, so that less than all of it changes the accuracy. */
const ACCURACY = 0.015;

/** Frameworks compute in float32: logits that differ by less of the largest one are the same for them. */
const TIE = 1e-4;

/** What a wrong preparation costs at least: most of these networks guess then, or mistake red for blue. */
const LOSS = 0.3;

Deno.test("each trained network but the one that is refused is tried", () => {
  assertEquals(Object.keys(EXPECTED).sort(), [...Object.keys(CASES), "norm_after.keras"].sort());
});

Deno.test("batch norm behind the ReLU of a convolution is refused by its name", async () => {
  const file = new URL("norm_after.keras", TRAINED);
  const { message } = await assertRejects(() => convert(file), CheckpointFormatError);
  assertStringIncludes(message, "batch_normalization");
});

for (const [file, { what, tool, task, accuracy, answers }] of Object.entries(EXPECTED)) {
  const it = CASES[file];
  if (it === undefined) continue;
  const { options, outside: right } = it;
  const images = it.size === undefined ? PICTURES : LARGE;
  const framework = Array.from(answers, Number), shown = truth(task);

  Deno.test(`the network of ${file}, ${what}, answers as ${tool} does`, async () => {
    for (const [picture, row] of (await logitsOf(file, options, images)).entries()) {
      const tie = TIE * Math.max(...row.map(Math.abs)), answer = framework[picture];
      const isSame = task === "classes"
        ? row[answer] >= row[best(row)] - tie
        : row.every((logit, label) => answer >> label & 1 ? logit > -tie : logit < tie);
      assert(isSame, `picture ${picture}: ${row}, and not ${answer}`);
    }
  });

  Deno.test(`a model of ${file} is as good as the network in ${tool}`, async () => {
    assertEquals(share(framework, shown), accuracy);
    const { bytes } = await convert(new URL(file, TRAINED), options);
    for (const precision of ["int8", "float"] as const) {
      const found = await answersOf(bytes, precision, task, images);
      const same = share(found, framework), own = share(found, shown);
      assert(same >= AGREEMENT, `${precision}: ${same} of the answers are the same`);
      assert(Math.abs(own - accuracy) <= ACCURACY, `${precision}: ${own} instead of ${accuracy}`);
      if (precision === "float") continue;
      const figures = [accuracy, own, same].map(percent).join(" | ");
      const row = `| \`${file}\` | ${what} | ${saidOf(it)} | ${figures} |`;
      assert(PAGE.includes(`\n${row}\n`), `docs/converting.md has to have ${row}`);
    }
  });

  Deno.test(`a model of ${file} is bad with other colors, scales and offsets`, async () => {
    const wrong = {
      colors: turned(right),
      scale: { ...right, scale: right.scale === 1 ? 1 / 255 : 1 },
      offset: { ...right, mean: right.mean.map((mean) => mean === 0 ? right.scale * 127.5 : 0) },
    };
    for (const [kind, numbers] of Object.entries(wrong)) {
      const preprocessing = { ...numbers, ...it.size && direct };
      const { bytes } = await convert(new URL(file, TRAINED), { ...options, preprocessing });
      const own = share(await answersOf(bytes, "int8", task, images), shown);
      assert(own <= accuracy - LOSS, `with other ${kind} ${own} are right`);
    }
  });
}

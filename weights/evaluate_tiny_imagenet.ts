/**
 * What the embedded models score, on both engines and in both precisions, and what they are sure of.
 *
 *     deno run -A weights/evaluate_tiny_imagenet.ts TINY-IMAGENET-200 PHOTOGRAPHS
 *       [--model ID] [--backend wasm|webgpu] [--first N] [--calibrate]
 *
 * `--calibrate` chooses the temperature on the validation pictures 0, 2, 4, …, and `sureScore` on these
 * and on the photographs of other classes, drawings, documents and noise 0, 2, 4, …; it prints both, as
 * `convert --describe` takes them, and what they do on the pictures 1, 3, 5, …, on which nothing was
 * chosen. Without it the model's own are measured on all pictures.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { type Classifier, loadClassifier } from "../lib/classifier.ts";
import { ProgressLine } from "../lib/cli/progress.ts";
import type { Backend, Precision } from "../lib/engine/engine.ts";
import { metricsOf } from "../lib/evaluate/metrics.ts";
import { calibrateLogits, type Judged } from "../lib/output/calibration.ts";
import { softmax } from "../lib/output/predictions.ts";
import { madePictures, photographs, type Picture, validationPictures } from "./tiny_imagenet.ts";

/** Pictures that are classified in one call. */
const BATCH = 200;
/** Pictures that are made of each kind. */
const MADE = 200;

/** A picture whose class is known. */
interface JudgedPicture extends Judged {
  readonly logits: Float64Array;
}

/** Logarithms of the scores of pictures, which are logits but for a constant of each picture. */
async function logitsOf(
  classifier: Classifier,
  pictures: readonly Picture[],
  what: string,
): Promise<Float64Array[]> {
  using progress = new ProgressLine(what);
  const rows: Float64Array[] = [];
  for (let first = 0; first < pictures.length; first += BATCH) {
    progress.update(first, pictures.length);
    const images = pictures.slice(first, first + BATCH).map(({ image }) => image);
    rows.push(...await classifier.scores(images));
  }
  return rows.map((row) => row.map((score) => Math.log(Math.max(score, Number.MIN_VALUE))));
}

const percent = (part: number): string => `${(100 * part).toFixed(2)} %`;

/** Accuracy, calibration error, and what is sure. */
function describe(known: readonly Judged[], temperature: number, sureScore?: number): string {
  const classes = known[0]!.logits.length;
  const records = known.map(({ logits, label }, n) => {
    const scores = softmax(logits, 1 / temperature);
    const top = Array.from(scores, (score, index) => ({ index, score }))
      .sort((a, b) => b.score - a.score || a.index - b.index).slice(0, 5);
    return { file: `${n}`, label, top, score: scores[label]! };
  });
  const labels = Array.from({ length: classes }, (_, n) => `${n}`);
  const { top1, top5, calibrationError } = metricsOf(records, labels);
  const text = `top-1 ${percent(top1)}, top-5 ${percent(top5)}, calibration error ${
    percent(calibrationError)
  }`;
  if (sureScore === undefined) return text;
  const isRight = ({ top, label }: typeof records[number]): boolean => top[0]!.index === label;
  const sure = records.filter(({ top }) => top[0]!.score >= sureScore);
  const right = records.filter(isRight);
  const sureOfRight = right.filter(({ top }) => top[0]!.score >= sureScore);
  return `${text}; sure of ${percent(sure.length / known.length)}, of which ${
    percent(sure.filter(isRight).length / sure.length)
  } are right, and of ${percent(sureOfRight.length / right.length)} of what is right`;
}

/** The part of pictures of no class that is sure. */
function describeForeign(rows: readonly ArrayLike<number>[], temperature: number, sure: number) {
  const passed = rows.filter((logits) => Math.max(...softmax(logits, 1 / temperature)) >= sure);
  return percent(passed.length / rows.length);
}

const { positionals: [folder, photos], values } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: "string", default: "vgg16-imagenet200" },
    backend: { type: "string", multiple: true, default: ["wasm", "webgpu"] },
    precision: { type: "string", multiple: true, default: ["int8", "float"] },
    first: { type: "string" },
    calibrate: { type: "boolean", default: false },
  },
});
if (folder === undefined || photos === undefined) {
  console.error("Expected two folders: Tiny ImageNet's, and that of the photographs");
  Deno.exit(2);
}
const validation = (await validationPictures(folder)).slice(0, Number(values.first ?? Infinity));
const all = await photographs(photos);
let reference: { name: string; best: number[] } | undefined;

for (const precision of values.precision as Precision[]) {
  for (const backend of values.backend as Backend[]) {
    const name = `${values.model}, ${backend} ${precision}`;
    await using classifier = await loadClassifier({ model: values.model, backend, precision });
    const index = new Map(classifier.info.classes.map(({ id, index }) => [id, index]));
    const judge = async (pictures: readonly Picture[], what: string): Promise<JudgedPicture[]> => {
      const rows = await logitsOf(classifier, pictures, `${name}, ${what}`);
      return rows.map((logits, n) => ({ logits, label: index.get(pictures[n]!.id)! }));
    };
    const start = performance.now();
    const known = await judge(validation, "validation");
    const seconds = (performance.now() - start) / 1000;
    console.log(`${name}: ${(validation.length / seconds).toFixed(0)} pictures a second`);
    const best = known.map(({ logits }) => logits.indexOf(Math.max(...logits)));
    if (reference === undefined) reference = { name, best };
    else {
      const same = best.filter((label, n) => label === reference!.best[n]).length;
      console.log(`  the label of ${reference.name}: ${percent(same / best.length)}`);
    }
    const sharp = await judge(all.filter(({ id }) => index.has(id)), "photographs");
    const { sureScore } = classifier.info;
    if (reference.name !== name) {
      console.log(`  validation: ${describe(known, 1, sureScore)}`);
      console.log(`  photographs: ${describe(sharp, 1, sureScore)}`);
      continue;
    }
    const kinds = { photographs: all.filter(({ id }) => !index.has(id)), ...await madePictures(MADE) };
    const foreign = new Map<string, Float64Array[]>();
    for (const [kind, pictures] of Object.entries(kinds)) {
      foreign.set(kind, await logitsOf(classifier, pictures, `${name}, foreign ${kind}`));
    }
    const half = <T>(list: readonly T[], odd: number): T[] => list.filter((_, n) => n % 2 === odd);
    if (!values.calibrate) {
      console.log(`  validation: ${describe(known, 1, sureScore)}`);
      console.log(`  photographs: ${describe(sharp, 1, sureScore)}`);
      if (sureScore === undefined) continue;
      for (const [kind, rows] of foreign) {
        console.log(`  sure of foreign ${kind}: ${describeForeign(rows, 1, sureScore)}`);
      }
      continue;
    }
    // Each kind of foreign pictures by itself: many of an easy kind must not hide a hard one.
    const chosen = [...foreign.values()].map((rows) =>
      calibrateLogits(half(known, 0), { foreign: half(rows, 0) })
    );
    const temperature = chosen[0]!.temperature;
    const scores = chosen.map(({ sureScore }) => sureScore ?? NaN);
    // Rounded up: from the score on which is written down, not from below it.
    const sure = Math.ceil(Math.max(...scores) * 1000) / 1000;
    const total = temperature * (classifier.info.temperature ?? 1);
    console.log(`  ${JSON.stringify({ temperature: Number(total.toPrecision(4)), sureScore: sure })}`);
    console.log(`  validation, tested half, before: ${describe(half(known, 1), 1)}`);
    console.log(`  validation, tested half: ${describe(half(known, 1), temperature, sure)}`);
    console.log(`  photographs: ${describe(sharp, temperature, sure)}`);
    for (const [kind, rows] of foreign) {
      const [first, second] = [0, 1].map((odd) => describeForeign(half(rows, odd), temperature, sure));
      console.log(`  sure of foreign ${kind}: ${first} of those that it was chosen on, ${second} of the others`);
    }
  }
}

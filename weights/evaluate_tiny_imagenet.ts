/**
 * What the embedded models score, on both engines and in both precisions, and what they are sure of.
 *
 *     deno task evaluate:tiny-imagenet TINY-IMAGENET-200 PHOTOGRAPHS
 *       [--model ID] [--backend wasm|webgpu] [--first N] [--calibrate]
 *
 * `--calibrate` chooses the temperature on the validation pictures 0, 2, 4, …, and `sureScore` on these,
 * on drawings, documents and noise 0, 2, 4, … and on those photographs of other classes with even numbers
 * that the head has not learned from; it prints both, as `convert --describe` takes them, and what they do
 * on the pictures 1, 3, 5, …, on which nothing was chosen. Without it the model's own are measured on all pictures.
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
function sureOf(
  rows: readonly ArrayLike<number>[],
  temperature: number,
  sureScore: number,
): string {
  const sure = rows.filter((logits) => Math.max(...softmax(logits, 1 / temperature)) >= sureScore);
  return percent(sure.length / rows.length);
}

/** What something is chosen on: 0, 2, 4, …, and of foreign photographs 4, 10, 16, …; and what it is tested on. */
function half<T>(list: readonly T[], part: "chosen" | "tested", kind = ""): T[] {
  // The head has learned from the photographs 0, 2, 6, 8, 12, … as pictures of nothing that it knows.
  const isChosen = (n: number) => kind === "photographs" ? n % 6 === 4 : n % 2 === 0;
  return list.filter((_, n) => part === "chosen" ? isChosen(n) : n % 2 === 1);
}

/** Pictures of none of a classifier's classes, by kind. */
async function foreignLogits(
  classifier: Classifier,
  others: readonly Picture[],
): Promise<ReadonlyMap<string, Float64Array[]>> {
  const kinds = { photographs: others, ...await madePictures(MADE) };
  const rows = new Map<string, Float64Array[]>();
  for (const [kind, pictures] of Object.entries(kinds)) {
    rows.set(kind, await logitsOf(classifier, pictures, `foreign ${kind}`));
  }
  return rows;
}

/** Chooses a temperature and a score, and prints what they do. */
function calibrate(
  { info }: Classifier,
  known: readonly Judged[],
  sharp: readonly Judged[],
  foreign: ReadonlyMap<string, Float64Array[]>,
): void {
  // Each kind of foreign pictures by itself: many of an easy kind must not hide a hard one.
  const chosen = [...foreign].map(([kind, rows]) =>
    calibrateLogits(half(known, "chosen"), { foreign: half(rows, "chosen", kind) })
  );
  const { temperature } = chosen[0]!;
  // Rounded up, so that no picture that was left out comes in.
  const score = Math.ceil(Math.max(...chosen.map(({ sureScore = NaN }) => sureScore)) * 1000) / 1000;
  const whole = Number((temperature * (info.temperature ?? 1)).toPrecision(4));
  console.log(`  ${JSON.stringify({ temperature: whole, sureScore: score })}`);
  console.log(`  validation, tested half, before: ${describe(half(known, "tested"), 1)}`);
  console.log(`  validation, tested half: ${describe(half(known, "tested"), temperature, score)}`);
  console.log(`  photographs: ${describe(sharp, temperature, score)}`);
  for (const [kind, rows] of foreign) {
    const [on, of] = (["chosen", "tested"] as const).map((part) =>
      sureOf(half(rows, part, kind), temperature, score)
    );
    console.log(`  sure of foreign ${kind}: ${on} of those that it was chosen on, ${of} of others`);
  }
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
const sharpOnes = await photographs(photos);
const runs = values.precision.flatMap((precision) =>
  values.backend.map((backend) => ({ precision, backend }))
);
let reference: { name: string; best: number[] } | undefined;

for (const { precision, backend } of values.calibrate ? runs.slice(0, 1) : runs) {
  const options = { backend: backend as Backend, precision: precision as Precision };
  await using classifier = await loadClassifier({ ...options, model: values.model });
  const { classes, sureScore } = classifier.info;
  if (classes.some(({ id }) => id === undefined)) {
    console.error(`Expected a model whose classes have WordNet ids: ${values.model} has none`);
    Deno.exit(2);
  }
  const index = new Map(classes.map(({ id, index }) => [id, index]));
  const judge = async (pictures: readonly Picture[], what: string): Promise<JudgedPicture[]> => {
    const rows = await logitsOf(classifier, pictures, what);
    return rows.map((logits, n) => ({ logits, label: index.get(pictures[n]!.id)! }));
  };
  const start = performance.now();
  const known = await judge(validation, "validation");
  const seconds = (performance.now() - start) / 1000;
  const sharp = await judge(sharpOnes.filter(({ id }) => index.has(id)), "photographs");
  const others = sharpOnes.filter(({ id }) => !index.has(id));

  const name = `${backend} ${precision}`;
  console.log(`${values.model}, ${name}: ${(known.length / seconds).toFixed(0)} pictures a second`);
  if (values.calibrate) {
    calibrate(classifier, known, sharp, await foreignLogits(classifier, others));
    continue;
  }
  console.log(`  validation: ${describe(known, 1, sureScore)}`);
  console.log(`  photographs: ${describe(sharp, 1, sureScore)}`);
  const best = known.map(({ logits }) => logits.indexOf(Math.max(...logits)));
  if (reference !== undefined) {
    const same = best.filter((label, n) => label === reference!.best[n]).length;
    console.log(`  the label of ${reference.name}: ${percent(same / best.length)}`);
    continue;
  }
  reference = { name, best };
  if (sureScore === undefined) continue;
  for (const [kind, rows] of await foreignLogits(classifier, others)) {
    console.log(`  sure of foreign ${kind}: ${sureOf(rows, 1, sureScore)}`);
  }
}

/** One variant of an evaluation: its models, and what they say of the images. */

import type { Classifier } from "../classifier.ts";
import { fuse } from "../compose/fuse.ts";
import { evaluate } from "../evaluate/evaluate.ts";
import type { Dataset } from "../input/dataset.ts";
import { listSamples } from "../input/list_samples.ts";
import { describeSkipped, reasonOf } from "../input/skipped_samples.ts";
import type { Model } from "../model/model.ts";
import { makeFolder } from "../platform.ts";
import {
  CLASSIFIER_OPTIONS,
  completeOptions,
  pickOptions,
  RESOLVE_OPTIONS,
  VIEW_OPTIONS,
} from "../options.ts";
import type { MadeVariant } from "./evaluate_report.ts";
import { Journal } from "./journal.ts";
import { stampsOf } from "./known_images.ts";
import { openClassifier, openModel } from "./loading.ts";
import { ProgressLine } from "./progress.ts";
import { withData } from "./run.ts";
import { checkExecutor, type Settings, settingsOf, viewSettings } from "./settings.ts";
import { type Shard, takeShard } from "./shard.ts";
import { tellError } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";
import { scalesOf, type Variant } from "./variants.ts";

/** A variant whose models are found. */
export interface Wanted {
  readonly variant: Variant;
  readonly models: readonly [Model, ...Model[]];
  /** With the backend that was asked for. */
  readonly settings: Settings;
}

/** @param data Where the images are, whatever links lead there. */
export async function findModels(
  variant: Variant,
  data: string,
  signal: AbortSignal,
): Promise<Wanted> {
  const finding = { ...pickOptions(RESOLVE_OPTIONS, variant.classifier), signal };
  const models: Model[] = [];
  for (const model of variant.models) models.push(await openModel(model, finding));
  const { backend, precision } = CLASSIFIER_OPTIONS;
  const asked = completeOptions({ backend, precision }, variant.classifier);
  const settings = settingsOf("evaluate", models, asked, { ...viewSettings(variant), data });
  return { variant, models: models as [Model, ...Model[]], settings };
}

/** The images of a run, and where it keeps what it finds. */
export interface From {
  /** Of the images, as it was given, and whatever links lead there. */
  readonly path: string;
  readonly place: string;
  readonly out: string | undefined;
  readonly shard: Shard;
  /** Whether what is there is forgotten. */
  readonly force: boolean;
}

/**
 * Evaluates a variant, and goes on where an earlier run stopped.
 *
 * @throws {UsageError} If the part has no images.
 */
export async function evaluateVariant(
  { variant, models, settings }: Wanted,
  { path, place, out, shard, force }: From,
  signal: AbortSignal,
  onWarning: (text: string) => void = () => {},
): Promise<{ evaluated: MadeVariant; dataset: Dataset }> {
  await using loaded = new AsyncDisposableStack();
  const classifiers: Classifier[] = [];
  for (const model of models) {
    const options = { ...variant.classifier, model, signal };
    classifiers.push(loaded.use(await openClassifier(options)));
  }
  const [first] = classifiers as [Classifier, ...Classifier[]]; // One for each model.
  const classifier = classifiers.length === 1 ? first : fuse(classifiers);
  const { classes } = classifier.info;
  const dataset = await withData(() => listSamples(path, classes, { signal }));
  for (const warning of dataset.warnings ?? []) onWarning(warning);
  const part = takeShard(dataset.samples, shard);
  if (part.length === 0) {
    const { index, count } = shard, all = dataset.samples.length;
    throw new UsageError(`Part ${index} of ${count} has no images: there are ${all}`);
  }
  const { crops, scales, flip } = variant, { backend, precision, preprocessing } = first.info;
  const joined = (part: "backend" | "device"): string =>
    [...new Set(classifiers.map(({ info }) => info[part]))].join(" + ");
  const executor = { precision, backend: joined("backend"), device: joined("device") };
  const made = settingsOf("evaluate", models, executor, { ...viewSettings(variant), data: place });
  if (out !== undefined) await makeFolder(out);
  using journal = out === undefined
    ? undefined
    : await Journal.open(out, made, await stampsOf(part.map(placed)), shard, force);
  const lines = new Map(dataset.samples.map(({ file, line }) => [file, line]));
  using progress = new ProgressLine("Evaluating");
  const evaluation = await evaluate(classifier, part, {
    ...{ crops, scales, flip, signal, offline: variant.classifier.offline },
    known: journal?.records,
    onRecords(records) {
      classifiers.forEach(checkExecutor);
      journal?.append(records);
    },
    onProgress: (far) => progress.show(far),
    onError: (file, error) =>
      tellError(describeSkipped({ file, line: lines.get(file), ...reasonOf(error) })),
  });
  const mode = [crops ?? VIEW_OPTIONS.crops.default, ...flip ? ["flip"] : []].join(", ");
  const { model } = classifier.info, q = scalesOf(variant, preprocessing);
  const evaluated = { settings, model, backend, precision, mode, scales: q, evaluation };
  return { evaluated, dataset };
}

/** Where a sample is: a list has paths and URLs. */
function placed({ file, image = file, label }: Dataset["samples"][number]) {
  return { name: file, place: String(image), label };
}

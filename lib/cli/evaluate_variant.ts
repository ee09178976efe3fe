/** One variant of an evaluation: its models, and what they say of the images. */

import { AsyncCleanup } from "../cleanup.ts";
import type { Classifier, ImageClassifier } from "../classifier.ts";
import { fuse } from "../compose/fuse.ts";
import { evaluate, type Evaluation } from "../evaluate/evaluate.ts";
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
import type { Share } from "./parts/share.ts";
import { ProgressLine } from "./progress.ts";
import { withData } from "./run.ts";
import { checkExecutor, type Settings, settingsOf, viewSettings } from "./settings.ts";
import { takeShard } from "./shard.ts";
import { tellError } from "./terminal.ts";
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
  readonly shard: Share;
  /** Whether what is there is forgotten. */
  readonly force: boolean;
}

/** A variant that is ready to look at images. */
export interface OpenVariant extends AsyncDisposable {
  readonly classifier: ImageClassifier;
  /** What it was made with; of several models, those of the first. */
  readonly settings: Settings;
  /** Makes sure that what computes is still that. */
  check(): void;
  /** What it is called in a report. */
  describe(evaluation: Evaluation): MadeVariant;
}

/** @param data What else decides what is found. */
export async function openVariant(
  { variant, models, settings }: Wanted,
  data: Settings,
  signal: AbortSignal,
): Promise<OpenVariant> {
  await using loading = new AsyncCleanup();
  const classifiers: Classifier[] = [];
  for (const model of models) {
    const options = { ...variant.classifier, model, signal };
    classifiers.push(loading.use(await openClassifier(options)));
  }
  const [first] = classifiers as [Classifier, ...Classifier[]]; // One for each model.
  const classifier = classifiers.length === 1 ? first : fuse(classifiers);
  const { crops, flip } = variant, { backend, precision, preprocessing } = first.info;
  const joined = (part: "backend" | "device"): string =>
    [...new Set(classifiers.map(({ info }) => info[part]))].join(" + ");
  const executor = { precision, backend: joined("backend"), device: joined("device") };
  const mode = [crops ?? VIEW_OPTIONS.crops.default, ...flip ? ["flip"] : []].join(", ");
  const { model } = classifier.info, scales = scalesOf(variant, preprocessing);
  const loaded = loading.move();
  return {
    classifier,
    settings: settingsOf("evaluate", models, executor, { ...viewSettings(variant), ...data }),
    check: () => classifiers.forEach(checkExecutor),
    describe: (evaluation) => ({ settings, model, backend, precision, mode, scales, evaluation }),
    [Symbol.asyncDispose]: () => loaded[Symbol.asyncDispose](),
  };
}

/**
 * Evaluates a variant, and goes on where an earlier run stopped.
 *
 * @returns What was found; nothing where no image falls to the share.
 */
export async function evaluateVariant(
  wanted: Wanted,
  { path, place, out, shard, force }: From,
  signal: AbortSignal,
  onWarning: (text: string) => void = () => {},
): Promise<{ evaluated: MadeVariant; dataset: Dataset } | undefined> {
  await using opened = await openVariant(wanted, { data: place }, signal);
  const { classifier, settings } = opened, { crops, scales, flip, ...variant } = wanted.variant;
  const { classes } = classifier.info;
  const dataset = await withData(() => listSamples(path, classes, { signal }));
  for (const warning of dataset.warnings ?? []) onWarning(warning);
  const part = takeShard(dataset.samples, shard, ({ file }) => file);
  if (part.length === 0) return undefined;
  if (out !== undefined) await makeFolder(out);
  using journal = out === undefined
    ? undefined
    : await Journal.open(out, settings, await stampsOf(part.map(placed)), shard, force);
  const lines = new Map(dataset.samples.map(({ file, line }) => [file, line]));
  using progress = new ProgressLine("Evaluating");
  const evaluation = await evaluate(classifier, part, {
    ...{ crops, scales, flip, signal, offline: variant.classifier.offline },
    known: journal?.records,
    onRecords(records) {
      opened.check();
      journal?.append(records);
    },
    onProgress: (far) => progress.show(far),
    onError: (file, error) =>
      tellError(describeSkipped({ file, line: lines.get(file), ...reasonOf(error) })),
  });
  return { evaluated: opened.describe(evaluation), dataset };
}

/** Where a sample is: a list has paths and URLs. */
function placed({ file, image = file, label }: Dataset["samples"][number]) {
  return { name: file, place: String(image), label };
}

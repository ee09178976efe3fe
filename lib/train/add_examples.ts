/** More pictures for a model whose nearest examples decide: nothing is trained. */

import { createEngine } from "../engine/create.ts";
import type { BackendOptions } from "../engine/engine.ts";
import { collectSamples, type LabeledImages } from "../input/dataset.ts";
import { type SkippedSample, SkippedSamples } from "../input/skipped_samples.ts";
import { writeWhole } from "../io/atomic_file.ts";
import { isNoneOfThese } from "../model/classes.ts";
import type { NearestReadout } from "../model/readout.ts";
import { type ModelSource, resolveModel, type ResolveOptions } from "../open_model.ts";
import { checkOptions } from "../options.ts";
import { ADD_OPTIONS } from "../options/training.ts";
import { calibrateLogits } from "../output/calibration.ts";
import { ProgressTeller } from "../progress.ts";
import { readPictures } from "./features.ts";
import { type OutOptions, writeModel } from "./fitted.ts";
import { stratifiedFolds } from "./folds.ts";
import { withKernels } from "./kernels.ts";
import { directionsOf, judgeExamples } from "./nearest.ts";

/** Options of {@linkcode addExamples}. */
export interface AddOptions extends OutOptions, BackendOptions, ResolveOptions {
  /** Leave out pictures that cannot be read, however many there are. Default: a tenth of a class at most. */
  readonly skipBad?: boolean | undefined;
}

/** What a model has become. */
export interface Extended {
  /** Bytes of the model file. */
  readonly size: number;
  /** Its labels: those that it had, then new ones. */
  readonly labels: readonly string[];
  /** How many examples there are of each label now. */
  readonly examples: readonly number[];
  /** How many of them are new. */
  readonly added: number;
  /** Pictures that could not be read, and were left out. */
  readonly skipped: readonly SkippedSample[];
}

/** What a model has become, and the file that was not written. */
export interface ExtendedInMemory extends Extended {
  /** The model file. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Gives a model that was fitted with `head: "nearest"` more examples, of its classes or of new ones, and
 * calibrates it anew by all of them.
 *
 * @throws {RangeError} If the model has no examples, or too many pictures of a class cannot be read.
 */
export function addExamples(
  model: ModelSource,
  data: LabeledImages,
  options: AddOptions & { readonly out: string },
): Promise<Extended>;
/** Gives a model more examples, and gives its bytes. */
export function addExamples(
  model: ModelSource,
  data: LabeledImages,
  options?: AddOptions & { readonly out?: undefined },
): Promise<ExtendedInMemory>;
/** Gives a model more examples, and writes it, or gives its bytes if no `out` is given. */
export function addExamples(
  model: ModelSource,
  data: LabeledImages,
  options: AddOptions,
): Promise<Extended | ExtendedInMemory>;
export async function addExamples(
  model: ModelSource,
  data: LabeledImages,
  options: AddOptions = {},
): Promise<Extended | ExtendedInMemory> {
  checkOptions(ADD_OPTIONS, options);
  const { out, signal, offline, skipBad = false } = options;
  const base = await resolveModel(model, options), { readout } = base;
  const head = readout?.head;
  if (readout === undefined || head?.kind !== "nearest") {
    throw new RangeError(
      `The model ${base.id} has no examples to add to: fit one with the head "nearest"`,
    );
  }
  const samples = await collectSamples(data, signal), skipped = new SkippedSamples(data.labels);
  await using engine = await createEngine(base, options);
  const pictures = await readPictures(engine, { ...base, readout }, samples, {
    ...{ offline, signal },
    progress: new ProgressTeller(options, { stage: "features", unit: "images" }, samples.length),
    onSkip: (sample, why) => skipped.addBecause(sample, why),
  });
  skipped.check(samples, skipBad);

  const labels = [...new Set([...base.labels, ...data.labels])];
  const own = pictures.positions.map((n) => labels.indexOf(data.labels[samples[n]!.label]!));
  const extended: NearestReadout = {
    ...head,
    examples: joined(head.examples, directionsOf(pictures.features, head.lengths)),
    classes: joined(head.classes, own),
  };
  const judgement = {
    ...{ labels: extended.classes, classes: labels.length },
    folds: stratifiedFolds(extended.classes, labels.length),
  };
  const { logits } = await withKernels(
    options,
    (kernels) => judgeExamples(kernels, extended.examples, judgement, { signal }),
  );
  const judged = Array.from(extended.classes, (label, n) => ({
    logits: logits.subarray(n * labels.length, (n + 1) * labels.length),
    label,
  })).filter(({ logits }) => !Number.isNaN(logits[0]));
  const none = labels.findIndex(isNoneOfThese);
  const { id, architecture, preprocessing, provenance } = base;
  const bytes = await writeModel({
    ...{ id, architecture, preprocessing, labels, provenance },
    ...calibrateLogits(judged, none < 0 ? {} : { none }),
    readout: { ...readout, head: extended },
  }, base);
  const result = {
    ...{ size: bytes.length, labels, added: own.length, skipped: skipped.list },
    examples: labels.map((_, c) => extended.classes.filter((label) => label === c).length),
  };
  if (out === undefined) return { ...result, bytes };
  await writeWhole(out, bytes);
  return result;
}

function joined(first: Float32Array, second: ArrayLike<number>): Float32Array {
  const all = new Float32Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}

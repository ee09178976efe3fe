/** More pictures for a model whose nearest examples decide: nothing is trained. */

import { createEngine } from "../engine/create.ts";
import type { BackendOptions } from "../engine/engine.ts";
import { collectSamples, type LabeledImages } from "../input/dataset.ts";
import { type SkippedSample, SkippedSamples } from "../input/skipped_samples.ts";
import { writeWhole } from "../io/atomic_file.ts";
import { isNoneOfThese } from "../model/classes.ts";
import type { Provenance } from "../model/model.ts";
import type { NearestReadout } from "../model/readout.ts";
import { type ModelSource, resolveModel, type ResolveOptions } from "../open_model.ts";
import { checkOptions } from "../options.ts";
import { ADD_OPTIONS } from "../options/training.ts";
import { calibrateLogits } from "../output/calibration.ts";
import { ProgressTeller } from "../progress.ts";
import { duplicatesOf } from "./duplicates.ts";
import { readPictures } from "./features.ts";
import { type OutOptions, writeModel } from "./fitted.ts";
import { stratifiedFolds } from "./folds.ts";
import { withKernels } from "./kernels.ts";
import { directionsOf, examplesProblem, judgeExamples } from "./nearest.ts";
import { counted } from "./words.ts";

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
  /** How many pictures were left out as there is the same example of their class. */
  readonly repeated: number;
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
 * calibrates it anew by all of them. A picture that is an example of its class already is left out.
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
  const count = head.classes.length;
  const problem = examplesProblem(count + samples.length, head.examples.length / count);
  if (problem !== undefined) throw new RangeError(`The model would be too large: ${problem}`);
  await using engine = await createEngine(base, options);
  const pictures = await readPictures(engine, { ...base, readout }, samples, {
    ...{ offline, signal },
    progress: new ProgressTeller(options, { stage: "features", unit: "images" }, samples.length),
    onSkip: (sample, why) => skipped.addBecause(sample, why),
  });
  skipped.check(samples, skipBad);

  const labels = [...new Set([...base.labels, ...data.labels])];
  const own = pictures.positions.map((n) => labels.indexOf(data.labels[samples[n]!.label]!));
  const directions = await directionsOf(pictures.features, head.lengths, signal);
  const extended = extend(head, directions, own);
  const judgement = { labels: extended.classes, classes: labels.length };
  const { logits } = await withKernels(options, async (kernels) => {
    const fingerprints = Array.from(extended.classes, (_, n) => `${n}`);
    const compared = { ...judgement, fingerprints, directions: extended.examples };
    const together = await duplicatesOf(kernels, compared, signal);
    const folds = stratifiedFolds(extended.classes, labels.length, { together });
    return await judgeExamples(kernels, extended.examples, { ...judgement, folds }, { signal });
  });
  const judged = Array.from(extended.classes, (label, n) => ({
    logits: logits.subarray(n * labels.length, (n + 1) * labels.length),
    label,
  })).filter(({ logits }) => !Number.isNaN(logits[0]));
  const none = labels.findIndex(isNoneOfThese);
  const added = extended.classes.length - head.classes.length;
  const { id, architecture, preprocessing, provenance } = base;
  const bytes = await writeModel({
    ...{ id, architecture, preprocessing, labels },
    provenance: added === 0 ? provenance : withMore(provenance, added),
    ...calibrateLogits(judged, none < 0 ? {} : { none }),
    readout: { ...readout, head: extended },
  }, base);
  const result = {
    ...{ size: bytes.length, labels, added, repeated: own.length - added, skipped: skipped.list },
    examples: labels.map((_, c) => extended.classes.filter((label) => label === c).length),
  };
  if (out === undefined) return { ...result, bytes };
  await writeWhole(out, bytes);
  return result;
}

/** Where a model is from, once it has more examples: the hash of its first pictures is no longer that of all. */
function withMore(provenance: Provenance, added: number): Provenance {
  const { dataSha256: _, training = "", ...rest } = provenance;
  return { ...rest, training: `${training}, and ${counted(added, "example")} added` };
}

/** A head with rows of `directions` as more examples of the classes `own`, but for those that it has already. */
function extend(head: NearestReadout, directions: Float32Array, own: number[]): NearestReadout {
  const size = head.examples.length / head.classes.length;
  const rowAt = (rows: Float32Array, n: number) => rows.subarray(n * size, (n + 1) * size);
  const seen = new Map<string, Float32Array[]>();
  const isNew = (row: Float32Array, label: number): boolean => {
    const key = `${label} ${row.reduce((sum, value) => sum + value, 0)}`;
    const alike = seen.get(key) ?? [];
    if (alike.some((other) => other.every((value, i) => value === row[i]))) return false;
    seen.set(key, [...alike, row]);
    return true;
  };
  head.classes.forEach((label, n) => isNew(rowAt(head.examples, n), label));
  const kept = [...own.keys()].filter((n) => isNew(rowAt(directions, n), own[n]!));
  const examples = new Float32Array(head.examples.length + kept.length * size);
  examples.set(head.examples);
  kept.forEach((n, at) => examples.set(rowAt(directions, n), head.examples.length + at * size));
  const classes = Float32Array.from([...head.classes, ...kept.map((n) => own[n]!)]);
  return { ...head, examples, classes };
}

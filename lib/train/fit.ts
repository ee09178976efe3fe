/** Your own classes: a new head on the frozen layers of a model. */

import { createEngine } from "../engine/create.ts";
import { collectSamples, type LabeledImages } from "../input/dataset.ts";
import { SkippedSamples } from "../input/skipped_samples.ts";
import type { LayerName } from "../model/architecture.ts";
import type { ModelDescription } from "../model/document.ts";
import type { Model, Provenance } from "../model/model.ts";
import { blockLengths } from "../model/readout.ts";
import { resolveModel } from "../open_model.ts";
import { checkOptions, completeOptions } from "../options.ts";
import { FIT_OPTIONS } from "../options/training.ts";
import { ProgressTeller } from "../progress.ts";
import { assess } from "./assess.ts";
import { averagedRows, duplicatesOf } from "./duplicates.ts";
import { checkFeatures } from "./feature_store.ts";
import { hashOfData, readPictures } from "./features.ts";
import { checkTunable } from "./fine_tune.ts";
import { checkEffects, checkSize } from "./fit_checks.ts";
import type { FitOptions } from "./fit_options.ts";
import { storeOf } from "./fit_store.ts";
import { finishFit, type Fitted, type FittedInMemory, type Trained } from "./fitted.ts";
import { freeze, type Frozen } from "./frozen.ts";
import type { LearnedHead } from "./head.ts";
import { withKernels } from "./kernels.ts";
import { foldsFor, learn, learnTuned } from "./learn.ts";
import { mapShape, recordBytes } from "./maps.ts";
import { directionsOf } from "./nearest.ts";
import { classWeightsOf } from "./split.ts";
import { checkWhitening } from "./statistics.ts";
import { checkInMemory } from "./records.ts";
import { takeDirectory } from "./directory.ts";

export type { FitOptions } from "./fit_options.ts";

/**
 * Trains a new head on frozen layers, and writes an int8 model of both to `out`. Its scores are those of a
 * soft-max, calibrated on pictures by heads that had not learned from them. A class `"none of these"` holds
 * pictures of none of the others: the model is never sure of it.
 *
 * @throws {RangeError} If an option is unknown, out of range or without effect, there are fewer than two classes,
 *   a class has no picture that can be read, or more than a tenth of a class cannot be read.
 *
 * @example
 * ```ts
 * import { fit } from "@edge/vgg16/train";
 *
 * // A picture is whatever `classify` takes; these are gray, and of 32 x 32 pixels.
 * const picture = (gray: number) => ({
 *   data: new Uint8Array(32 * 32 * 3).fill(gray),
 *   width: 32,
 *   height: 32,
 * });
 * const samples = Array.from({ length: 10 }, (_, n) => {
 *   const [label, gray] = n % 2 === 0 ? ["dark", 40 + n] : ["bright", 190 + n];
 *   return { file: `${n}`, label, image: picture(gray) };
 * });
 * const { accuracy, bytes } = await fit({ labels: ["dark", "bright"], samples });
 * ```
 */
export function fit(
  data: LabeledImages,
  options: FitOptions & { readonly out: string },
): Promise<Fitted>;
/** Trains a new head on frozen layers, and gives the bytes of an int8 model of both. */
export function fit(
  data: LabeledImages,
  options?: FitOptions & { readonly out?: undefined },
): Promise<FittedInMemory>;
/** Trains a new head on frozen layers, and writes the model, or gives its bytes if no `out` is given. */
export function fit(
  data: LabeledImages,
  options: FitOptions,
): Promise<Fitted | FittedInMemory>;
export async function fit(
  data: LabeledImages,
  options: FitOptions = {},
): Promise<Fitted | FittedInMemory> {
  checkOptions(FIT_OPTIONS, options);
  const settings = completeOptions(FIT_OPTIONS, options);
  checkEffects(options);
  const { labels } = data, samples = await collectSamples(data, options.signal);
  if (labels.length < 2) {
    throw new RangeError(
      `Expected at least 2 classes: found ${labels.length === 0 ? "none" : `only "${labels[0]}"`}`,
    );
  }
  const present = new Set(samples.map(({ label }) => label));
  const missing = labels.find((_, c) => !present.has(c));
  if (missing !== undefined) {
    throw new RangeError(`Expected a picture of each class: found none of "${missing}"`);
  }
  const base = await resolveModel(options.model, options);
  const frozen = freeze(base, { ...options, layers: layersOf(options.layer) }, samples.length);
  const lengths = blockLengths(frozen.features, frozen.model.architecture);
  for (const length of lengths) checkWhitening(length, settings.whitening);
  checkSize(frozen, settings, labels.length, samples.length);
  if (options.directory === undefined) {
    checkFeatures(lengths.reduce((sum, length) => sum + length, 0), samples.length);
  }
  if (settings.fineTune !== undefined) {
    checkTunable(frozen);
    const size = recordBytes(mapShape(frozen.model));
    if (options.directory === undefined) checkInMemory(size, samples.length);
  }
  using _directory = await takeDirectory(options.directory);
  await using engine = await createEngine(frozen.model, options);
  const store = await storeOf(frozen, engine, options.directory, {
    signal: options.signal,
  });
  using _features = store?.features;
  const skipped = new SkippedSamples(labels);
  const network = { ...frozen.model, readout: { features: frozen.features } };
  const pictures = await readPictures(engine, network, samples, {
    ...{ offline: options.offline, signal: options.signal, store: store?.features },
    progress: new ProgressTeller(options, { stage: "features", unit: "images" }, samples.length),
    onSkip: (sample, why) => skipped.addBecause(sample, why),
  });
  skipped.check(samples, settings.skipBad);

  const read = pictures.positions.map((position) => samples[position]!);
  const classes = Int32Array.from(read, ({ label }) => label);
  const { fingerprints, features: rows } = pictures;
  const known = { rows, labels: classes, classes: labels.length, lengths };
  const { learned, model, duplicates, folds } = await withKernels(options, async (kernels) => {
    const channels = channelsOf(frozen), averages = averagedRows(rows, lengths, channels);
    const directions = await directionsOf(averages, channels, options.signal);
    const compared = { fingerprints, directions, labels: classes, classes: labels.length };
    const duplicates = await duplicatesOf(kernels, compared, options.signal);
    const folds = foldsFor(classes, labels, duplicates, settings);
    const own = store?.of({ fingerprints, labels: classes });
    const { whitening } = settings, how = { options, settings, kernels, store: own };
    const classWeights = classWeightsOf(settings.classWeights, classes, labels.length);
    const task = { ...known, folds, whitening, classWeights };
    const found = settings.fineTune === undefined
      ? { learned: await learn(task, how), model: frozen.model }
      : await learnTuned({ ...task, frozen, engine, duplicates, samples: read }, how);
    return { ...found, duplicates, folds };
  });
  const { logits, scaledByAll } = learned;
  const { assessment, calibration } = await assess(
    { samples: read, labels, colors: pictures.colors, duplicates, folds, logits, scaledByAll },
    options.signal,
  );
  const dataSha256 = await hashOfData(fingerprints, classes);
  const { id } = settings, { features } = frozen;
  const provenance = provenanceOf(frozen, model !== frozen.model, learned, read.length, dataSha256);
  const readout = { features, head: learned.head };
  return await finishFit(
    {
      description: { ...descriptionOf(model), id, labels, provenance, readout },
      ...{ base: model, assessment, calibration, skipped: skipped.list },
      ...{ history: learned.history, bestEpoch: learned.bestEpoch },
    },
    options,
  );
}

/** Channels of each block of the features. */
function channelsOf({ features: { sizes, blocks }, model }: Frozen): number[] {
  const averaged = blocks.map(({ layer }) => ({ layer, pooling: "avg" as const }));
  return blockLengths({ sizes, blocks: averaged }, model.architecture);
}

const layersOf = (layer: FitOptions["layer"]): readonly LayerName[] | undefined =>
  typeof layer === "string" ? [layer] : layer;

/** Everything of a model but its numbers. */
function descriptionOf({ architecture, preprocessing }: Model): Pick<
  ModelDescription,
  "architecture" | "preprocessing"
> {
  return { architecture, preprocessing };
}

function provenanceOf(
  { model, features }: Frozen,
  isTuned: boolean,
  { settings }: LearnedHead,
  pictures: number,
  dataSha256: string,
): Provenance & Trained {
  const { source, license } = model.provenance;
  const layers = features.blocks.map(({ layer }) => layer).join(" and ");
  return {
    ...source === undefined ? {} : { source },
    ...license === undefined ? {} : { license },
    training: `A new head on ${layers} of ${model.id}${
      isTuned ? ", whose last block learned, too" : ""
    }, trained on ${pictures} pictures: ${JSON.stringify(settings)}`,
    dataSha256,
  };
}

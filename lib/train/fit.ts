/** Your own classes: a new head on the frozen layers of a model. */

import { createEngine } from "../engine/create.ts";
import type { BackendOptions } from "../engine/engine.ts";
import { collectSamples, type IndexedSample, type LabeledImages } from "../input/dataset.ts";
import { STANDARD_DEVIATION, STANDARD_MEAN } from "../input/whiten.ts";
import type { FeatureStatistics, Model, Preprocessing, Provenance } from "../model/model.ts";
import { type ModelSource, resolveModel, type ResolveOptions } from "../open_model.ts";
import { checkOptions, completeOptions } from "../options.ts";
import { FIT_OPTIONS, HEAD_BATCH, LEARNING_RATES } from "../options/training.ts";
import { type Augmentation, computeFeatures, fingerprint, viewsPerPicture } from "./features.ts";
import { finishFit, type Fitted, type FittedInMemory, type OutOptions } from "./fitted.ts";
import { type HeadPlan, planHead, type TrainedHead, trainHead } from "./head.ts";
import { ProgressTeller } from "../progress.ts";
import type { LearningOptions } from "./options.ts";
import { classWeightsOf, stratifiedSplit } from "./split.ts";
import type { StateStore } from "./state.ts";
import type { Whitening } from "./statistics.ts";
import { FeatureFile, keyOf, modelKey, samplesKey, stateFile, takeDirectory } from "./storage.ts";

/** Options of {@linkcode fit}. */
export interface FitOptions extends LearningOptions, OutOptions, BackendOptions, ResolveOptions {
  /** The model whose layers are frozen: catalog id, path, URL, bytes, or an open one. Default: the embedded one. */
  readonly model?: ModelSource | undefined;
  /**
   * The last frozen layer: `pool5`, `average` or a dense one, as the model has them. Default: the
   * one before the classifying layer.
   */
  readonly layer?: "pool5" | "average" | `fc${1 | 2 | 3 | 4 | 5 | 6 | 7}` | undefined;
  /** Units of a hidden layer of the head; 0, the default, for none. */
  readonly hidden?: number | undefined;
  /** How features are brought to a common scale. Default: `"standardize"`. */
  readonly whitening?: Whitening | undefined;
  /** Drop the pictures' colors, also when the new model classifies. Default: `false`. */
  readonly grayscale?: boolean | undefined;
  /** `"image"`: remove each picture's own mean and deviation. Default: as the frozen model does. */
  readonly standardize?: "image" | undefined;
  /** Also learn from mirrored pictures. Default: `true`. */
  readonly flip?: boolean | undefined;
  /** Also learn from this many random crops of each picture. Default: 2. */
  readonly crops?: number | undefined;
  /** A directory for features and the state of the training, from which a later call goes on. */
  readonly directory?: string | undefined;
  /** Name of the new model. Default: `"fitted"`. */
  readonly id?: string | undefined;
}

/**
 * Trains a new head on frozen layers, and writes an int8 model of both to `out`. Its scores are those of a
 * soft-max, also where the frozen model has a sigmoid, calibrated on the validation pictures. A class
 * `"none of these"` holds pictures of none of the others: the model is never sure of it.
 *
 * @throws {RangeError} If an option is unknown or out of range, there are fewer than two classes, a class has
 *   fewer than two pictures, or the layer and the head do not make a VGG.
 * @throws {ImageDecodeError} If a picture is damaged or of an unknown format.
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
 * const { accuracy, bytes } = await fit({ labels: ["dark", "bright"], samples }, { epochs: 5 });
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
  const complete = completeOptions(FIT_OPTIONS, options);
  const { labels } = data, samples = await collectSamples(data, options.signal);
  if (labels.length < 2) {
    throw new RangeError(`Expected at least 2 classes: found ${labels.length}`);
  }
  const { hidden, whitening, seed, validation, classWeights: balance, id } = complete;
  const { flip, crops, optimizer, epochs, patience, weightDecay } = complete;
  const frozen = await resolveModel(options.model, options);
  const base = { ...frozen, preprocessing: preprocessingOf(frozen, options) };
  const plan = planHead(base, { layer: options.layer, hidden }, labels.length);
  const classes = samples.map(({ label }) => label);
  const split = stratifiedSplit(classes, labels, validation, seed);

  const augmentation = { flip, crops };
  const rows = split.train.length * viewsPerPicture(augmentation);
  const { learningRate = LEARNING_RATES.head[optimizer] } = options;
  const { batchSize = rows < HEAD_BATCH.manyFrom ? HEAD_BATCH.few : HEAD_BATCH.many } = options;
  const loop = {
    ...{ optimizer, epochs, patience, weightDecay, seed, learningRate, batchSize },
    oneCycle: false,
  };

  using _directory = await takeDirectory(options.directory);
  await using engine = await createEngine(base, options);
  const store = await storeOf(base, plan, samples, augmentation, options.directory);
  const features = await computeFeatures(engine, base, samples, plan, augmentation, {
    ...{ offline: options.offline, signal: options.signal },
    store: store?.features,
    progress: new ProgressTeller(options, { stage: "features", unit: "images" }, samples.length),
  });

  const settings = { ...loop, hidden, whitening, validation, balance };
  const classWeights = classWeightsOf(balance, classes, labels.length);
  const task = { features, labels: classes, classes: labels.length, split, classWeights };
  const head = await trainHead({ ...task, hidden, whitening }, {
    ...loop,
    signal: options.signal,
    state: await store?.state(settings),
    progress: new ProgressTeller(options, { stage: "train", unit: "epochs" }),
  });

  const dataSha256 = await fingerprint(features.fingerprints);
  const description = {
    id,
    architecture: plan.architecture,
    preprocessing: base.preprocessing,
    labels,
    provenance: {
      ...provenanceOf(base, plan.layer, settings, samples.length, dataSha256),
      ...featureStatistics(plan, whitening, head),
    },
  };
  return await finishFit({ samples, labels }, split, description, head, options, base);
}

/** How the new model prepares images: the frozen layers' way, but for what the options change. */
function preprocessingOf(
  { preprocessing }: Model,
  { grayscale, standardize }: FitOptions,
): Preprocessing {
  const own = standardize === undefined ? preprocessing : {
    ...preprocessing,
    standardize,
    // The frozen layers were trained on values of mean 0 and deviation 1.
    scale: 1 / STANDARD_DEVIATION,
    mean: preprocessing.mean.map(() => STANDARD_MEAN / STANDARD_DEVIATION),
    std: preprocessing.std.map(() => 1),
  };
  return grayscale ? { ...own, grayscale } : own;
}

async function storeOf(
  base: Model,
  { layer, length }: HeadPlan,
  samples: readonly IndexedSample[],
  augmentation: Augmentation,
  directory: string | undefined,
): Promise<
  { features: FeatureFile; state: (settings: unknown) => Promise<StateStore> } | undefined
> {
  if (directory === undefined) return undefined;
  const pictures = await samplesKey(samples);
  const key = await keyOf([
    await modelKey(base),
    base.architecture,
    base.preprocessing,
    layer,
    augmentation,
    pictures,
  ]);
  return {
    features: new FeatureFile(directory, key, 4 * length * viewsPerPicture(augmentation)),
    state: async (settings) => stateFile(directory, await keyOf([key, settings])),
  };
}

/** Longer statistics would make a model document of megabytes. */
const MAX_STATISTICS = 4096;

function featureStatistics(
  { layer, length }: HeadPlan,
  whitening: Whitening,
  { mean, variance }: TrainedHead,
): { features?: FeatureStatistics } {
  if (whitening === "none" || length > MAX_STATISTICS) return {};
  const round = (value: number): number => Number(value.toPrecision(6));
  const means = Array.from(mean, round), variances = Array.from(variance, round);
  return { features: { layer, whitening, mean: means, variance: variances } };
}

function provenanceOf(
  base: Model,
  layer: string,
  settings: Record<string, unknown>,
  pictures: number,
  dataSha256: string,
): Provenance & { readonly dataSha256: string } {
  const { source, license } = base.provenance;
  return {
    ...source === undefined ? {} : { source },
    ...license === undefined ? {} : { license },
    training: `A new head on ${layer} of ${base.id}, trained on ${pictures} pictures: ${
      JSON.stringify(settings)
    }`,
    dataSha256,
  };
}

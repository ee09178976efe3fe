/** Your own classes: a new head on the frozen layers of a model. */

import { createEngine } from "../engine/create.ts";
import type { BackendOptions, Engine } from "../engine/engine.ts";
import { collectSamples, type IndexedSample, type LabeledImages } from "../input/dataset.ts";
import { SkippedSamples } from "../input/skipped_samples.ts";
import type { LayerName } from "../model/architecture.ts";
import type { ModelDescription } from "../model/document.ts";
import type { Model, Provenance } from "../model/model.ts";
import {
  blockLengths,
  checkReadout,
  featureLength,
  type FeaturePooling,
  type ReadoutDescription,
} from "../model/readout.ts";
import { type ModelSource, resolveModel, type ResolveOptions } from "../open_model.ts";
import { checkOptions, type Complete, completeOptions } from "../options.ts";
import {
  FIT_OPTIONS,
  HEAD_BATCH,
  HEAD_EPOCHS,
  LEARNING_RATES,
  NEAREST_BELOW,
  TUNING,
} from "../options/training.ts";
import { ProgressTeller } from "../progress.ts";
import { VERSION } from "../version.ts";
import { assess } from "./assess.ts";
import { duplicatesOf } from "./duplicates.ts";
import { type FeatureStore, hashOfData, readPictures } from "./features.ts";
import {
  finishFit,
  type Fitted,
  type FittedInMemory,
  type OutOptions,
  type Trained,
} from "./fitted.ts";
import { NEVER, stratifiedFolds } from "./folds.ts";
import { checkTunable, fineTune, type FineTuneTask } from "./fine_tune.ts";
import { freeze, type Frozen } from "./frozen.ts";
import type { HeadTask, LearnedHead } from "./head.ts";
import { type TrainingKernels, withKernels } from "./kernels.ts";
import { learnHead } from "./learn.ts";
import { mapShape, recordBytes, type RecordStore } from "./maps.ts";
import { directionsOf } from "./nearest.ts";
import type { LearningOptions } from "./options.ts";
import { classWeightsOf, stratifiedSplit } from "./split.ts";
import type { StateStore } from "./state.ts";
import { checkWhitening, type Whitening } from "./statistics.ts";
import {
  arrayFile,
  checkInMemory,
  featureFile,
  keyOf,
  modelKey,
  recordFile,
  RecordsInMemory,
  samplesKey,
  stateFile,
  takeDirectory,
} from "./storage.ts";
import type { ArrayStore } from "./tuning_state.ts";

/** Options of {@linkcode fit}. */
export interface FitOptions extends LearningOptions, OutOptions, BackendOptions, ResolveOptions {
  /** The model whose layers are frozen: catalog id, path, URL, bytes, or an open one. Default: the embedded one. */
  readonly model?: ModelSource | undefined;
  /**
   * The layers that the head sees, side by side: any of the model but the classifying one and the scores.
   * Default: `pool4` and `pool5`.
   */
  readonly layer?: LayerName | readonly LayerName[] | undefined;
  /** What becomes of a layer's positions: their average, the averages of four quarters, or each. Default: `"avg"`. */
  readonly pooling?: FeaturePooling | undefined;
  /**
   * Sides in pixels of the squares in which a picture is looked at, at most 4; what it says in each is put side
   * by side. Dense layers see the size that they were trained for. Default: that of the model's input; a fifth more
   * of 301 to 1,000 pictures.
   */
  readonly sides?: readonly number[] | undefined;
  /**
   * Whether a picture and its mirror image are looked at, and what they say is averaged, which takes twice the
   * time, also when the new model classifies. Default: `"auto"`, of up to 300 pictures.
   */
  readonly mirror?: "auto" | "on" | "off" | undefined;
  /**
   * `"linear"`: one dense layer, which learns until it is the best one (logistic regression); `"nearest"`: the
   * pictures that are most like one decide, from one picture a class on. Default: `"auto"`, nearest where the
   * median class has fewer than 10 pictures.
   */
  readonly head?: "auto" | "linear" | "nearest" | undefined;
  /** Units of a hidden layer of the head, which then learns in epochs; 0, the default, for none. */
  readonly hidden?: number | undefined;
  /**
   * `"conv5"`: the last block of convolutions learns, too, with a linear head and from mirrored and cropped
   * pictures; judged on the validation pictures. It takes minutes for hundreds of pictures. Default: none does.
   */
  readonly fineTune?: "conv5" | undefined;
  /** How features are brought to a common scale. Default: `"standardize"`. */
  readonly whitening?: Whitening | undefined;
  /** Drop the pictures' colors, also when the new model classifies. Default: `false`. */
  readonly grayscale?: boolean | undefined;
  /** `"image"`: remove each picture's own mean and deviation. Default: as the frozen model does. */
  readonly standardize?: "image" | undefined;
  /** Into how many parts pictures are divided, each of which is judged by what learned from the others. Default: 5. */
  readonly folds?: number | undefined;
  /**
   * A directory for features and the state of the training, from which a later call goes on; those of one fit are
   * kept at a time.
   */
  readonly directory?: string | undefined;
  /** Name of the new model. Default: `"fitted"`. */
  readonly id?: string | undefined;
}

/**
 * Trains a new head on frozen layers, and writes an int8 model of both to `out`. Its scores are those of a
 * soft-max, calibrated on pictures by heads that had not learned from them. A class `"none of these"` holds
 * pictures of none of the others: the model is never sure of it.
 *
 * @throws {RangeError} If an option is unknown, out of range or without effect, there are fewer than two classes,
 *   or a class has no picture that can be read.
 * @throws {ImageDecodeError} If too many pictures are damaged or of an unknown format.
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
  const complete = completeOptions(FIT_OPTIONS, options);
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
  for (const length of lengths) checkWhitening(length, complete.whitening);
  checkSize(frozen, complete, labels.length, samples.length);
  if (complete.fineTune !== undefined) {
    checkTunable(frozen);
    const size = recordBytes(mapShape(frozen.model));
    if (options.directory === undefined) checkInMemory(size, samples.length);
  }
  using _directory = await takeDirectory(options.directory);
  await using engine = await createEngine(frozen.model, options);
  const store = await storeOf(frozen, engine, samples, options.directory);
  const skipped = new SkippedSamples(labels);
  const network = { ...frozen.model, readout: { features: frozen.features } };
  const pictures = await readPictures(engine, network, samples, {
    ...{ offline: options.offline, signal: options.signal, store: store?.features },
    progress: new ProgressTeller(options, { stage: "features", unit: "images" }, samples.length),
    onSkip: (sample, why) => skipped.addBecause(sample, why),
  });
  skipped.check(samples, complete.skipBad);

  const own = pictures.positions.map((position) => samples[position]!);
  const classes = Int32Array.from(own, ({ label }) => label);
  const compared = {
    ...{ fingerprints: pictures.fingerprints, features: pictures.features },
    ...{ labels: classes, classes: labels.length, lengths },
  };
  const { learned, model, duplicates, folds } = await withKernels(options, async (kernels) => {
    const directions = directionsOf(compared.features, compared.lengths);
    const duplicates = await duplicatesOf(kernels, { ...compared, directions }, options.signal);
    const folds = foldsFor(classes, labels, duplicates, complete);
    const task = {
      ...{ ...compared, rows: pictures.features, folds, whitening: complete.whitening },
      classWeights: classWeightsOf(complete.classWeights, classes, labels.length),
    };
    const found = complete.fineTune === undefined
      ? { learned: await learn(task, kernels, complete, options, store), model: frozen.model }
      : await learnTuned(
        kernels,
        { ...task, ...{ frozen, engine, duplicates }, samples: own },
        complete,
        options,
        store,
      );
    return { ...found, duplicates, folds };
  });
  const { logits } = learned;
  const { assessment, calibration } = await assess(
    { samples: own, labels, colors: pictures.colors, duplicates, folds, logits },
    options.signal,
  );
  const dataSha256 = await hashOfData(pictures.fingerprints, classes);
  const { id } = complete, { features } = frozen;
  const provenance = provenanceOf(frozen, model !== frozen.model, learned, own.length, dataSha256);
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

const layersOf = (layer: FitOptions["layer"]): readonly LayerName[] | undefined =>
  typeof layer === "string" ? [layer] : layer;

/** Options of a head that learns in epochs. */
const EPOCH_OPTIONS = [
  ...["epochs", "patience", "optimizer", "learningRate", "batchSize", "weightDecay", "validation"],
] as const;

/**
 * Checks that each option that is given does something.
 *
 * @throws {RangeError} If one does not.
 */
function checkEffects(options: FitOptions): void {
  const { hidden = 0, head, fineTune } = options;
  const given = (names: readonly (keyof FitOptions)[]): string | undefined =>
    names.find((name) => options[name] !== undefined);
  if (head === "nearest" && hidden > 0) {
    throw new RangeError('hidden is for a linear head: the head "nearest" has no layers');
  }
  if (fineTune !== undefined) return checkTuning(options);
  const unlearned = head === "nearest" ? given(["whitening", "classWeights"]) : undefined;
  if (unlearned !== undefined) {
    throw new RangeError(`${unlearned} has no effect on the head "nearest": leave it out`);
  }
  const unused = hidden > 0 ? given(["folds"]) : given(EPOCH_OPTIONS);
  if (unused === undefined) return;
  throw new RangeError(
    hidden > 0
      ? `${unused} has no effect beside hidden: such a head is judged on the validation pictures`
      : `${unused} has no effect without hidden: only a head with a hidden layer learns in epochs`,
  );
}

/**
 * Checks, before anything is computed, that a model file may have the head.
 *
 * @throws {RangeError} If it would be too large.
 */
function checkSize(
  { features, model }: Frozen,
  { head, hidden }: Settings,
  classes: number,
  pictures: number,
): void {
  const described: ReadoutDescription["head"] = head === "nearest"
    ? { kind: "nearest", examples: pictures }
    : { kind: "dense", units: hidden > 0 ? [hidden, classes] : [classes] };
  const problem = checkReadout({ features, head: described }, model.architecture, classes);
  if (problem === undefined) return;
  throw new RangeError(
    `The head would be too large: ${problem}. Average what layers say, or read fewer of them`,
  );
}

/** Checks that each option that is given beside fineTune does something. */
function checkTuning(options: FitOptions): void {
  const { hidden = 0, head = "auto", whitening = "standardize" } = options;
  if (hidden > 0 || head === "nearest") {
    throw new RangeError(
      `fineTune learns with a linear head: leave out ${hidden > 0 ? "hidden" : "head"}`,
    );
  }
  if (whitening !== "standardize" && whitening !== "none") {
    throw new RangeError(
      `fineTune learns from standardized features: found whitening ${whitening}`,
    );
  }
  const unused = (["folds", "patience", "optimizer"] as const)
    .find((name) => options[name] !== undefined);
  if (unused === undefined) return;
  const why = unused === "folds"
    ? "such a model is judged on the validation pictures"
    : "all epochs are learned, by Adam";
  throw new RangeError(`${unused} has no effect beside fineTune: ${why}`);
}

/** What an earlier fit on the same pictures, layers and numbers kept. */
async function storeOf(
  { model, features }: Frozen,
  { backend, precision }: Engine,
  samples: readonly IndexedSample[],
  directory: string | undefined,
): Promise<FitStore | undefined> {
  if (directory === undefined) return undefined;
  const key = await keyOf([
    VERSION, // Another one may read pictures in another way.
    await modelKey(model),
    model.architecture,
    model.preprocessing,
    features,
    // Floats may differ in their last bits.
    precision === "float" ? [precision, backend] : precision,
    await samplesKey(samples),
  ]);
  const length = featureLength(features, model.architecture);
  return {
    features: await featureFile(directory, key, length),
    state: async (settings) => stateFile(directory, await keyOf([key, settings])),
    tuning: async (settings) => arrayFile(directory, await keyOf([key, settings])),
    records: (size) => recordFile(directory, key, size),
  };
}

/** Where a fit keeps what takes long. */
interface FitStore {
  readonly features: FeatureStore;
  readonly state: (settings: unknown) => Promise<StateStore>;
  readonly tuning: (settings: unknown) => Promise<ArrayStore>;
  readonly records: (size: number) => Promise<RecordStore & Disposable>;
}

type Settings = Complete<typeof FIT_OPTIONS>;

/** The fold of each picture. What learns in epochs is judged on one, which it never learns from. */
function foldsFor(
  classes: Int32Array,
  labels: readonly string[],
  duplicates: Int32Array,
  { hidden, fineTune, folds, validation, seed }: Settings,
): Int32Array {
  if (hidden === 0 && fineTune === undefined) {
    return stratifiedFolds(classes, labels.length, { folds, seed, together: duplicates });
  }
  const split = stratifiedSplit(classes, labels, validation, seed, duplicates);
  const chosen = new Int32Array(classes.length).fill(NEVER);
  for (const n of split.validation) chosen[n] = 0;
  return chosen;
}

async function learn(
  task: HeadTask,
  kernels: TrainingKernels,
  complete: Settings,
  options: FitOptions,
  store: FitStore | undefined,
): Promise<LearnedHead> {
  const { head, hidden, optimizer, patience, weightDecay, seed, epochs = HEAD_EPOCHS } = complete;
  const rows = task.labels.length;
  const { learningRate = LEARNING_RATES.head[optimizer] } = options;
  const { batchSize = rows < HEAD_BATCH.manyFrom ? HEAD_BATCH.few : HEAD_BATCH.many } = options;
  const unit = hidden > 0 ? "epochs" : "trials";
  const progress = new ProgressTeller(options, { stage: "train", unit });
  const how = { optimizer, epochs, patience, weightDecay, seed, learningRate, batchSize };
  const { validation, classWeights, whitening } = complete;
  const state = hidden === 0 ? undefined : await store?.state({
    ...how,
    hidden,
    validation,
    classWeights,
    whitening,
    labels: [...task.labels],
  });
  const loop = { ...how, oneCycle: false, signal: options.signal, state, progress };
  const isLinear = options.whitening !== undefined || options.classWeights !== undefined;
  const chosen = head !== "auto" ? head : isLinear ? "linear" : headFor(task);
  const learned = await learnHead(task, { head: chosen, hidden, loop, kernels, progress });
  progress.end();
  return learned;
}

/** The head that is right more often for so many pictures. */
function headFor({ labels, classes }: HeadTask): "linear" | "nearest" {
  const counts = new Float64Array(classes);
  for (const label of labels) counts[label]!++;
  return counts.sort()[classes >> 1]! < NEAREST_BELOW ? "nearest" : "linear";
}

/** Fine-tunes the last block, with a head. */
async function learnTuned(
  kernels: TrainingKernels,
  task: Omit<FineTuneTask, "records">,
  { weightDecay, seed, validation, classWeights, whitening, ...complete }: Settings,
  options: FitOptions,
  store: FitStore | undefined,
): Promise<{ model: Model; learned: LearnedHead }> {
  const { epochs = TUNING.epochs, batchSize = TUNING.batchSize } = complete;
  const { learningRate = TUNING.learningRate } = options;
  const how = { epochs, batchSize, learningRate, weightDecay, seed };
  const size = recordBytes(mapShape(task.frozen.model));
  using records = await store?.records(size) ?? new RecordsInMemory(size);
  const labels = [...task.labels];
  const state = await store?.tuning({ ...how, validation, classWeights, whitening, labels });
  return await fineTune(kernels, { ...task, records }, { ...options, ...how, state });
}

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

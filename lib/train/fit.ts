/**
 * Your own classes: a new head on the frozen layers of a model.
 *
 * @module
 */

import { createEngine, type EngineOptions } from "../engine/create.ts";
import type { Dataset, Sample } from "../evaluate/dataset.ts";
import { type Architecture, layersOf } from "../vgg/architecture.ts";
import { STANDARD_DEVIATION, STANDARD_MEAN } from "../image/prepare.ts";
import type { Model, Preprocessing, Provenance } from "../vgg/model.ts";
import { openModel } from "../weights/model_file.ts";
import { resolveModel, type ResolveOptions } from "../weights/resolve.ts";
import { type Augmentation, computeFeatures, fingerprint, viewsPerPicture } from "./features.ts";
import { trainHead } from "./head.ts";
import type { EpochMetrics, LoopOptions } from "./loop.ts";
import { balancedWeights, type Split, stratifiedSplit } from "./split.ts";
import type { Whitening } from "./statistics.ts";
import { FeatureFile, keyOf, modelKey, samplesKey, stateFile } from "./storage.ts";
import { writeModel } from "./write_model.ts";

/** How far a fit is. */
export type FitProgress =
  | { readonly stage: "features"; readonly done: number; readonly total: number }
  | { readonly stage: "training"; readonly metrics: EpochMetrics };

/** Options of {@linkcode fit} that concern learning. */
export interface LearningOptions {
  /** At most this many passes over the pictures. Default: 200. */
  readonly epochs?: number;
  /** Epochs without improvement on the validation pictures, after which it stops. Default: 20. */
  readonly patience?: number;
  /** Default: `"adam"`. */
  readonly optimizer?: "adam" | "momentum" | "sgd";
  /** Default: 0.001 for adam, 0.01 otherwise. */
  readonly learningRate?: number;
  /** Default: 32, or 256 from 10,000 rows of features on. */
  readonly batchSize?: number;
  /** Part by which weights shrink in a step, relative to the learning rate. Default: 0.01. */
  readonly weightDecay?: number;
  /** Part of each class that is kept for validation, above 0 and below 1. Default: 0.2. */
  readonly validation?: number;
  /** `"balanced"`, the default, lets rare classes count as much as frequent ones. */
  readonly classWeights?: "balanced" | "none";
  /** Of all random choices. Default: 0. */
  readonly seed?: number;
}

/** Options of {@linkcode fit}. */
export interface FitOptions extends LearningOptions, EngineOptions, ResolveOptions {
  /** The model whose layers are frozen: catalog id, path, URL or bytes. Default: the embedded one. */
  readonly model?: string | URL | Uint8Array;
  /** The last frozen layer: `pool5`, `fc6` or `fc7`. Default: the one before the classifying layer. */
  readonly layer?: string;
  /** Units of a hidden layer of the head; 0, the default, for none. */
  readonly hidden?: number;
  /** How features are brought to a common scale. Default: `"standardize"`. */
  readonly whitening?: Whitening;
  /** Drop the pictures' colours, also when the new model classifies. Default: `false`. */
  readonly grayscale?: boolean;
  /** `"image"`: remove each picture's own mean and deviation. Default: as the frozen model does. */
  readonly standardize?: "image";
  /** Also learn from mirrored pictures. Default: `true`. */
  readonly flip?: boolean;
  /** Also learn from this many random crops of each picture. Default: 2. */
  readonly crops?: number;
  /** A directory for features and the state of the training, from which a later call goes on. */
  readonly directory?: string;
  /** Name of the new model. Default: `"fitted"`. */
  readonly id?: string;
  /** Called as the fit goes on. */
  readonly onFit?: (progress: FitProgress) => void;
}

/** What {@linkcode fit} made. */
export interface Fitted {
  /** The bytes of a model file. */
  readonly model: Uint8Array<ArrayBuffer>;
  /** The new labels. */
  readonly labels: readonly string[];
  /** Positions of the pictures that were learned from, and that were not. */
  readonly split: Split;
  /** What each epoch gave. */
  readonly history: readonly EpochMetrics[];
  /** The epoch whose weights were kept, from 1 on. */
  readonly bestEpoch: number;
  /** Of the finished int8 model on the validation pictures, 0…1. */
  readonly accuracy: number;
  /** SHA-256 of all pictures' pixels and classes. */
  readonly dataSha256: string;
}

/**
 * Trains a new head on frozen layers, and makes an int8 model of both.
 *
 * @throws {RangeError} If an option is out of range, there are fewer than two classes, a class has
 *   fewer than two pictures, or the layer and the head do not make a VGG.
 * @throws {ImageDecodeError} If a picture is damaged or of an unknown format.
 *
 * @example
 * ```ts ignore
 * import { fit, listSamples } from "@edge/vgg16";
 *
 * const { model, accuracy } = await fit(await listSamples("pictures"), { crops: 4 });
 * await Deno.writeFile("mine.safetensors", model);
 * ```
 */
export async function fit(data: Dataset, options: FitOptions = {}): Promise<Fitted> {
  const { samples, labels } = data;
  if (labels.length < 2) {
    throw new RangeError(`Expected at least 2 classes: found ${labels.length}`);
  }
  const { layer: _, hidden = 0, whitening = "standardize", seed = 0 } = options;
  const frozen = await resolveModel(options.model, options);
  const base = { ...frozen, preprocessing: preprocessingOf(frozen, options) };
  const plan = planHead(base, options, labels.length);
  const classes = samples.map(({ label }) => label);
  const split = stratifiedSplit(classes, labels.length, partOf(options), seed);

  await using engine = await createEngine(base, options);
  const augmentation: Augmentation = { flip: options.flip ?? true, crops: options.crops ?? 2 };
  const store = await storeOf(base, plan, samples, augmentation, options.directory);
  const features = await computeFeatures(
    engine,
    base,
    samples,
    plan.layer,
    plan.length,
    augmentation,
    store?.features,
    {
      signal: options.signal,
      onProgress: (done) => options.onFit?.({ stage: "features", done, total: samples.length }),
    },
  );

  const rows = split.train.length * features.views;
  const settings = { ...learning(options, rows), hidden, whitening };
  const classWeights = options.classWeights === "none"
    ? new Float32Array(labels.length).fill(1)
    : balancedWeights(classes, labels.length);
  const task = { features, labels: classes, classes: labels.length, split, classWeights };
  const head = await trainHead({ ...task, hidden, whitening }, {
    ...learning(options, rows),
    signal: options.signal,
    state: store?.state(settings),
    onEpoch: (metrics) => options.onFit?.({ stage: "training", metrics }),
  });

  const dataSha256 = fingerprint(features.fingerprints);
  const description = {
    id: options.id ?? "fitted",
    architecture: plan.architecture,
    preprocessing: base.preprocessing,
    labels,
    provenance: provenanceOf(base, plan.layer, settings, samples.length, dataSha256),
  };
  const model = await writeModel(description, head.layers, base);
  const validation = split.validation.map((n) => samples[n]);
  const accuracy = await accuracyOf(model, validation, options);
  const { history, bestEpoch } = head;
  return { model, labels, split, history, bestEpoch, accuracy, dataSha256 };
}

interface HeadPlan {
  readonly layer: string;
  /** Values of that layer for one view. */
  readonly length: number;
  readonly architecture: Architecture;
}

/** Which layers stay, and what the new model looks like. */
function planHead(base: Model, { layer, hidden = 0 }: FitOptions, classes: number): HeadPlan {
  const layers = layersOf(base.architecture);
  const dense = layers.filter(({ name }) => name.startsWith("fc"));
  const pool = layers[layers.length - dense.length - 1];
  const candidates = [pool.pool!, ...dense.slice(0, -1).map(({ name }) => name)];
  const chosen = layer ?? candidates.at(-1)!, kept = candidates.indexOf(chosen);
  if (kept < 0) {
    throw new RangeError(`layer must be one of ${candidates.join(", ")}: found "${chosen}"`);
  }
  if (!Number.isInteger(hidden) || hidden < 0 || hidden > 2 ** 16) {
    throw new RangeError(`hidden must be an integer from 0 to 65536: found ${hidden}`);
  }
  if (kept + (hidden > 0 ? 2 : 1) > 3) {
    throw new RangeError(
      `A VGG has at most 3 dense layers, and a hidden layer after ${chosen} makes 4: ` +
        `use layer ${candidates[kept - 1]}, or no hidden layer`,
    );
  }
  const { height, width } = base.architecture.input;
  const [frozen, head] = [base.architecture.dense.slice(0, kept), hidden > 0 ? [hidden] : []];
  return {
    layer: chosen,
    length: kept === 0
      ? (height >> 5) * (width >> 5) * pool.outChannels
      : base.architecture.dense[kept - 1],
    architecture: { ...base.architecture, dense: [...frozen, ...head, classes] },
  };
}

/** How the new model prepares images: the frozen layers' way, but for what the options change. */
function preprocessingOf(
  { preprocessing }: Model,
  { grayscale = false, standardize }: FitOptions,
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

/** Part of the pictures that is kept for validation. */
export function partOf({ validation = 0.2 }: LearningOptions): number {
  if (!(validation > 0 && validation < 1)) {
    throw new RangeError(`validation must be above 0 and below 1: found ${validation}`);
  }
  return validation;
}

/** The options of a training, checked and complete. */
export function learning(
  options: LearningOptions,
  rows: number,
): Omit<LoopOptions, "signal" | "state" | "onEpoch" | "onStep"> {
  const { optimizer = "adam", epochs = 200, patience = 20, weightDecay = 0.01, seed = 0 } = options;
  const { learningRate = optimizer === "adam" ? 1e-3 : 1e-2 } = options;
  const { batchSize = rows < 10_000 ? 32 : 256 } = options;
  if (!["adam", "momentum", "sgd"].includes(optimizer)) {
    throw new RangeError(`optimizer must be adam, momentum or sgd: found "${optimizer}"`);
  }
  for (const [name, value] of Object.entries({ epochs, patience, batchSize })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new RangeError(`${name} must be an integer of at least 1: found ${value}`);
    }
  }
  if (!(learningRate > 0) || !(weightDecay >= 0)) {
    throw new RangeError(
      `learningRate must be above 0 and weightDecay at least 0: found ${learningRate}, ${weightDecay}`,
    );
  }
  return {
    ...{ optimizer, epochs, patience, weightDecay, seed, learningRate, batchSize },
    cosine: false,
  };
}

async function storeOf(
  base: Model,
  { layer, length }: HeadPlan,
  samples: readonly Sample[],
  augmentation: Augmentation,
  directory: string | undefined,
): Promise<
  | { features: FeatureFile; state: (settings: unknown) => NonNullable<LoopOptions["state"]> }
  | undefined
> {
  if (directory === undefined) return undefined;
  await Deno.mkdir(directory, { recursive: true });
  const key = keyOf([
    modelKey(base),
    base.preprocessing,
    layer,
    augmentation,
    await samplesKey(samples),
  ]);
  return {
    features: new FeatureFile(directory, key, 4 * length * viewsPerPicture(augmentation)),
    state: (settings) => stateFile(directory, keyOf([key, settings])),
  };
}

function provenanceOf(
  base: Model,
  layer: string,
  settings: Record<string, unknown>,
  pictures: number,
  dataSha256: string,
): Provenance {
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

/** What a finished model scores. */
export async function accuracyOf(
  bytes: Uint8Array,
  samples: readonly Sample[],
  options: EngineOptions,
): Promise<number> {
  const model = await openModel(bytes);
  await using engine = await createEngine(model, options);
  const classes = model.labels.length, once = { flip: false, crops: 0 };
  const last = layersOf(model.architecture).at(-1)!.name;
  const { data } = await computeFeatures(engine, model, samples, last, classes, once, undefined, {
    signal: options.signal,
  });
  const right = samples.filter(({ label }, n) => {
    const logits = data.subarray(n * classes, (n + 1) * classes);
    return logits.indexOf(Math.max(...logits)) === label;
  });
  return right.length / samples.length;
}

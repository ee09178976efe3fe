/** Activations -> embeddings: pooled, normalized, compared. */

import type { Activations } from "../engine/engine.ts";
import { choice, completeOptions, EMBEDDING_OPTIONS } from "../options.ts";
import { headScores, type Scoring } from "./predictions.ts";
import {
  type Architecture,
  type EmbeddingName,
  type LayerInfo,
  layerInfos,
  type LayerName,
  layersOf,
} from "../model/architecture.ts";
import type { Model } from "../model/model.ts";
import type { ViewShare } from "../model/readout.ts";

/** What is said about one image. */
export interface Embedding {
  /** The layer's name. */
  readonly layer: EmbeddingName;
  /** Real values, after the ReLU where the layer has one. */
  readonly data: Float32Array;
  /** `[height, width, channels]`, or `[channels]` where positions were pooled or there is only one. */
  readonly shape: readonly number[];
}

/** What of a layer is wanted. */
export interface EmbeddingOptions {
  /**
   * `"search"`, the default: what similar images are found by, of length 1, to be compared by cosine. It is the
   * maximum of each channel of `pool5`, which tells copies, and the scores of all classes where the model's own
   * layers give them, which tell what is shown.
   *
   * Or one of the paper's names: `conv1_1` … `conv5_3`, `pool1` … `pool5`, `fc6` … `fc8`, or `prob`, the scores of
   * all classes; `average` where the model averages `pool5`.
   */
  readonly layer?: EmbeddingName | undefined;
  /** Over all positions of a layer: their average, their maximum, or all of them. Default: `"none"`. */
  readonly pooling?: "none" | "avg" | "max" | undefined;
  /** Scales the values to a Euclidean length of 1; zeros stay zeros. Default: `false`. */
  readonly normalize?: boolean | undefined;
}

/** Checked options of one layer. */
export interface Pooling {
  readonly layer: LayerName;
  readonly pooling: "none" | "avg" | "max";
  readonly normalize: boolean;
}

/** What is read for an embedding: a layer, or several of which one is made. */
export interface CheckedEmbedding {
  readonly layer: EmbeddingName;
  readonly parts: readonly [Pooling, ...Pooling[]];
}

/**
 * Checks options against a model, and fills in what was left out.
 *
 * @throws {RangeError} If the model has no such layer, or `pooling` is not one of its values, or is to be another
 *   than that of `search`.
 */
export function checkEmbedding(options: EmbeddingOptions, model: Read): CheckedEmbedding {
  const choices = readableLayers(model).map(({ name }) => name);
  const named = choice({ choices, default: SEARCH }, EMBEDDING_OPTIONS.layer.about);
  const { layer, pooling, normalize } = completeOptions(
    { ...EMBEDDING_OPTIONS, layer: named },
    options,
  );
  if (layer !== SEARCH) return { layer, parts: [{ layer, pooling, normalize }] };
  if (pooling !== "none" || options.normalize === false) {
    throw new RangeError(
      `The embedding "${SEARCH}" is pooled, and of length 1: name a layer for pooling and normalize`,
    );
  }
  const look = { layer: "pool5", pooling: "max", normalize: true } as const;
  const kind = { layer: "prob", pooling: "none", normalize: false } as const;
  return { layer, parts: hasScores(model) ? [look, kind] : [look] };
}

/** The embedding that is made of several layers. */
const SEARCH = "search";

/** Whether a model's own layers end with scores that add up to 1. */
function hasScores({ architecture: { dense, head }, readout }: Read): boolean {
  return dense.length > 0 && head !== "sigmoid" && readout === undefined;
}

/** What of a model says which layers can be read. */
export interface Read extends Pick<Model, "architecture"> {
  readonly readout?: unknown;
}

/** What can be read of an image. */
export interface ReadableLayer extends Omit<LayerInfo, "name"> {
  /** The layer's name, or `search`. */
  readonly name: EmbeddingName;
}

/**
 * What can be read of a model, in the order in which it is computed. A readout's scores are no layer's.
 */
export function readableLayers(model: Read): ReadableLayer[] {
  const { architecture, readout } = model, layers: ReadableLayer[] = layerInfos(architecture);
  const found = readout === undefined ? layers : layers.filter(({ name }) => name !== "prob");
  const length = architecture.convolutions.at(-1)! +
    (hasScores(model) ? architecture.dense.at(-1)! : 0);
  return [...found, { name: SEARCH, shape: [length] }];
}

/**
 * Takes image `n` out of a layer's activations.
 *
 * Sums and maxima are taken of the engine's own numbers, integers with `precision: "int8"`, and scaled
 * once, so that all backends give the same bits.
 *
 * @param scoring Makes the layer `prob` of the logits.
 */
export function embeddingOf(
  activations: Activations,
  n: number,
  options: Pooling,
  scoring: Scoring = { architecture: {} },
): LayerEmbedding {
  const [, height, width, outputs] = activations.shape;
  const positions = height * width, size = positions * outputs, scale = activations.scale[n];
  const all = activations.data.subarray(n * size, (n + 1) * size);
  const isProb = options.layer === "prob";
  const rows = isProb ? scoreRows(all, outputs, scale, scoring) : all;
  const channels = rows.length / positions;
  const pooled = poolPositions(rows, channels, options.pooling);
  const factor = (isProb ? 1 : scale) * (options.pooling === "avg" ? 1 / positions : 1);
  const length = options.normalize ? euclideanLength(pooled) : 0;
  const data = new Float32Array(pooled.length);
  for (let i = 0; i < data.length; i++) {
    data[i] = options.normalize ? (length > 0 ? pooled[i] / length : 0) : pooled[i] * factor;
  }
  const isVector = pooled.length === channels;
  return { layer: options.layer, data, shape: isVector ? [channels] : [height, width, channels] };
}

/** What one layer says. */
export interface LayerEmbedding extends Embedding {
  readonly layer: LayerName;
}

/** What a layer says of one image: that of its view, or the average of its views' by their weights. */
export class LayerMean {
  readonly #options: Pooling;
  readonly #scoring: Scoring;
  #only: LayerEmbedding | undefined;
  #sum: Float64Array | undefined;
  #shape: readonly number[] = [];

  constructor(options: Pooling, scoring: Scoring) {
    this.#options = options;
    this.#scoring = scoring;
  }

  /**
   * Adds view `n` of a batch.
   *
   * @throws {RangeError} If the layer's shape is another than for the views before.
   */
  add([activations]: readonly Activations[], n: number, { weight }: ViewShare): void {
    if (weight === 1) {
      this.#only = embeddingOf(activations, n, this.#options, this.#scoring);
      return;
    }
    const options = { ...this.#options, normalize: false };
    const { data, shape } = embeddingOf(activations, n, options, this.#scoring);
    const sum = this.#sum ??= new Float64Array(data.length);
    if (this.#shape.length === 0) this.#shape = shape;
    if (String(shape) !== String(this.#shape)) {
      throw new RangeError(
        `The image's views differ in size, so ${this.#options.layer} has shapes [${this.#shape}] ` +
          `and [${shape}]: pool them with "avg" or "max"`,
      );
    }
    for (let i = 0; i < sum.length; i++) sum[i] += weight * data[i];
  }

  /** The embedding, once all views were added. */
  result(): LayerEmbedding {
    const { layer, normalize } = this.#options;
    if (this.#only !== undefined) return this.#only;
    const sum = this.#sum!;
    const length = normalize ? euclideanLength(sum) : 1;
    return {
      layer,
      data: Float32Array.from(sum, (value) => length > 0 ? value / length : 0),
      shape: this.#shape,
    };
  }
}

/** What several layers say of one image, each as a {@linkcode LayerMean} does. */
export function layerMeans(
  parts: readonly Pooling[],
  scoring: Scoring,
): Pick<LayerMean, "add"> & { result(): Embedding[] } {
  const means = parts.map((part) => new LayerMean(part, scoring));
  return {
    add: (layers, n, view) => means.forEach((mean, i) => mean.add([layers[i]!], n, view)),
    result: () => means.map((mean) => mean.result()),
  };
}

/** The embedding of one image, once all its views were added. */
export function embeddingMean(
  { layer, parts }: CheckedEmbedding,
  scoring: Scoring,
): Pick<LayerMean, "add"> & { result(): Embedding } {
  const { add, result } = layerMeans(parts, scoring);
  return {
    add,
    result: () => {
      const [first, scores] = result() as [Embedding, Embedding?];
      return layer === SEARCH ? searchVector(first, scores) : first;
    },
  };
}

/**
 * How much of two images' similarity is that they mean the same, where both surely show one class: the square of
 * this. Of others it is less, as their scores are shorter vectors. Measured: bench/README.md.
 */
export const MEANING = 0.6;

/**
 * `[MEANING * scores, sqrt(1 - MEANING² |scores|²) * look]`, of length 1: of images whose class is sure a third of the
 * similarity is that they show the same, of others the look decides alone.
 */
function searchVector({ data: look }: Embedding, scores: Embedding | undefined): Embedding {
  const meaning = Float64Array.from(scores?.data ?? [], (score) => MEANING * score);
  const rest = Math.sqrt(1 - meaning.reduce((sum, value) => sum + value * value, 0));
  const data = new Float32Array(meaning.length + look.length);
  data.set(meaning);
  data.set(look.map((value) => value * rest), meaning.length);
  return { layer: SEARCH, data, shape: [data.length] };
}

/** The layer of the network of which an embedding is made: the classifying one for `prob`. */
export function networkLayer(layer: LayerName, architecture: Architecture): LayerName {
  return layer === "prob" ? layersOf(architecture).at(-1)!.name : layer;
}

/** The scores at each position, `[positions, classes]`, of `[positions, outputs]`. */
function scoreRows(
  logits: Activations["data"],
  outputs: number,
  scale: number,
  scoring: Scoring,
): Float64Array {
  const rows: number[] = [];
  for (let at = 0; at < logits.length; at += outputs) {
    rows.push(...headScores(logits.subarray(at, at + outputs), scale, scoring));
  }
  return Float64Array.from(rows);
}

function euclideanLength(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  return Math.sqrt(sum);
}

/** Sums (`"avg"`) or maxima over the positions of `[positions, channels]`, in float64; or these themselves. */
function poolPositions(
  values: ArrayLike<number>,
  channels: number,
  pooling: "none" | "avg" | "max",
): ArrayLike<number> {
  if (pooling === "none") return values;
  const pooled = new Float64Array(channels).fill(pooling === "max" ? -Infinity : 0);
  for (let at = 0; at < values.length; at += channels) {
    for (let c = 0; c < channels; c++) {
      const value = values[at + c];
      if (pooling === "avg") pooled[c] += value;
      else if (value > pooled[c]) pooled[c] = value;
    }
  }
  return pooled;
}

/**
 * Cosine of the angle between two embeddings, -1…1; 0 if one of them is all zeros.
 *
 * @throws {RangeError} If they are not of the same length.
 *
 * @example
 * ```ts
 * import { similarity } from "@edge/vgg16";
 *
 * console.log(similarity([1, 0], [0, 2])); // 0
 * console.log(similarity([3, 4], [6, 8])); // 1
 * ```
 */
export function similarity(
  a: Embedding | ArrayLike<number>,
  b: Embedding | ArrayLike<number>,
): number {
  const x = "data" in a ? a.data : a, y = "data" in b ? b.data : b;
  if (x.length !== y.length) {
    throw new RangeError(`Cannot compare embeddings of ${x.length} and ${y.length} values`);
  }
  let xx = 0, yy = 0, xy = 0;
  for (let i = 0; i < x.length; i++) {
    xx += x[i] * x[i];
    yy += y[i] * y[i];
    xy += x[i] * y[i];
  }
  const product = Math.sqrt(xx * yy);
  return product > 0 ? xy / product : 0;
}

/** The layers of {@linkcode Classifier.distance}, the last convolution of each block (Zhang et al.). */
export function perceptualLayers(architecture: Architecture): LayerName[] {
  const convolutions = layersOf(architecture).filter(({ pool }) => pool !== undefined);
  return convolutions.map(({ name }) => name);
}

/**
 * How differently a layer sees two images: the squared distance of the two channel vectors, each of
 * length 1, averaged over all positions; 0…2 after a ReLU.
 *
 * The unlearned distance of Zhang et al., 2018, "The Unreasonable Effectiveness of Deep Features as a
 * Perceptual Metric" (arXiv 1801.03924, equation 1 with w = 1).
 *
 * @param a `[height, width, channels]`, or `[channels]`
 * @throws {RangeError} If the shapes differ.
 */
export function layerDistance(a: Embedding, b: Embedding): number {
  if (String(a.shape) !== String(b.shape)) {
    throw new RangeError(`Cannot compare layers of shape [${a.shape}] and [${b.shape}]`);
  }
  const channels = a.shape[a.shape.length - 1];
  let sum = 0;
  for (let at = 0; at < a.data.length; at += channels) {
    let xx = 0, yy = 0, xy = 0;
    for (let i = at; i < at + channels; i++) {
      xx += a.data[i] * a.data[i];
      yy += b.data[i] * b.data[i];
      xy += a.data[i] * b.data[i];
    }
    // |x/|x| - y/|y||^2, where a vector of zeros stays one.
    const cross = xx > 0 && yy > 0 ? xy / Math.sqrt(xx * yy) : 0;
    sum += (xx > 0 ? 1 : 0) + (yy > 0 ? 1 : 0) - 2 * cross;
  }
  return sum / (a.data.length / channels);
}

/**
 * A small VGG from nothing but labelled pictures.
 *
 * @module
 */

import type { Tensor, Tensor2D, Variable } from "@tensorflow/tfjs-core";
import type { EngineOptions } from "../engine/create.ts";
import type { Dataset } from "../evaluate/dataset.ts";
import type { ImageOptions } from "../image/image.ts";
import { prepareInput } from "../image/prepare.ts";
import { readImage } from "../image/read.ts";
import { type Architecture, type Configuration, layersOf } from "../vgg/architecture.ts";
import type { Preprocessing } from "../vgg/model.ts";
import { convolutionStep } from "./convolution.ts";
import { fingerprint } from "./features.ts";
import {
  accuracyOf,
  type FitProgress,
  type Fitted,
  learning,
  type LearningOptions,
  partOf,
} from "./fit.ts";
import type { DenseLayer } from "./head.ts";
import { TrainingKernels } from "./kernels.ts";
import { type Examples, trainLoop } from "./loop.ts";
import { normalFrom, randomFrom } from "./random.ts";
import { balancedWeights, stratifiedSplit } from "./split.ts";
import { keyOf, stateFile } from "./storage.ts";
import { type Tfjs, withTfjs } from "./tfjs.ts";
import { writeModel } from "./write_model.ts";

/** Options of {@linkcode fitFromScratch}. */
export interface ScratchOptions extends LearningOptions, EngineOptions, ImageOptions {
  /** A column of the paper's table 1 with 3x3 convolutions only. Default: `"B"`. */
  readonly configuration?: Exclude<Configuration, "C">;
  /** Part of the paper's channels, rounded to multiples of 4. Default: 1/8, so 8 to 64. */
  readonly width?: number;
  /** Units of the hidden dense layers, at most two. Default: `[64]`. */
  readonly dense?: readonly number[];
  /** Side of the square input in pixels, to which pictures are resized; at least 32. Default: 32. */
  readonly side?: number;
  /** 1 (gray) or 3 (RGB). Default: 3. */
  readonly channels?: 1 | 3;
  /**
   * `"dataset"`, the default: the mean and deviation of all pictures that are learned from; `"image"`:
   * each picture's own as well.
   */
  readonly standardize?: "dataset" | "image";
  /** Learn from mirrored pictures as well. Default: `true`. */
  readonly flip?: boolean;
  /** Learn from pictures moved by up to this many pixels. Default: 2. */
  readonly shift?: number;
  /** A directory for the state of the training, from which a later call goes on. */
  readonly directory?: string;
  /** Name of the new model. Default: `"fitted"`. */
  readonly id?: string;
  /** Called as the fit goes on. */
  readonly onFit?: (progress: FitProgress) => void;
}

/** The channels of the paper's blocks. */
const PAPER_CHANNELS = [64, 128, 256, 512, 512];
const CONVOLUTIONS = {
  A: [1, 1, 2, 2, 2],
  B: [2, 2, 2, 2, 2],
  D: [2, 2, 3, 3, 3],
  E: [2, 2, 4, 4, 4],
};

/**
 * Trains all layers of a small VGG, on the CPU, and makes an int8 model of it. The pictures' mean and
 * deviation, from one pass over those that are learned from, become the model's preprocessing.
 *
 * @throws {RangeError} If an option is out of range, or there are too few classes or pictures.
 * @throws {ImageDecodeError} If a picture is damaged or of an unknown format.
 */
export async function fitFromScratch(
  data: Dataset,
  options: ScratchOptions = {},
): Promise<Fitted> {
  const { samples, labels } = data;
  const { seed = 0, directory } = options;
  const architecture = architectureOf(options, labels.length);
  const classes = samples.map(({ label }) => label);
  const split = stratifiedSplit(classes, labels.length, partOf(options), seed);
  const { epochs = 10, batchSize = 64 } = options;
  const loop = learning({ ...options, epochs, batchSize }, 0);

  const { pixels, dataSha256 } = await readAll(data, architecture, options);
  const preprocessing = preprocessingOf(pixels, split.train, architecture, options);
  const task = { pixels, classes, architecture, preprocessing };
  if (directory !== undefined) await Deno.mkdir(directory, { recursive: true });
  const key = keyOf([dataSha256, architecture, preprocessing, loop, options.flip, options.shift]);
  const trained = await withTfjs(async (tf) => {
    const variables = initialise(tf, architecture, seed);
    try {
      const kernels = new TrainingKernels();
      const { history, bestEpoch } = await trainLoop(tf, {
        variables,
        classes: labels.length,
        classWeights: options.classWeights === "none"
          ? new Float32Array(labels.length).fill(1)
          : balancedWeights(classes, labels.length),
        forward: (x) => forward(tf, kernels, architecture, x, variables),
        train: examples(tf, task, split.train, options),
        validation: examples(tf, task, split.validation, options),
      }, {
        ...loop,
        cosine: true,
        signal: options.signal,
        state: directory === undefined ? undefined : stateFile(directory, key),
        onEpoch: (metrics) => options.onFit?.({ stage: "training", metrics }),
      });
      return { history, bestEpoch, layers: trainedLayers(architecture, variables) };
    } finally {
      tf.dispose(variables);
    }
  });

  const description = {
    id: options.id ?? "fitted",
    architecture,
    preprocessing,
    labels,
    provenance: {
      training: `From scratch on ${split.train.length} pictures: ${JSON.stringify(loop)}`,
      dataSha256,
    },
  };
  const model = await writeModel(description, trained.layers);
  const accuracy = await accuracyOf(model, split.validation.map((n) => samples[n]), options);
  const { history, bestEpoch } = trained;
  return { model, labels, split, history, bestEpoch, accuracy, dataSha256 };
}

function architectureOf(options: ScratchOptions, classes: number): Architecture {
  const { configuration = "B", width = 1 / 8, dense = [64], side = 32, channels = 3 } = options;
  if (!Object.hasOwn(CONVOLUTIONS, configuration)) {
    throw new RangeError(`configuration must be A, B, D or E: found "${configuration}"`);
  }
  if (!(width > 0 && width <= 1)) {
    throw new RangeError(`width must be above 0 and at most 1: found ${width}`);
  }
  if (channels !== 1 && channels !== 3) {
    throw new RangeError(`channels must be 1 or 3: found ${channels}`);
  }
  if (!(Number.isInteger(side) && side >= 32 && side <= 256)) {
    throw new RangeError(`side must be an integer from 32 to 256: found ${side}`);
  }
  if (classes < 2) throw new RangeError(`Expected at least 2 classes: found ${classes}`);
  const architecture = {
    configuration,
    input: { height: side, width: side, channels },
    convolutions: CONVOLUTIONS[configuration].flatMap((count, block) =>
      new Array<number>(count).fill(Math.max(4, Math.round(PAPER_CHANNELS[block] * width / 4) * 4))
    ),
    dense: [...dense, classes],
  };
  layersOf(architecture); // Throws if there are too many dense layers.
  return architecture;
}

interface ScratchTask {
  /** `[pictures, side, side, channels]`, 0…255. */
  readonly pixels: Uint8Array;
  readonly classes: readonly number[];
  readonly architecture: Architecture;
  readonly preprocessing: Preprocessing;
}

/** Everything but the mean and the deviation, which are not known yet. */
function resizeOf({ standardize, side = 32 }: ScratchOptions): Omit<Preprocessing, "mean" | "std"> {
  return {
    ...{ resize: "direct", size: side, filter: "bilinear", scale: 1 / 255 } as const,
    ...standardize === "image" ? { standardize } as const : {},
  };
}

async function readAll(
  { samples }: Dataset,
  { input }: Architecture,
  options: ScratchOptions,
): Promise<{ pixels: Uint8Array; dataSha256: string }> {
  const size = input.height * input.width * input.channels;
  const pixels = new Uint8Array(samples.length * size);
  const hashes: string[] = [];
  for (const [n, { file, image, label }] of samples.entries()) {
    options.signal?.throwIfAborted();
    const decoded = await readImage(image ?? file, options);
    hashes.push(fingerprint(decoded, label));
    const resizing = { ...resizeOf(options), mean: [], std: [] };
    pixels.set(prepareInput(decoded, resizing, input), n * size);
    if (n % 100 === 99) options.onFit?.({ stage: "features", done: n + 1, total: samples.length });
  }
  return { pixels, dataSha256: fingerprint(hashes) };
}

/** Mean and deviation of each channel over all pictures that are learned from. */
function preprocessingOf(
  pixels: Uint8Array,
  train: readonly number[],
  { input: { height, width, channels } }: Architecture,
  options: ScratchOptions,
): Preprocessing {
  const size = height * width * channels;
  const counts = new Float64Array(channels * 256);
  for (const n of train) {
    for (let i = 0; i < size; i++) counts[i % channels * 256 + pixels[n * size + i]]++;
  }
  const statistics = Array.from(
    { length: channels },
    (_, c) => momentsOf(counts.subarray(c * 256, (c + 1) * 256)),
  );
  const round = (value: number): number => Number(value.toPrecision(6));
  return {
    ...resizeOf(options),
    mean: statistics.map(({ mean }) => round(mean / 255)),
    std: statistics.map(({ deviation }) => round(deviation / 255 || 1)),
  };
}

/** Mean and standard deviation of bytes, from how often each occurs. */
function momentsOf(counts: Float64Array): { mean: number; deviation: number } {
  let total = 0, sum = 0, squares = 0;
  counts.forEach((count, value) => {
    total += count;
    sum += count * value;
    squares += count * value * value;
  });
  const mean = sum / total;
  return { mean, deviation: Math.sqrt(Math.max(0, squares / total - mean * mean)) };
}

function examples(
  tf: Tfjs,
  { pixels, classes, architecture: { input }, preprocessing }: ScratchTask,
  pictures: readonly number[],
  { flip = true, shift = 2, seed = 0 }: ScratchOptions,
): Examples {
  const { height, width, channels } = input, size = height * width * channels;
  const { scale, mean, std } = preprocessing;
  let batches = 0;
  return {
    labels: pictures.map((n) => classes[n]),
    batch(positions, augment) {
      const next = randomFrom(seed * 1_000_003 + ++batches);
      const values = new Float32Array(positions.length * size);
      positions.forEach((position, n) => {
        const from = pictures[position] * size;
        const isMirrored = augment && flip && next() < 0.5;
        const dx = augment ? Math.floor(next() * (2 * shift + 1)) - shift : 0;
        const dy = augment ? Math.floor(next() * (2 * shift + 1)) - shift : 0;
        for (let y = 0, to = n * size; y < height; y++) {
          const row = Math.min(height - 1, Math.max(0, y + dy)) * width;
          for (let x = 0; x < width; x++) {
            const column = Math.min(width - 1, Math.max(0, x + dx));
            const at = from + (row + (isMirrored ? width - 1 - column : column)) * channels;
            for (let c = 0; c < channels; c++, to++) {
              values[to] = (pixels[at + c] * scale - mean[c]) / std[c];
            }
          }
        }
      });
      return tf.tensor4d(values, [positions.length, height, width, channels]);
    },
  };
}

/** Filters `[3, 3, I, O]` or `[I, O]` after He et al., 2015, and biases of 0. */
function initialise(tf: Tfjs, architecture: Architecture, seed: number): Variable[] {
  const normal = normalFrom(randomFrom(seed));
  const layers = layersOf(architecture);
  return tf.tidy(() =>
    layers.flatMap(({ kernel, inChannels, outChannels, padding, relu }) => {
      const inner = kernel[0] * kernel[1] * inChannels;
      const deviation = Math.sqrt((relu ? 2 : 0.1) / inner);
      const values = Float32Array.from({ length: inner * outChannels }, () => normal() * deviation);
      const shape = padding === 1 ? [3, 3, inChannels, outChannels] : [inner, outChannels];
      return [tf.variable(tf.tensor(values, shape)), tf.variable(tf.zeros([outChannels]))];
    })
  );
}

function forward(
  tf: Tfjs,
  kernels: TrainingKernels,
  architecture: Architecture,
  inputs: Tensor,
  variables: readonly Variable[],
): Tensor2D {
  let x = inputs;
  layersOf(architecture).forEach(({ padding, relu, pool }, i) => {
    const filter = variables[2 * i], bias = variables[2 * i + 1];
    if (padding === 1) {
      const options = { pool: pool !== undefined, isFirst: i === 0 };
      x = convolutionStep(tf, kernels, x, filter, bias, options);
      return;
    }
    const flat = tf.reshape(x, [x.shape[0], filter.shape[0]]);
    x = tf.add(tf.matMul(flat as Tensor2D, filter as unknown as Tensor2D), bias);
    if (relu) x = tf.relu(x);
  });
  return x as Tensor2D;
}

/** The layers in the order of a model file, `[O, kernelHeight, kernelWidth, I]`. */
function trainedLayers(
  architecture: Architecture,
  variables: readonly Variable[],
): DenseLayer[] {
  return layersOf(architecture).map(({ outChannels }, i) => {
    const values = variables[2 * i].dataSync(), inner = values.length / outChannels;
    const weight = new Float32Array(values.length);
    for (let k = 0; k < inner; k++) {
      for (let o = 0; o < outChannels; o++) weight[o * inner + k] = values[k * outChannels + o];
    }
    return { weight, bias: Float32Array.from(variables[2 * i + 1].dataSync()) };
  });
}

/** A small VGG as tfjs trains it. */

import type { Tensor, Tensor2D, Variable } from "@tensorflow/tfjs-core";
import { type Architecture, CONFIGURATIONS, layersOf } from "../model/architecture.ts";
import { normalization, remembered } from "./batch_normalization.ts";
import { convolutionLayer } from "./convolution.ts";
import { forwardDense, initialFilter, trainedLayer } from "./dense.ts";
import type { DenseLayer } from "./dense_layer.ts";
import type { TrainingKernels } from "./kernels.ts";
import { normalFrom, randomFrom } from "./random.ts";
import type { NetworkOptions } from "./network_options.ts";
import { floats, type Tfjs } from "./tfjs.ts";

/** The channels of the paper's blocks. */
const PAPER_CHANNELS = [64, 128, 256, 512, 512];

/**
 * A network's sizes.
 *
 * @throws {RangeError} If there are fewer than two classes, or too many dense layers.
 */
export function architectureOf(options: Required<NetworkOptions>, classes: number): Architecture {
  const { configuration, width, dense, side, channels } = options;
  if (classes < 2) throw new RangeError(`Expected at least 2 classes: found ${classes}`);
  const architecture = {
    configuration,
    input: { height: side, width: side, channels },
    convolutions: CONFIGURATIONS[configuration].flatMap((filters, block) =>
      filters.map(() => Math.max(4, Math.round(PAPER_CHANNELS[block] * width / 4) * 4))
    ),
    dense: [...dense, classes],
  };
  layersOf(architecture); // Throws if there are too many dense layers.
  return architecture;
}

/** What is learned. */
export interface TrainableNetwork {
  readonly architecture: Architecture;
  /** Of each layer: filter, gamma and beta of a convolution; filter and bias of a dense layer. */
  readonly layers: readonly (readonly Variable[])[];
  /** Of each convolution, `[3, O]`: what training remembers of its batches. */
  readonly statistics: readonly Float32Array[];
}

/** Filters `[3, 3, I, O]` or `[I, O]`. */
export function initialize(tf: Tfjs, architecture: Architecture, seed: number): TrainableNetwork {
  const normal = normalFrom(randomFrom(seed));
  const all = layersOf(architecture);
  const layers = tf.tidy(() =>
    all.map(({ kind, filterSize, inChannels, outChannels, relu }) => {
      const isConvolution = kind === "convolution";
      const shape = isConvolution
        ? [3, 3, inChannels, outChannels]
        : [filterSize[0] * filterSize[1] * inChannels, outChannels];
      const filter = initialFilter(tf, normal, shape, !relu);
      const zeros = tf.variable(tf.zeros([outChannels]));
      return isConvolution ? [filter, tf.variable(tf.ones([outChannels])), zeros] : [filter, zeros];
    })
  );
  const statistics = all.filter(({ kind }) => kind === "convolution")
    .map(({ outChannels }) => new Float32Array(3 * outChannels));
  return { architecture, layers, statistics };
}

/**
 * From pictures `[N, side, side, channels]` to logits `[N, classes]`. Ends what an earlier call left in
 * the kernels' memory.
 */
export function forward(
  tf: Tfjs,
  kernels: TrainingKernels,
  { architecture, layers, statistics }: TrainableNetwork,
  inputs: Tensor,
  training: boolean,
): Tensor2D {
  kernels.reset();
  let x = inputs;
  const convolutions = layersOf(architecture).slice(0, statistics.length);
  convolutions.forEach(({ pool }, i) => {
    const [filter, gamma, beta] = layers[i];
    const parameters = { filter, gamma, beta, statistics: statistics[i] };
    const options = { pool: pool !== undefined, isFirst: i === 0, training };
    x = convolutionLayer(tf, kernels, x, parameters, options);
  });
  const flat = tf.reshape(x, [x.shape[0], x.size / x.shape[0]]);
  return forwardDense(tf, flat, layers.slice(statistics.length));
}

/**
 * The layers in the order of a model file, `[O, filterHeight, filterWidth, I]`, with each convolution's
 * normalization folded into its filter and bias.
 */
export function trainedLayers({ layers, statistics }: TrainableNetwork): DenseLayer[] {
  return layers.map(([filter, ...rest], i) => {
    if (rest.length === 1) return trainedLayer(filter, rest[0].dataSync());
    const [gamma, beta] = rest;
    const moments = remembered(statistics[i]);
    const { scale, shift } = normalization(floats(gamma), floats(beta), moments);
    return trainedLayer(filter, shift, scale);
  });
}

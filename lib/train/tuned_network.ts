/** The last block of a network and a linear head behind it, as they are trained: what they say, and their slopes. */

import { rootsOf } from "../output/roots.ts";
import type { DenseLayer } from "./dense_layer.ts";
import { crossEntropyOf, type WeightedMean } from "./judge.ts";
import type { TrainingKernels } from "./kernels.ts";
import { type BlockLayer, type Pass, passBlock } from "./last_block.ts";
import type { Maps, Window } from "./maps.ts";
import type { LinearTransform } from "./statistics.ts";

/** What is trained, on what. */
export interface TuningTask {
  readonly maps: Maps;
  /** The class of each picture, `[N]`. */
  readonly labels: Int32Array;
  readonly classes: number;
  /** Pictures that are learned from, by their positions, and those that tell which epoch is best. */
  readonly train: Uint32Array;
  readonly held: Uint32Array;
  /** How much more often each class is expected than it is among the pictures, `[K]`. */
  readonly classWeights: Float32Array;
  /** Whether features are averages of the maps, too, which then come first. */
  readonly withMaps: boolean;
  /** Whether a picture is judged with its mirror image. */
  readonly mirrored: boolean;
  /** What brings the roots of features to a common scale: one for each part of them. */
  readonly transforms: readonly LinearTransform[];
  /** Where training begins. */
  readonly block: readonly BlockLayer[];
  /** On features that were brought to a common scale. */
  readonly head: DenseLayer;
}

/** A picture, or its mirror image. */
interface Shown {
  readonly n: number;
  readonly isMirrored: boolean;
}

/** Where a layer's values are among all that are trained. */
interface Part {
  readonly at: number;
  readonly length: number;
  readonly isHead: boolean;
  /** Whether it shrinks: not a bias. */
  readonly isWeight: boolean;
}

/** What is trained, in one array, and what it says. */
export class TunedNetwork {
  readonly values: Float32Array;
  readonly parts: readonly Part[];
  readonly #kernels: TrainingKernels;
  readonly #task: TuningTask;
  readonly #block: readonly BlockLayer[];
  readonly #head: DenseLayer;
  /** Of all features. */
  readonly #mean: Float64Array;
  readonly #scale: Float64Array;

  constructor(kernels: TrainingKernels, task: TuningTask) {
    this.#kernels = kernels;
    this.#task = task;
    this.#mean = Float64Array.from(task.transforms.flatMap(({ mean }) => [...mean]));
    this.#scale = Float64Array.from(task.transforms.flatMap(({ scale }) => [...scale!]));
    const arrays = [
      ...task.block.flatMap(({ filter, bias }) => [filter, bias]),
      ...[task.head.weight, task.head.bias],
    ];
    let end = 0;
    this.parts = arrays.map(({ length }, n) => {
      const at = end;
      end += length;
      return { at, length, isHead: n >= arrays.length - 2, isWeight: n % 2 === 0 };
    });
    this.values = new Float32Array(end);
    const own = this.parts.map(({ at, length }, n) => {
      const part = this.values.subarray(at, at + length);
      part.set(arrays[n]!);
      return part;
    });
    this.#block = task.block.map((layer, n) => ({
      ...layer,
      filter: own[2 * n]!,
      bias: own[2 * n + 1]!,
    }));
    this.#head = { weight: own.at(-2)!, bias: own.at(-1)! };
  }

  /** The layers as they are now. */
  layers(): { readonly block: readonly BlockLayer[]; readonly head: DenseLayer } {
    return { block: this.#block, head: this.#head };
  }

  /** What it says of pictures: the logits of each. */
  logits(pictures: Uint32Array): Float64Array[] {
    const { maps: { shape }, mirrored } = this.#task;
    const window = { top: 0, left: 0, height: shape.height, width: shape.width };
    const views = (mirrored ? [false, true] : [false]).map((isMirrored) =>
      this.#pass([...pictures].map((n) => ({ n, isMirrored })), window).features
    );
    return Array.from(pictures, (_, n) => {
      const means = views[0]![n]!.map((_, i) =>
        views.reduce((sum, rows) => sum + rows[n]![i]!, 0) / views.length
      );
      return this.#logitsOf(this.#scaled(rootsOf(means)));
    });
  }

  /**
   * The loss, which is the mean over pictures as frequent as they are, and its derivatives by `values`.
   *
   * @param told Takes in the cross-entropy of each picture as it is where classes count alike, as held pictures' does.
   */
  slopes(
    pictures: readonly Shown[],
    window: Window,
    told?: WeightedMean,
  ): { loss: number; slopes: Float32Array } {
    const { labels, classes, classWeights, block, withMaps } = this.#task;
    const { features, pass } = this.#pass(pictures, window);
    const slopes = new Float32Array(this.values.length), share = 1 / pictures.length;
    const [weight, bias] = this.parts.slice(-2)
      .map(({ at, length }) => slopes.subarray(at, at + length)) as [Float32Array, Float32Array];
    const outputs = block.at(-1)!.outputs, first = withMaps ? this.#mean.length - outputs : 0;
    const size = this.#mean.length, positions = pass.pooled.length / pictures.length / outputs;
    const slope = this.#kernels.take(pass.pooled.length);
    let loss = 0;
    pictures.forEach(({ n }, i) => {
      const roots = rootsOf(features[i]!), inputs = this.#scaled(roots), own = labels[n]!;
      const said = this.#logitsOf(inputs);
      told?.add(crossEntropyOf(said, own), classWeights[own]!);
      const logits = said.map((value, c) => value - Math.log(classWeights[c]!));
      loss += share * crossEntropyOf(logits, own);
      const largest = Math.max(...logits), powers = logits.map((z) => Math.exp(z - largest));
      const sum = powers.reduce((a, b) => a + b, 0), before = new Float64Array(size);
      for (let c = 0; c < classes; c++) {
        const d = share * (powers[c]! / sum - Number(c === own));
        bias[c]! += d;
        for (let k = 0; k < size; k++) {
          weight[c * size + k]! += d * inputs[k]!;
          before[k]! += d * this.#head.weight[c * size + k]!;
        }
      }
      const begin = i * positions * outputs;
      for (let o = 0; o < outputs; o++) {
        const k = first + o;
        slope[begin + o] = before[k]! * this.#scale[k]! * this.#rootSlope(roots[k]!, k) / positions;
      }
      for (let p = 1; p < positions; p++) {
        slope.copyWithin(begin + p * outputs, begin, begin + outputs);
      }
    });
    pass.backward(slope).flatMap(({ filter, bias }) => [filter, bias]).forEach((found, n) =>
      slopes.set(found, this.parts[n]!.at)
    );
    return { loss, slopes };
  }

  /** How a root changes with its square. It grows beyond all bounds towards 0: what is as good as off stays off. */
  #rootSlope(root: number, k: number): number {
    const least = LEAST_ROOT * Math.abs(this.#mean[k]!), bounded = Math.max(root, least);
    return bounded > 0 ? 1 / (2 * bounded) : 0;
  }

  /** Features of pictures, averages of windows, in the kernels' memory; whatever was there is gone. */
  #pass(
    pictures: readonly Shown[],
    window: Window,
  ): { features: Float64Array[]; pass: Pass } {
    const { maps, withMaps } = this.#task, { channels } = maps.shape;
    this.#kernels.reset();
    const length = window.height * window.width * channels, count = pictures.length;
    const x = this.#kernels.take(count * length);
    pictures.forEach(({ n, isMirrored }, i) =>
      maps.read(n, isMirrored, window, x.subarray(i * length, (i + 1) * length))
    );
    const { height, width } = window;
    const pass = passBlock(this.#kernels, this.#block, x, { count, height, width });
    const before = withMaps ? averages(x, count, channels) : undefined;
    const after = averages(pass.pooled, count, this.#block.at(-1)!.outputs);
    const features = after.map((own, n) =>
      before === undefined ? own : Float64Array.of(...before[n]!, ...own)
    );
    return { features, pass };
  }

  #scaled(roots: Float64Array): Float64Array {
    return roots.map((root, k) => (root - this.#mean[k]!) * this.#scale[k]!);
  }

  #logitsOf(inputs: Float64Array): Float64Array {
    const { weight, bias } = this.#head, size = inputs.length;
    return Float64Array.from(bias, (value, c) => {
      let sum = value;
      for (let k = 0; k < size; k++) sum += weight[c * size + k]! * inputs[k]!;
      return sum;
    });
  }
}

/** Below this part of the mean root, roots have the slope that they have there. */
const LEAST_ROOT = 0.1;

/** The average over the positions of each image, `[C]`. */
function averages(maps: Float32Array, count: number, channels: number): Float64Array[] {
  const length = maps.length / count, positions = length / channels;
  return Array.from({ length: count }, (_, n) => {
    const sums = new Float64Array(channels);
    for (let at = n * length; at < (n + 1) * length; at += channels) {
      for (let c = 0; c < channels; c++) sums[c]! += maps[at + c]!;
    }
    return sums.map((sum) => sum / positions);
  });
}

/** The VGG family as a table (Simonyan and Zisserman, arXiv 1409.1556, table 1). */

/** A column of table 1: A is VGG11, B is VGG13, C and D are VGG16, E is VGG19. */
export type Configuration = "A" | "B" | "C" | "D" | "E";

/**
 * Filter sizes of the convolutions of each of the five blocks. A 2x2 max-pool with stride 2 follows
 * each block.
 */
export const CONFIGURATIONS: Readonly<Record<Configuration, readonly (readonly (1 | 3)[])[]>> = {
  A: [[3], [3], [3, 3], [3, 3], [3, 3]],
  B: [[3, 3], [3, 3], [3, 3], [3, 3], [3, 3]],
  C: [[3, 3], [3, 3], [3, 3, 1], [3, 3, 1], [3, 3, 1]],
  D: [[3, 3], [3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]],
  E: [[3, 3], [3, 3], [3, 3, 3, 3], [3, 3, 3, 3], [3, 3, 3, 3]],
};

/**
 * What a layer is called, in the paper's words; `average` is that of all positions of `pool5`, and
 * `prob` are the scores.
 */
export type LayerName =
  | `conv${1 | 2 | 3 | 4 | 5}_${1 | 2 | 3 | 4}`
  | `pool${1 | 2 | 3 | 4 | 5}`
  | "average"
  | `fc${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8}`
  | "prob";

/** What can be read of an image: a layer, or `search`, which is made of two, for finding similar images. */
export type EmbeddingName = LayerName | "search";

/** A layer's activations. */
export interface LayerInfo {
  /** The layer's name. */
  readonly name: LayerName;
  /**
   * For an image of the model's input size: `[height, width, channels]`, or `[channels]` where there is
   * one position.
   */
  readonly shape: readonly number[];
}

/** A configuration with its sizes filled in: everything that a tensor's shape can vary. */
export interface Architecture {
  /** The column of table 1. */
  readonly configuration: Configuration;
  /** The size that the dense layers were trained for, and the channels of the input: 3 (RGB) or 1. */
  readonly input: { readonly height: number; readonly width: number; readonly channels: number };
  /** Output channels of each convolution, in order; the paper's D is 64, 64, 128, … 512. */
  readonly convolutions: readonly number[];
  /**
   * What the dense layers see of the last pool's map: each position (the paper), or the average of all of
   * them. Default: `"flatten"`.
   */
  readonly pooling?: "flatten" | "average" | undefined;
  /**
   * Outputs of the dense layers, in order, the last one being the logits: at most 8. Empty:
   * features only.
   */
  readonly dense: readonly number[];
  /**
   * What makes scores of the logits: soft-max over all classes (the paper), or a sigmoid of each, where
   * one logit stands for two classes: `[1 - p, p]`. Default: `"softmax"`.
   */
  readonly head?: "softmax" | "sigmoid" | undefined;
}

/** The number of a network's classes, 0 without dense layers. */
export function classCount({ dense, head }: Architecture): number {
  const logits = dense.at(-1) ?? 0;
  return head === "sigmoid" && logits === 1 ? 2 : logits;
}

/** What makes scores of a network's logits. */
export function headOf({ head = "softmax" }: Architecture): "softmax" | "sigmoid" {
  return head;
}

/** Whether each class has a score of its own, so that they do not add up to 1. */
export function isMultiLabel({ dense, head }: Architecture): boolean {
  return head === "sigmoid" && (dense.at(-1) ?? 0) > 1;
}

/** One layer with weights, and the max-pool that follows it, if one does. */
export interface Layer {
  /** `conv1_1` … `conv5_3`, and `fc6` … `fc8` in the paper, or as many as there are up to `fc8`. */
  readonly name: LayerName;
  /**
   * What it computes: a dense layer is a convolution whose filters see its whole input. The
   * average, which has no weights, is only in a program (`lib/engine/program.ts`).
   */
  readonly kind: "convolution" | "average" | "dense";
  /** Height and width of a filter. */
  readonly filterSize: readonly [height: number, width: number];
  /** Zeros around the input: 1 for 3x3 (same size out), 0 otherwise. */
  readonly padding: 0 | 1;
  /** Channels of its input. */
  readonly inChannels: number;
  /** Filters, and so channels of its output. */
  readonly outChannels: number;
  /** Whether a ReLU follows: after all but the last dense layer. */
  readonly relu: boolean;
  /** `pool1` … `pool5`, if a 2x2 max-pool with stride 2 follows. */
  readonly pool: LayerName | undefined;
}

/**
 * Most inputs of an output: `Σ 127 * 127` stays below 2^29, as the integer program needs it (see
 * "Bounds" in `lib/engine/README.md`). VGG16's fc6 has 25,088.
 */
export const MAX_INNER: number = Math.floor((2 ** 29 - 1) / (127 * 127));

/** Most dense layers of a network, which are `fc1` … `fc8`. */
export const MAX_DENSE = 8;

/**
 * Lists the layers of a network that have weights, in the order in which they run.
 *
 * Dense layers are named from the end, so that the classifying one is always `fc8`.
 *
 * @throws {RangeError} If the numbers of convolutions or dense layers do not fit the configuration,
 *   the input is too small for five max-pools, or a layer has more than {@linkcode MAX_INNER} inputs
 *   for an output.
 */
export function layersOf(architecture: Architecture): Layer[] {
  const { configuration, input, convolutions, pooling, dense } = architecture;
  const blocks = CONFIGURATIONS[configuration];
  const expected = blocks.flat().length;
  if (convolutions.length !== expected) {
    throw new RangeError(
      `Configuration ${configuration} has ${expected} convolutions: found ${convolutions.length}`,
    );
  }
  if (dense.length > MAX_DENSE) {
    throw new RangeError(`A VGG has at most ${MAX_DENSE} dense layers: found ${dense.length}`);
  }
  const pooled: [number, number] = [input.height >> 5, input.width >> 5];
  if (pooled[0] < 1 || pooled[1] < 1) {
    throw new RangeError(
      `A VGG needs an input of at least 32x32, as five pools halve it: found ${input.height}x${input.width}`,
    );
  }

  const layers: Layer[] = [];
  let inChannels = input.channels;
  blocks.forEach((filters, block) => {
    filters.forEach((size, index) => {
      const outChannels = convolutions[layers.length]!;
      layers.push({
        name: `conv${block + 1}_${index + 1}` as LayerName, // A table of 5 blocks, of at most 4.
        kind: "convolution",
        filterSize: [size, size],
        padding: size === 3 ? 1 : 0,
        inChannels,
        outChannels,
        relu: true,
        pool: index === filters.length - 1 ? `pool${block + 1}` as LayerName : undefined,
      });
      inChannels = outChannels;
    });
  });
  dense.forEach((outChannels, index) => {
    layers.push({
      name: `fc${MAX_DENSE + 1 - dense.length + index}` as LayerName, // At most 8.
      kind: "dense",
      filterSize: index === 0 && pooling !== "average" ? pooled : [1, 1],
      padding: 0,
      inChannels,
      outChannels,
      relu: index < dense.length - 1,
      pool: undefined,
    });
    inChannels = outChannels;
  });
  for (const { name, filterSize, inChannels } of layers) {
    const inner = filterSize[0] * filterSize[1] * inChannels;
    if (inner <= MAX_INNER) continue;
    throw new RangeError(
      `Layer ${name} has an inner dimension of ${inner}: at most ${MAX_INNER} can be summed exactly in int32`,
    );
  }
  return layers;
}

/** What can be read of a network, in the order in which it is computed. */
export function layerInfos(architecture: Architecture): LayerInfo[] {
  const { input: { height, width }, convolutions, pooling, dense } = architecture;
  let pools = 0;
  const infos = layersOf(architecture).flatMap(({ name, kind, outChannels, pool }): LayerInfo[] => {
    if (kind === "dense") return [vectorOf(name, outChannels)];
    const convolved = infoOf(name, height >> pools, width >> pools, outChannels);
    if (pool === undefined) return [convolved];
    pools++;
    return [convolved, infoOf(pool, height >> pools, width >> pools, outChannels)];
  });
  const average = pooling === "average" ? [vectorOf("average", convolutions.at(-1)!)] : [];
  const prob = dense.length > 0 ? [vectorOf("prob", classCount(architecture))] : [];
  return [...infos.toSpliced(infos.length - dense.length, 0, ...average), ...prob];
}

function infoOf(name: LayerName, height: number, width: number, channels: number): LayerInfo {
  return height * width === 1
    ? vectorOf(name, channels)
    : { name, shape: [height, width, channels] };
}

function vectorOf(name: LayerName, channels: number): LayerInfo {
  return { name, shape: [channels] };
}

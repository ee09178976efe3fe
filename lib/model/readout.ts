/**
 * A readout: the head of a network whose layers were not trained with it. It sees features, which are what
 * several layers say of an image, and is computed on the host (`lib/output/readout.ts`).
 */

import { type Architecture, layerInfos, type LayerName } from "./architecture.ts";
import { isRecord } from "./json.ts";

/** What becomes of a layer's positions: their average, the averages of its four quarters, or each of them. */
export type FeaturePooling = "avg" | "quarters" | "none";

/** What one layer gives. */
export interface FeatureBlock {
  /** A layer of the network. */
  readonly layer: LayerName;
  /** What becomes of its positions. A dense layer and an average have one, whatever this is. */
  readonly pooling: FeaturePooling;
}

/** What features are made of: for each size all blocks, side by side. */
export interface FeatureRecipe {
  /** The sizes in which an image is looked at, `[height, width]` in pixels, smallest first, which is the network's input. */
  readonly sizes: readonly (readonly [height: number, width: number])[];
  /** The layers that are read, in the order in which they are computed. */
  readonly blocks: readonly FeatureBlock[];
  /** Whether they are averaged over the image and its mirror image. */
  readonly mirrored: boolean;
}

/** What part a view has in what is said of its image. */
export interface ViewShare {
  /** Its share in the average. Those of an image sum to 1. */
  readonly weight: number;
  /** Where it goes in the features of a readout, if it is for one. */
  readonly part?: LookPart | undefined;
}

/** Which of the views that together make a row of features a view is. */
export interface LookPart {
  /** Which of the looks at the image. */
  readonly look: number;
  /** Which of the recipe's sizes. */
  readonly size: number;
  /** Whether it is the mirror image. */
  readonly mirrored: boolean;
  /** Its share in the average of what views of its size say. */
  readonly share: number;
}

/** Dense layers on the roots of the features (`lib/output/roots.ts`), with a ReLU between two of them. */
export interface DenseReadout {
  /** Weights and biases. */
  readonly kind: "dense";
  /** `[outputs, inputs]` and `[outputs]`, in real units; the last one gives the logits. */
  readonly layers: readonly { readonly weight: Float32Array; readonly bias: Float32Array }[];
}

/** Examples, each of which speaks for its class, the more the more it is like the image. */
export interface NearestReadout {
  /** Nearest neighbors. */
  readonly kind: "nearest";
  /** Values of each block of the features. */
  readonly lengths: readonly number[];
  /** Their features as `directionOf()` of `lib/output/nearest.ts` gives them, `[examples, D]`. */
  readonly examples: Float32Array;
  /** The class of each example, `[examples]`. */
  readonly classes: Float32Array;
}

/** A head on features. */
export interface Readout {
  /** What it sees. */
  readonly features: FeatureRecipe;
  /** What it does with that. */
  readonly head: DenseReadout | NearestReadout;
}

/** What a document says of a readout: all but its numbers. */
export interface ReadoutDescription {
  /** What it sees. */
  readonly features: FeatureRecipe;
  /** Of dense layers the outputs of each, of nearest neighbors the number of examples. */
  readonly head:
    | { readonly kind: "dense"; readonly units: readonly number[] }
    | { readonly kind: "nearest"; readonly examples: number };
}

/** All of a readout but its numbers. */
export function describeReadout({ features, head }: Readout): ReadoutDescription {
  if (head.kind === "dense") {
    return { features, head: { kind: "dense", units: head.layers.map(({ bias }) => bias.length) } };
  }
  return { features, head: { kind: head.kind, examples: head.classes.length } };
}

/** The network on inputs of another size. */
export function resized(
  architecture: Architecture,
  [height, width]: FeatureRecipe["sizes"][number],
): Architecture {
  return { ...architecture, input: { ...architecture.input, height, width } };
}

/** Values of each block of a recipe, in the order in which they lie: for each size all blocks. */
export function blockLengths(
  { sizes, blocks }: Pick<FeatureRecipe, "sizes" | "blocks">,
  architecture: Architecture,
): number[] {
  return sizes.flatMap((size) => {
    const infos = layerInfos(resized(architecture, size));
    return blocks.map(({ layer, pooling }) => {
      const { shape } = infos.find(({ name }) => name === layer)!;
      const channels = shape.at(-1)!;
      if (shape.length === 1 || pooling === "avg") return channels;
      return pooling === "quarters" ? 4 * channels : shape.reduce((a, b) => a * b);
    });
  });
}

/** Values of the features. */
export function featureLength(recipe: FeatureRecipe, architecture: Architecture): number {
  return blockLengths(recipe, architecture).reduce((sum, length) => sum + length, 0);
}

/** Names and shapes of a readout's tensors, all of them float32. */
export function readoutTensors(
  { features, head }: ReadoutDescription,
  architecture: Architecture,
  classes: number,
): { name: string; shape: number[] }[] {
  const length = featureLength(features, architecture);
  if (head.kind === "nearest") {
    return [
      { name: "readout.examples", shape: [head.examples, length] },
      { name: "readout.classes", shape: [head.examples] },
    ];
  }
  const sizes = [length, ...head.units.slice(0, -1), classes];
  return head.units.flatMap((_, n) => [
    { name: `readout.${n}.weight`, shape: [sizes[n + 1]!, sizes[n]!] },
    { name: `readout.${n}.bias`, shape: [sizes[n + 1]!] },
  ]);
}

/** The numbers of a readout, in the order of {@linkcode readoutTensors}. */
export function readoutValues({ head }: Readout): Float32Array[] {
  if (head.kind === "dense") return head.layers.flatMap(({ weight, bias }) => [weight, bias]);
  return [head.examples, head.classes];
}

/** A readout of its description and its numbers. */
export function readoutOf(
  { features, head }: ReadoutDescription,
  values: readonly Float32Array[],
  architecture: Architecture,
): Readout {
  if (head.kind === "nearest") {
    const [examples, classes] = values, { kind } = head;
    const lengths = blockLengths(features, architecture);
    return { features, head: { kind, lengths, examples: examples!, classes: classes! } };
  }
  const layers = head.units.map((_, n) => ({ weight: values[2 * n]!, bias: values[2 * n + 1]! }));
  return { features, head: { kind: "dense", layers } };
}

/** Most values of features, and of examples and units: bounds what a file may ask for. */
export const MAX_FEATURES = 2 ** 20;
/** Most sizes in which an image is looked at. */
export const MAX_SIZES = 4;
/** Most layers of a dense readout. */
const MAX_LAYERS = 4;
/** Most numbers of a readout: 2 GiB. */
const MAX_VALUES = 2 ** 29;

/**
 * Checks what a document says of a readout.
 *
 * @returns What is wrong, in words; `undefined` if nothing is.
 */
export function checkReadout(
  value: unknown,
  architecture: Architecture,
  classes: number,
): string | undefined {
  const { features, head } = isRecord(value) ? value : {};
  const problem = checkRecipe(features, architecture);
  if (problem !== undefined) return `readout.features${problem}`;
  if (featureLength(features as FeatureRecipe, architecture) > MAX_FEATURES) {
    return `readout.features are more than ${MAX_FEATURES} values`;
  }
  const { kind, units, examples } = isRecord(head) ? head : {};
  if (kind === "dense") {
    const areUnits = Array.isArray(units) && units.length >= 1 && units.length <= MAX_LAYERS &&
      units.every((unit) => isCount(unit, MAX_FEATURES));
    if (!areUnits || units.at(-1) !== classes) {
      return `readout.head.units must be at most ${MAX_LAYERS} sizes, the last one ${classes}, the number of labels`;
    }
  } else if (kind !== "nearest") {
    return 'readout.head.kind must be "dense" or "nearest"';
  } else if (!isCount(examples, MAX_FEATURES)) {
    return `readout.head.examples must be a count from 1 to ${MAX_FEATURES}`;
  }
  const values = readoutTensors(value as ReadoutDescription, architecture, classes)
    .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0);
  return values > MAX_VALUES ? `readout has ${values} numbers, at most ${MAX_VALUES}` : undefined;
}

function checkRecipe(value: unknown, architecture: Architecture): string | undefined {
  const { sizes, blocks, mirrored } = isRecord(value) ? value : {};
  const { height, width } = architecture.input;
  const areSizes = Array.isArray(sizes) && sizes.length >= 1 && sizes.length <= MAX_SIZES &&
    sizes.every((size, n) =>
      Array.isArray(size) && size.length === 2 &&
      size.every((side, axis) => isCount(side, 8192) && side >= (sizes[n - 1]?.[axis] ?? 32))
    );
  if (!areSizes || sizes[0][0] !== height || sizes[0][1] !== width) {
    return `.sizes must be 1 to ${MAX_SIZES} pairs of pixels, smallest first, which is the input, ${height}x${width}`;
  }
  if (sizes.length > 1 && architecture.dense.length > 0) {
    return ".sizes must be the input alone, as dense layers see one size";
  }
  const layers = layerInfos(architecture).map(({ name }) => name);
  const areBlocks = Array.isArray(blocks) && blocks.length >= 1 && blocks.every((block) => {
    const { layer, pooling } = isRecord(block) ? block : {};
    return layers.includes(layer as LayerName) && layer !== "prob" &&
      (pooling === "avg" || pooling === "quarters" || pooling === "none");
  });
  if (!areBlocks) return ".blocks must be layers of the network, each with a pooling";
  const names = blocks.map(({ layer }) => layer);
  if (new Set(names).size < names.length) return ".blocks must be different layers";
  return typeof mirrored === "boolean" ? undefined : ".mirrored must be true or false";
}

function isCount(value: unknown, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= most;
}

/** What every reader gives: named float tensors that are read in parts. */

import type { ByteSource } from "../../io/byte_source.ts";
import type { Preprocessing } from "../../model/model.ts";
import type { Budget } from "./budget.ts";
import type { Graph } from "./graph.ts";
import type { CheckpointTensor } from "./tensor.ts";

export {
  type CheckpointTensor,
  OUTPUTS_FIRST,
  OUTPUTS_LAST,
  readAll,
  type Runs,
  sizeOf,
  type WeightLayout,
} from "./tensor.ts";

/** What a checkpoint says about the images that its network takes. */
export interface ImageHint {
  /**
   * A well-known way to prepare images, or one that the file spells out: a byte `p` of a color becomes
   * `(p * scale - mean) / std`, one `mean` and `std` a color in the order red, green, blue, or one for all.
   */
  readonly preprocessing: PreprocessingPreset | {
    readonly scale: number;
    readonly mean: readonly number[];
    readonly std: readonly number[];
  };
  /** The order in which the network takes the colors. Default: that of the preset. */
  readonly colors?: "rgb" | "bgr" | undefined;
  /** How pictures become as large as the input, as far as that is told. */
  readonly resize?: Partial<Pick<Preprocessing, "resize" | "size" | "filter">> | undefined;
  /** Whether the file says so, or it is what is usual for its format. */
  readonly isRead: boolean;
  /** What tells it, for people: `"meta.normalization"`, `"usual for PyTorch"`. */
  readonly because: string;
  /** Why the file's own way cannot be followed: an error, unless the user says how images are prepared. */
  readonly problem?: string | undefined;
}

/** The well-known ways to prepare images; see `network/preprocessing.ts`. */
export type PreprocessingPreset = "torch" | "caffe" | "tf" | "unit" | "byte";

/** An open checkpoint. */
export interface Checkpoint {
  /** Such as `"safetensors"`, for people. */
  readonly format: string;
  /**
   * All tensors that could be a network's. Where there is no graph, `network/infer.ts` tells the network from
   * their names, shapes and order.
   */
  readonly tensors: readonly CheckpointTensor[];
  /**
   * What the order of {@linkcode tensors} means: that in which the network was `declared` (a pickle's
   * dictionary, Keras' list of layers), or nothing (sorted names, places in the file).
   */
  readonly order: "declared" | "none";
  /** The network as the file describes it; `undefined` where the file has tensors alone. */
  readonly graph?: Graph | undefined;
  /** Layers without weights that the file names though it has no graph, such as Keras' `global_average_pooling2d`. */
  readonly layerNames?: readonly string[] | undefined;
  /** `undefined` if nothing tells how images are prepared, and nothing is usual: then it is asked for. */
  readonly images: ImageHint | undefined;
  /** The classes' labels, where the file has them. */
  readonly labels?: readonly string[] | undefined;
  /** Added to the variance by batch normalization, where there is no graph. */
  readonly epsilon: number;
  /** Gives back what it opened itself; its source belongs to whoever opened that. */
  close(): void;
}

/** What a reader may be told about a file. */
export interface OpenOptions {
  /** Opens files beside the checkpoint. */
  readonly openSibling: OpenSibling;
  /** What the whole conversion may cost. */
  readonly budget: Budget;
  /** Which of several networks in a file: the name of its state dictionary. */
  readonly state?: string | undefined;
}

/** Opens a file beside the checkpoint, by its name. */
export type OpenSibling = (name: string) => Promise<ByteSource>;

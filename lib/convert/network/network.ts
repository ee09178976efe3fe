/** What a checkpoint turned out to be: a VGG, and what is folded into each of its layers. */

import type { Architecture, Layer } from "../../model/architecture.ts";
import type { CheckpointTensor } from "../formats/checkpoint.ts";

/** For each channel, or for each input of a dense layer: `x * scale + shift`. */
export interface Affine {
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}

/** A layer, its weights, and what is folded into them. */
export interface NetworkLayer {
  readonly layer: Layer;
  /** The filters as the checkpoint has them. */
  readonly weight: CheckpointTensor;
  /** How the inputs of a filter are ordered there. */
  readonly inputs: "CHW" | "HWC";
  /** Each output is `filter · x * scale + shift`: biases, batch norms, Gemm's alpha. */
  readonly outputs: Affine;
  /** Of the inputs, in the order of the model's filter `[H, W, I]`; `undefined` if nothing is folded there. */
  readonly ahead?: Affine | undefined;
}

/** A network whose every step is understood. */
export interface Network {
  readonly architecture: Architecture;
  readonly layers: readonly NetworkLayer[];
  /** What the network does to its images itself, for each color in the order in which it takes them. */
  readonly normalization?: Affine | undefined;
  /** Whether that is a normalization of images, not only a batch normalization that was trained. */
  readonly normalizesImages: boolean;
  /** Whether it turns the colors round itself, before its first convolution. */
  readonly reversesColors: boolean;
  /** What nothing in the file says, and was taken for granted, in words. */
  readonly assumptions: readonly string[];
}

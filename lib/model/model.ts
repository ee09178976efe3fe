/**
 * A Model: architecture, weights, preprocessing and labels. What a model file holds and an engine
 * executes.
 */

import type { Architecture, LayerName } from "./architecture.ts";
import type { Readout } from "./readout.ts";

/** How an RGB image becomes the network's input. */
export interface Preprocessing {
  /**
   * `"shorter-side"` resizes the shorter side to `size` and keeps the aspect ratio, then crops the
   * center (torchvision); `"direct"` resizes to the input size at once (Keras).
   */
  readonly resize: "shorter-side" | "direct";
  /** Shorter side in pixels after resizing, at least the input size. Unused by `"direct"`. */
  readonly size: number;
  /** Both are antialiased, as Pillow's are. */
  readonly filter: "bilinear" | "bicubic";
  /** Whether colors are dropped first: an RGB input gets luma three times. Default: `false`. */
  readonly grayscale?: boolean | undefined;
  /**
   * `"image"` gives each resized and cropped image the mean 128 and the deviation 42, before `scale`,
   * `mean` and `std`. Default: nothing of an image's own.
   */
  readonly standardize?: "image" | undefined;
  /** Applied to each resized and cropped image, after `standardize`. Default: none. */
  readonly whitening?: PixelWhitening | undefined;
  /** A byte `p` of channel `c` becomes `(p * scale - mean[c]) / std[c]`. Channels are R, G, B. */
  readonly scale: number;
  /** Subtracted after scaling, one per channel. */
  readonly mean: readonly number[];
  /** Divided by, one per channel. */
  readonly std: readonly number[];
}

/** How pictures are whitened, see `lib/input/whiten.ts`. Its numbers are in bytes. */
export interface PixelWhitening {
  /** The symmetric one of all whitenings: it leaves pictures pictures. */
  readonly kind: "zca";
  /** Side in pixels of the patches whose statistics these are; odd. */
  readonly patch: number;
  /** What was added to each variance, relative to their mean. */
  readonly epsilon: number;
  /** Of each channel. */
  readonly mean: readonly number[];
  /** Of patches, along their principal axes, largest first, `[patch * patch * channels]`. */
  readonly variance: readonly number[];
  /** `[channels, patch, patch, channels]`: the rows of the whitening matrix for the patch's middle. */
  readonly filter: readonly number[];
}

/**
 * What told that a checkpoint is the one that was published: all of its SHA-256; the beginning of it or its
 * MD5, which tell damage, but not forgery; or nothing.
 */
export type Verification = "sha256" | "sha256Prefix" | "md5" | "nothing";

/** Where a model comes from. Free text and numbers, shown to people. */
export interface Provenance {
  /** The checkpoint that it was converted from. Of a URL, what may be shown of it. */
  readonly source?: string | undefined;
  /** That checkpoint's SHA-256, in hex. */
  readonly sourceSha256?: string | undefined;
  /** What of its hash the publisher gives, if it was pulled. */
  readonly sourceVerifiedBy?: Verification | undefined;
  /** Whether the checkpoint says how its images are prepared, whoever converted it did, or it was assumed. */
  readonly preprocessing?: "read" | "given" | "assumed" | undefined;
  /** The weights' license. */
  readonly license?: string | undefined;
  /** How it was trained. */
  readonly training?: string | undefined;
  /** SHA-256 of the pictures and classes that a head was trained on. */
  readonly dataSha256?: string | undefined;
  /** Published or measured accuracy, 0…1, by the name of the measure. */
  readonly accuracy?: Readonly<Record<string, number>> | undefined;
}

/** The small tensors of one layer. A weight is `int8 * scale[o]`. */
export interface LayerParameters {
  /** The layer's name in `layersOf()`. */
  readonly name: LayerName;
  /** Weight scales, one per output channel, `[O]`, greater than 0. */
  readonly scale: Float32Array;
  /** Biases in real units, `[O]`. */
  readonly bias: Float32Array;
}

/** The filters of some neighbouring output channels of one layer. */
export interface WeightPiece {
  /** The layer's name. */
  readonly layer: LayerName;
  /** First output channel. A multiple of 16. */
  readonly first: number;
  /** Number of output channels: a multiple of 16, or what is left of the layer. */
  readonly count: number;
  /** `[count, filterHeight, filterWidth, inChannels]`, -127…127. Valid until the next piece. */
  readonly data: Int8Array;
}

/** A quantized VGG. The large tensors are streamed, never held. */
export interface Model {
  /** Catalog id or file name. */
  readonly id: string;
  /**
   * SHA-256 of its file's header, in hex, which has the hashes of all else: two that are equal are one
   * model. Only of what was opened from a file.
   */
  readonly sha256?: string | undefined;
  /** Its shape. */
  readonly architecture: Architecture;
  /** What is done to an image before the first layer. */
  readonly preprocessing: Preprocessing;
  /** One per class; empty for a network without a head. */
  readonly labels: readonly string[];
  /** The WordNet id of each label, where the classes are synsets. */
  readonly ids?: readonly string[] | undefined;
  /**
   * What each view's logits are divided by before the head makes scores of them, above 0, so that a score
   * is how often it is right (Guo et al., arXiv 1706.04599, section 4.2). Default: 1.
   */
  readonly temperature?: number | undefined;
  /** The score from which on a first prediction is sure, 0…1. Default: nobody can tell. */
  readonly sureScore?: number | undefined;
  /** Where it comes from. */
  readonly provenance: Provenance;
  /** The head on what layers say, of a model whose layers have none of their own. */
  readonly readout?: Readout | undefined;
  /** In the order of `layersOf(architecture)`. */
  readonly parameters: readonly LayerParameters[];
  /** Bytes of the int8 weights. */
  readonly weightBytes: number;
  /**
   * Streams the int8 weights in layer order, verified, in pieces of 1 MiB at most or of 16 output
   * channels, whichever is more. May be called again: an engine that lost its device does.
   *
   * @throws {WeightsIntegrityError} If the bytes are not those that the file was written with.
   * @throws {CheckpointFormatError} If the file ends early.
   */
  weights(options?: { signal?: AbortSignal | undefined }): AsyncIterable<WeightPiece>;
}

/**
 * How tensors lie in GPU buffers. Everything is a flat array of 32-bit words.
 *
 * - Activations `x`: `[N, H + 2p, W + 2p, C / 4]`, four channels per word, low byte first, `C` rounded up
 *   to 16, with the zeros around the image that the next layer's padding `p` asks for.
 * - Weights: `[O / 16, kernelHeight, kernelWidth, I / 16, 16, 4]`: for each tap and 16 input channels, the
 *   words of 16 neighbouring output channels side by side, so that neighbouring lanes load neighbouring
 *   vectors.
 * - Values `v`: `[N, H, W, O]`, then `[N, workgroups]`: the maximum that each workgroup saw.
 * - State, one per layer and image: {@linkcode HEADER_WORDS} words, then `M[o], B[o]` for each channel.
 *
 * @module
 */

/** Channels in a `vec4` of packed bytes; channels are padded to a multiple of it. */
export const CHANNELS_PER_VECTOR = 16;

/** `channels` rounded up to whole vectors. */
export function padChannels(channels: number): number {
  return Math.ceil(channels / CHANNELS_PER_VECTOR) * CHANNELS_PER_VECTOR;
}

/**
 * The words of a state before its `M, B` pairs: `Um`, `Ue`, `E` of the layer that begins, and `z`, `R`, with
 * which the values of the layer that ended are quantized.
 */
export const HEADER_WORDS = 8;

/** Words of one image's state, for a layer of (padded) `channels`. */
export function stateWords(channels: number): number {
  return HEADER_WORDS + 2 * channels;
}

/** A batch of feature maps. */
export interface Size {
  readonly images: number;
  readonly height: number;
  readonly width: number;
  /** Padded to a multiple of 16. */
  readonly channels: number;
}

/** Elements of a batch of feature maps: where the maxima begin in `v`. */
export function elements({ images, height, width, channels }: Size): number {
  return images * height * width * channels;
}

/**
 * What the vectors of each tensor are. A vector is four 32-bit words.
 *
 * - Activations `x`, int8: `[N, H + 2p, W + 2p, C / 16]`, sixteen channels a vector, low byte first, with the
 *   zeros around the image that the next layer's padding `p` asks for. Float: `[N, H, W, C / 4]`.
 * - Weights: `[O / 16, kernelHeight, kernelWidth, I / 16, 4, 4]`, sixteen input channels of one output channel
 *   a vector. Of sixteen output channels, `o` lies at `[o % 4, o / 4]`, so that neighbouring lanes, which compute four
 *   channels each, load neighbouring vectors.
 * - Weights of the first layer: `[O / 4, 9]`, four output channels a vector, the input channels of each in the bytes of a
 *   word.
 * - Constants: `[O / 4, 2]`: multipliers and biases; with float, scales and biases.
 * - Values `v`: `[N, H, W, O / 4]`, then `[N, workgroups]`: the maximum that each workgroup saw.
 * - State, one per layer and image: `Um, Ue, E` of the layer that begins; `z, R`, with which the values of the layer
 *   that ended are quantized; then `[O / 4, 2]`: `M` and `B`.
 * - Image: `[N, H, ceil(W / 4)]`, four pixels a vector, channels in the bytes of a word.
 *
 * `C`, `I` and `O` are rounded up to multiples of 16; what is added is 0.
 *
 * @module
 */

/** Channels are rounded up to a multiple of this: a vector of bytes. */
export const CHANNEL_STEP = 16;

/** `channels` rounded up. */
export function padChannels(channels: number): number {
  return Math.ceil(channels / CHANNEL_STEP) * CHANNEL_STEP;
}

/** Vectors of a state before its `M` and `B`. */
export const STATE_HEADER = 2;

/** Vectors of one image's state. */
export function stateVectors(channels: number): number {
  return STATE_HEADER + channels / 2;
}

/** A batch of feature maps. */
export interface Size {
  readonly images: number;
  readonly height: number;
  readonly width: number;
  /** Rounded up to a multiple of 16, but those of the image. */
  readonly channels: number;
}

/** Sizes with zeros around. */
export function padded(size: Size, padding: 0 | 1): Size {
  return { ...size, height: size.height + 2 * padding, width: size.width + 2 * padding };
}

/** Elements of a batch of feature maps. */
export function elements({ images, height, width, channels }: Size): number {
  return images * height * width * channels;
}

/** Vectors of a batch of images. */
export function imageVectors({ images, height, width }: Omit<Size, "channels">): number {
  return images * height * Math.ceil(width / 4);
}

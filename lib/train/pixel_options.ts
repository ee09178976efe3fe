/** Options of training on the pixels themselves. */

import type { ImageOptions } from "../image/image.ts";
import type { ProgressOptions } from "../progress.ts";

/** How pictures are read and varied. */
export interface PixelOptions extends ImageOptions, ProgressOptions {
  /**
   * `"dataset"`, the default: the mean and deviation of all pictures that are learned from; `"image"`:
   * each picture's own as well.
   */
  readonly standardize?: "dataset" | "image" | undefined;
  /**
   * `"zca"`: take away what neighboring pixels have in common, before the mean and the deviation.
   * Default: `"none"`.
   */
  readonly whitening?: "none" | "zca" | undefined;
  /** Learn from mirrored pictures as well. Default: `true`. */
  readonly flip?: boolean | undefined;
  /** Learn from pictures moved by up to this many pixels. Default: 1. */
  readonly shift?: number | undefined;
  /** Of all random choices. Default: 0. */
  readonly seed?: number | undefined;
}

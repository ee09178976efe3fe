/** The sizes of a network that is trained from scratch. */

import type { Configuration } from "../model/architecture.ts";

/** The shape of a small VGG. */
export interface NetworkOptions {
  /** A column of the paper's table 1 with 3x3 convolutions only. Default: `"B"`. */
  readonly configuration?: Exclude<Configuration, "C"> | undefined;
  /** Part of the paper's channels, rounded to multiples of 4. Default: 1/8, so 8 to 64. */
  readonly width?: number | undefined;
  /** Units of the hidden dense layers, at most seven. Default: `[64]`. */
  readonly dense?: readonly number[] | undefined;
  /** Side of the square input in pixels, to which pictures are resized; at least 32. Default: 32. */
  readonly side?: number | undefined;
  /** 1 (gray) or 3 (RGB). Default: 3. */
  readonly channels?: 1 | 3 | undefined;
}

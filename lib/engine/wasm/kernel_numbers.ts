/**
 * The kernels' numbers: `kernel` of a `Step`. TypeScript and AssemblyScript both compile this file.
 */

/** No kernel: the step is only its serial end. */
export const NONE = 0;
/** A picture's bytes to the first layer's input. */
export const TABULATE = 1;
export const TABULATE_FLOAT = 2;
/** A layer's values to the next layer's input. */
export const REQUANTIZE = 3;
export const RECTIFY_FLOAT = 4;
/** A layer's input to its values. */
export const CONVOLVE = 5;
export const CONVOLVE_FLOAT = 6;
/** The same by Winograd's algorithm: at once, or as two steps. */
export const CONVOLVE_PATCHES = 7;
export const TRANSFORM_PATCHES = 8;
export const TRANSFORM_PATCHES_FLOAT = 9;
export const MULTIPLY_PATCHES = 10;
export const MULTIPLY_PATCHES_FLOAT = 11;

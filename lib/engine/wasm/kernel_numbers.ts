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
/** A map to the sums, or with floats the averages, of all its positions. */
export const AVERAGE = 5;
export const AVERAGE_FLOAT = 6;
/** A layer's input to its values. */
export const CONVOLVE = 7;
export const CONVOLVE_FLOAT = 8;
/** The same by Winograd's algorithm: at once, or as two steps. */
export const CONVOLVE_PATCHES = 9;
export const TRANSFORM_PATCHES = 10;
export const TRANSFORM_PATCHES_FLOAT = 11;
export const MULTIPLY_PATCHES = 12;
export const MULTIPLY_PATCHES_FLOAT = 13;
/** A layer's values, which were read, to those after its max-pool. */
export const POOL = 14;
export const POOL_FLOAT = 15;

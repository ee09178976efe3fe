/**
 * Seeds that once failed: they are tried before fresh ones, here and in the suite.
 *
 * @module
 */

/** Of `images.ts`. */
export const FAILED_IMAGES: readonly number[] = [];

/** Of `checkpoints.ts`, by file. */
export const FAILED_CHECKPOINTS: Readonly<Record<string, readonly number[]>> = {};

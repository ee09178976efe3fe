/** What all fits share: the options that concern learning. */

/** Options that concern learning. */
export interface LearningOptions {
  /** At most this many passes over the pictures. Default: 200, or 8 of fine-tuning. */
  readonly epochs?: number | undefined;
  /** Default: `"adam"`. */
  readonly optimizer?: "adam" | "momentum" | "sgd" | undefined;
  /** Default: 0.001 for adam, 0.01 otherwise; 0.00005 of fine-tuning. */
  readonly learningRate?: number | undefined;
  /** Default: 32, or 256 from 10,000 rows of features on. */
  readonly batchSize?: number | undefined;
  /** Part by which weights shrink in an update, relative to the learning rate. Default: 0.01. */
  readonly weightDecay?: number | undefined;
  /** Part of each class that is kept for validation, above 0 and below 1. Default: 0.2. */
  readonly validation?: number | undefined;
  /** `"balanced"`, the default, lets rare classes count as much as frequent ones. */
  readonly classWeights?: "balanced" | "none" | undefined;
  /** Leave out pictures that cannot be read, however many there are. Default: a tenth of a class at most. */
  readonly skipBad?: boolean | undefined;
  /** Of all random choices. Default: 0. */
  readonly seed?: number | undefined;
}

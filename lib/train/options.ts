/** What all fits share: the options that concern learning. */

/** Options that concern learning. */
export interface LearningOptions {
  /** At most this many passes over the pictures. Default: 200. */
  readonly epochs?: number;
  /** Epochs without improvement on the validation pictures, after which it stops. Default: 20. */
  readonly patience?: number;
  /** Default: `"adam"`. */
  readonly optimizer?: "adam" | "momentum" | "sgd";
  /** Default: 0.001 for adam, 0.01 otherwise. */
  readonly learningRate?: number;
  /** Default: 32, or 256 from 10,000 rows of features on. */
  readonly batchSize?: number;
  /** Part by which weights shrink in an update, relative to the learning rate. Default: 0.01. */
  readonly weightDecay?: number;
  /** Part of each class that is kept for validation, above 0 and below 1. Default: 0.2. */
  readonly validation?: number;
  /** `"balanced"`, the default, lets rare classes count as much as frequent ones. */
  readonly classWeights?: "balanced" | "none";
  /** Of all random choices. Default: 0. */
  readonly seed?: number;
}

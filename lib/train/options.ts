/**
 * What all fits share: the options that concern learning, and what comes out.
 *
 * @module
 */

import type { EpochMetrics } from "./loop.ts";
import type { Split } from "./split.ts";

/** How far a fit is. */
export type FitProgress =
  | { readonly stage: "features"; readonly done: number; readonly total: number }
  | { readonly stage: "training"; readonly metrics: EpochMetrics };

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

/** What a fit made. */
export interface Fitted {
  /** The bytes of a model file. */
  readonly model: Uint8Array<ArrayBuffer>;
  /** The new labels. */
  readonly labels: readonly string[];
  /** Positions of the pictures that were learned from, and that were not. */
  readonly split: Split;
  /** What each epoch gave. */
  readonly history: readonly EpochMetrics[];
  /** The epoch whose weights were kept, from 1 on. */
  readonly bestEpoch: number;
  /** Of the finished int8 model on the validation pictures, 0…1. */
  readonly accuracy: number;
  /** SHA-256 of all pictures' pixels and classes. */
  readonly dataSha256: string;
}

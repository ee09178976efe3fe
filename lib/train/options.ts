/**
 * What all fits share: the options that concern learning, and what comes out.
 *
 * @module
 */

import type { EpochMetrics, LoopOptions } from "./loop.ts";
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
  /** Part by which weights shrink in a step, relative to the learning rate. Default: 0.01. */
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

/** Part of the pictures that is kept for validation. */
export function partOf({ validation = 0.2 }: LearningOptions): number {
  if (!(validation > 0 && validation < 1)) {
    throw new RangeError(`validation must be above 0 and below 1: found ${validation}`);
  }
  return validation;
}

/** The options of a training, checked and complete. */
export function learning(
  options: LearningOptions,
  rows: number,
): Omit<LoopOptions, "signal" | "state" | "onEpoch" | "onStep"> {
  const { optimizer = "adam", epochs = 200, patience = 20, weightDecay = 0.01, seed = 0 } = options;
  const { learningRate = optimizer === "adam" ? 1e-3 : 1e-2 } = options;
  const { batchSize = rows < 10_000 ? 32 : 256 } = options;
  if (!["adam", "momentum", "sgd"].includes(optimizer)) {
    throw new RangeError(`optimizer must be adam, momentum or sgd: found "${optimizer}"`);
  }
  for (const [name, value] of Object.entries({ epochs, patience, batchSize })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new RangeError(`${name} must be an integer of at least 1: found ${value}`);
    }
  }
  if (!(learningRate > 0) || !(weightDecay >= 0)) {
    throw new RangeError(
      `learningRate must be above 0 and weightDecay at least 0: found ${learningRate}, ${weightDecay}`,
    );
  }
  return {
    ...{ optimizer, epochs, patience, weightDecay, seed, learningRate, batchSize },
    oneCycle: false,
  };
}

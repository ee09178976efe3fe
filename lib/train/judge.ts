/** What a network is worth on the pictures that tell which epoch is best. */

import { bestClass } from "../output/predictions.ts";
import { type Accuracy, accuracyOf, type Truth } from "./accuracy.ts";
import { countsOf } from "./split.ts";

/** Pictures whose classes are known, and how much each class counts. */
export interface WeightedTruth extends Truth {
  /** `[K]` */
  readonly classWeights: Float32Array;
}

/** How a network judges pictures. */
export interface Judged extends Accuracy {
  /** Mean over the pictures, each counting as its class does, in nats: ln K if all K classes are said to be alike. */
  readonly crossEntropy: number;
  /**
   * The balanced accuracy in whole pictures: how many would be right if each class had as many as the largest has.
   * With 2 wrong of 25 and 2 of 24 it is 0.9183, with 1 and 3 of them 0.9175, and here it is 46 both times: the
   * difference is no picture that is right.
   */
  readonly rightPictures: number;
}

/** What says which of two networks judges pictures better. */
export type Rank = Pick<Judged, "rightPictures" | "crossEntropy">;

/** Whether one judges pictures better: more are right, or as many with a lower cross-entropy. */
export function isBetter(one: Rank, other: Rank): boolean {
  return one.rightPictures > other.rightPictures ||
    one.rightPictures === other.rightPictures && one.crossEntropy < other.crossEntropy;
}

/** A balanced accuracy in whole pictures, if there are so many of each class. */
export function rightPicturesOf(balancedAccuracy: number, counts: Float64Array): number {
  const pictures = counts.filter((count) => count > 0).length * Math.max(...counts);
  return Math.round(balancedAccuracy * pictures);
}

/** Gathers what a network says of some pictures. */
export class Judge {
  readonly #truth: WeightedTruth;
  readonly #predicted: Int32Array;
  readonly #judged: number[] = [];
  readonly #loss = new WeightedMean();

  constructor(truth: WeightedTruth) {
    this.#truth = truth;
    this.#predicted = new Int32Array(truth.labels.length);
  }

  /** Takes in the logits of picture `n`, `[K]`. */
  add(n: number, logits: Float64Array): void {
    const own = this.#truth.labels[n]!;
    this.#predicted[n] = bestClass(logits);
    this.#judged.push(n);
    this.#loss.add(crossEntropyOf(logits, own), this.#truth.classWeights[own]!);
  }

  /** How it judges those that were added. */
  result(): Judged {
    const { labels, classes } = this.#truth;
    const accuracy = accuracyOf(this.#truth, this.#predicted, this.#judged);
    const counts = countsOf(this.#judged.map((n) => labels[n]!), classes);
    return {
      ...accuracy,
      crossEntropy: this.#loss.value,
      rightPictures: rightPicturesOf(accuracy.balancedAccuracy, counts),
    };
  }
}

/** A mean in which each value counts by a weight. */
export class WeightedMean {
  #sum = 0;
  #weights = 0;

  add(value: number, weight: number): void {
    this.#sum += weight * value;
    this.#weights += weight;
  }

  get value(): number {
    return this.#sum / this.#weights;
  }
}

/** The cross-entropy of logits of a picture of a class, in nats. */
export function crossEntropyOf(logits: Float64Array, own: number): number {
  const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  let sum = 0;
  for (const value of logits) sum += Math.exp(value - largest);
  return largest - logits[own]! + Math.log(sum);
}

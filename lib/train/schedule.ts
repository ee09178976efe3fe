/** How fast a training learns, from its beginning to its end. */

/** What the learning rates of a training are. */
export interface Rates {
  /** The highest. */
  readonly learningRate: number;
  /** Whether it rises at first, and then falls to 0 along a cosine over all epochs. */
  readonly oneCycle: boolean;
}

/** Part of a training in which the learning rate rises (Smith and Topin, 2018, "Super-Convergence"). */
const WARM_UP = 0.15;

/** The learning rate after a part of a training, 0…1. */
export function rateAt(
  { learningRate, oneCycle }: Rates,
  part: number,
): number {
  if (!oneCycle) return learningRate;
  if (part < WARM_UP) return learningRate * Math.max(0.02, part / WARM_UP);
  return learningRate * 0.5 * (1 + Math.cos(Math.PI * (part - WARM_UP) / (1 - WARM_UP)));
}

/** What a head has to be better than: the colors of the pictures. */

import { channelsOf, checkPixels, type Pixels } from "../image/image.ts";
import { takeTurn } from "../threads/turn.ts";
import type { Judgement } from "./cross_validation.ts";

/** Bins of hue, saturation and value. */
const HUES = 12, SATURATIONS = 4, VALUES = 4;

/** Values of {@linkcode colorHistogram}. */
export const COLOR_BINS: number = HUES * SATURATIONS * VALUES;

/**
 * The square roots of the parts of a picture that have each color, in 12 bins of hue, 4 of saturation and 4 of
 * value (HSV): a vector of length 1.
 *
 * @param image Gray or RGB, with or without alpha, which is ignored.
 */
export function colorHistogram(image: Pixels): Float32Array {
  checkPixels(image, [1, 2, 3, 4]);
  const { data } = image, channels = channelsOf(image), counts = new Float64Array(COLOR_BINS);
  const [green, blue] = channels < 3 ? [0, 0] as const : [1, 2] as const;
  for (let at = 0; at < data.length; at += channels) {
    counts[binOf(data[at]!, data[at + green]!, data[at + blue]!)]!++;
  }
  const pixels = data.length / channels;
  return Float32Array.from(counts, (count) => Math.sqrt(count / pixels));
}

/** The bin of a color (Smith, 1978, "Color gamut transform pairs"); all of a kind are equally wide. */
function binOf(red: number, green: number, blue: number): number {
  const value = Math.max(red, green, blue), range = value - Math.min(red, green, blue);
  let sixths = 0;
  if (range > 0) {
    if (value === red) sixths = (green - blue) / range + (green < blue ? 6 : 0);
    else if (value === green) sixths = (blue - red) / range + 2;
    else sixths = (red - green) / range + 4;
  }
  const hue = Math.min(HUES - 1, Math.floor(sixths * HUES / 6));
  const saturation = value === 0
    ? 0
    : Math.min(SATURATIONS - 1, Math.floor(range * SATURATIONS / value));
  const brightness = Math.min(VALUES - 1, Math.floor(value * VALUES / 255));
  return (hue * SATURATIONS + saturation) * VALUES + brightness;
}

/** Pictures that vote. */
const VOTERS = 5;
/** Pictures that are judged between two turns. */
const TURN = 16;

/**
 * The votes for each class, `[N, K]`, of the five pictures of other folds whose colors are most alike; of classes
 * with as many votes, that with the more similar pictures has a little more. `NaN` for pictures in no fold.
 *
 * @param colors `[N, COLOR_BINS]`, as {@linkcode colorHistogram} gives them.
 */
export async function histogramLogits(
  colors: Float32Array,
  { labels, classes, folds }: Judgement,
  signal?: AbortSignal,
): Promise<Float64Array> {
  const count = labels.length, logits = new Float64Array(count * classes).fill(NaN);
  const alike = new Float64Array(count);
  for (let n = 0; n < count; n++) {
    if (n % TURN === 0) await takeTurn(signal);
    if (folds[n]! < 0) continue;
    const own = colors.subarray(n * COLOR_BINS, (n + 1) * COLOR_BINS);
    const bins = Array.from(own.keys()).filter((bin) => own[bin]! > 0);
    for (let other = 0; other < count; other++) {
      let sum = 0;
      for (const bin of bins) sum += own[bin]! * colors[other * COLOR_BINS + bin]!;
      alike[other] = folds[other] === folds[n] ? -1 : sum;
    }
    const votes = logits.subarray(n * classes, (n + 1) * classes).fill(0);
    for (let voter = 0; voter < VOTERS; voter++) {
      let best = 0;
      for (let other = 1; other < count; other++) if (alike[other]! > alike[best]!) best = other;
      if (alike[best] === -1) break; // There are fewer.
      // Similarities are at most 1: all of them together are less than a vote.
      votes[labels[best]!]! += 1 + alike[best]! / (2 * VOTERS);
      alike[best] = -1;
    }
  }
  return logits;
}

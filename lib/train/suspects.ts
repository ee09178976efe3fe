/** What to look at again: pictures that are taken for another class, and labels that are likely wrong. */

import { bestClass, softmax } from "../output/predictions.ts";
import type { CrossValidated, Judgement } from "./cross_validation.ts";

/** A picture that is taken for another class than its label's. */
export interface Doubt {
  /** Its position. */
  readonly picture: number;
  /** The class of its label. */
  readonly label: number;
  /** The class that it is taken for. */
  readonly predicted: number;
  /** The probability of its own class, 0…1. */
  readonly own: number;
  /** The probability of the class that it is taken for, 0…1. */
  readonly other: number;
  /**
   * Whether its label is likely wrong: it is as likely of the other class as pictures of that are on average
   * (Northcutt et al., 2021, "Confident Learning", arXiv 1911.00068, equations 1 and 2).
   */
  readonly isSuspect: boolean;
}

/** What is judged, and by what. */
export interface Judged
  extends Pick<Judgement, "labels" | "classes">, Pick<CrossValidated, "logits"> {
  /** What makes probabilities of the logits. */
  readonly temperature: number;
}

/** The pictures that are taken for another class out of fold, those with the least likely labels first. */
export function doubtsOf({ labels, classes, logits, temperature }: Judged): Doubt[] {
  const judged = Array.from(labels, (label, picture) => ({ label, picture }))
    .filter(({ picture }) => !Number.isNaN(logits[picture * classes]))
    .map(({ label, picture }) => {
      const own = logits.subarray(picture * classes, (picture + 1) * classes);
      return { label, picture, scores: softmax(own, 1 / temperature) };
    });
  const usual = Array.from({ length: classes }, (_, c) => {
    const own = judged.filter(({ label }) => label === c);
    return own.reduce((sum, { scores }) => sum + scores[c]!, 0) / own.length;
  });
  return judged.flatMap(({ label, picture, scores }) => {
    const predicted = bestClass(scores), own = scores[label]!, other = scores[predicted]!;
    if (predicted === label) return [];
    const isSuspect = other >= usual[predicted]!;
    return { picture, label, predicted, own, other, isSuspect };
  }).sort((a, b) => a.own - b.own || a.picture - b.picture);
}

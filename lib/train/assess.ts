/** What a head is worth on pictures that it had not learned from, and what is odd about the pictures. */

import type { IndexedSample } from "../input/dataset.ts";
import { isNoneOfThese } from "../model/classes.ts";
import { calibrateLogits, type Calibration } from "../output/calibration.ts";
import { bestClass } from "../output/predictions.ts";
import { type Accuracy, accuracyOf, isBetter, predictionsOf, rowOf } from "./accuracy.ts";
import { histogramLogits } from "./baselines.ts";
import { countsOf } from "./split.ts";
import { type Doubt, doubtsOf } from "./suspects.ts";

/** What a fitted model is worth, and what is odd about its pictures. */
export interface Assessment extends Accuracy {
  /** Number of pictures that were judged, each by a head that had not learned from it. */
  readonly judged: number;
  /**
   * `true` where features were brought to the scale that they have in all pictures, also in those that were judged,
   * as it is where they are too large for memory; nothing else was learned from these.
   */
  readonly scaledByAll?: boolean | undefined;
  /** The balanced accuracy of each fold; one, where the pictures that judge are the same for all. */
  readonly folds: readonly number[];
  /** What others are worth on the same pictures. */
  readonly baselines: Baselines;
  /** One for each class. */
  readonly classes: readonly ClassAssessment[];
  /** How many pictures of class i were taken for class j. */
  readonly confusion: readonly (readonly number[])[];
  /** Pictures that were taken for another class, those with the least likely labels first. */
  readonly wrong: readonly JudgedPicture[];
  /** Those of them whose label is likely wrong, in the same order; a class that is too small tells of none. */
  readonly suspects: readonly JudgedPicture[];
  /** Groups of pictures that show the same; they were kept together, so that none judged another. */
  readonly duplicates: readonly (readonly LabeledPicture[])[];
}

/** Parts of the pictures that are right if one learns nothing of VGG's. */
export interface Baselines {
  /** Always the most frequent class. */
  readonly majority: Baseline;
  /** The five pictures with the most similar colors decide. */
  readonly colors: Baseline;
}

/** What something simpler gets right of the same pictures. */
export interface Baseline extends Accuracy {
  /**
   * Whether the model is better, in balanced accuracy; undefined if it is, but on too few pictures to tell, or if
   * none was judged.
   */
  readonly isBeaten: boolean | undefined;
}

/** What a model is worth for one class. */
export interface ClassAssessment {
  /** Its label. */
  readonly label: string;
  /** Pictures that were learned from or judged. */
  readonly pictures: number;
  /** Those that were judged. */
  readonly judged: number;
  /** Part of them that is right; `NaN` if there are none. */
  readonly recall: number;
  /** Part that is right of what was taken for this class; `NaN` if nothing was. */
  readonly precision: number;
  /** Whether its figures say nothing, as there are fewer than 10 pictures. */
  readonly isSmall: boolean;
}

/** A picture, and what it is said to show. */
export interface LabeledPicture {
  /** Its path, or what else it is called. */
  readonly file: string;
  /** The class that it is said to be of. */
  readonly label: string;
}

/** What a head says of a picture whose class is known. */
export interface JudgedPicture extends LabeledPicture {
  /** The class that it was taken for. */
  readonly predicted: string;
  /** The score of that, 0…1. */
  readonly score: number;
  /** The score of the class that it is said to be of. */
  readonly ownScore: number;
}

/** Pictures of a class below which its figures say nothing: one more that is right is ten points. */
export const FEWEST = 10;

/** What is assessed. */
export interface Assessed {
  /** The pictures that could be read. */
  readonly samples: readonly IndexedSample[];
  readonly labels: readonly string[];
  /** What a head that had not learned from a picture says of it, `[N, K]`; `NaN` if there is none. */
  readonly logits: Float64Array;
  /** Histograms of colors, `[N, COLOR_BINS]`. */
  readonly colors: Float32Array;
  /** The fold of each picture; -1 for those that are not judged. */
  readonly folds: Int32Array;
  /** The same number for pictures that show the same, `[N]`. */
  readonly duplicates: Int32Array;
  /** Whether the pictures that were judged took part in the scale of features. */
  readonly scaledByAll?: boolean | undefined;
}

/** Assesses a head, and calibrates it by the same pictures. */
export async function assess(
  task: Assessed,
  signal?: AbortSignal,
): Promise<{ assessment: Assessment; calibration: Calibration }> {
  const { samples, labels, folds } = task;
  const truth = Int32Array.from(samples, ({ label }) => label);
  const known = { labels: truth, classes: labels.length };
  const judged = [...truth.keys()].filter((n) => folds[n]! >= 0);
  const predicted = predictionsOf(task.logits, labels.length);
  const figures = accuracyOf(known, predicted, judged);
  const baselineOf = (others: Int32Array): Baseline => ({
    ...accuracyOf(known, others, judged),
    isBeaten: isBetter(known, predicted, others, judged),
  });
  const confusion = labels.map(() => new Array<number>(labels.length).fill(0));
  for (const n of judged) confusion[truth[n]!]![predicted[n]!]!++;
  const byFold = Map.groupBy(judged, (n) => folds[n]!);
  const none = labels.findIndex(isNoneOfThese);
  const calibration = calibrateLogits(
    judged.map((n) => ({ logits: rowOf(task.logits, labels.length, n), label: truth[n]! })),
    none < 0 ? {} : { none },
  );
  const { temperature } = calibration;
  const doubts = doubtsOf({ ...known, logits: task.logits, temperature });
  const most = bestClass(countsOf(truth, labels.length));
  const judgement = { labels: truth, classes: labels.length, folds };
  const logits = await histogramLogits(task.colors, judgement, signal);
  const colors = predictionsOf(logits, labels.length);
  const classes = labels.map((label, c) => {
    const own = sum(confusion[c]!), given = sum(confusion.map((row) => row[c]!));
    const right = confusion[c]![c]!, pictures = truth.filter((label) => label === c).length;
    return {
      ...{ label, pictures, judged: own, isSmall: own < FEWEST },
      recall: right / own,
      precision: right / given,
    };
  });
  const assessment = {
    judged: judged.length,
    ...task.scaledByAll ? { scaledByAll: true } : {},
    ...figures,
    folds: [...byFold].sort(([a], [b]) => a - b)
      .map(([, own]) => accuracyOf(known, predicted, own).balancedAccuracy),
    baselines: {
      majority: baselineOf(truth.map(() => most)),
      colors: baselineOf(colors),
    },
    classes,
    confusion,
    wrong: doubts.map((doubt) => judgedPicture(task, doubt)),
    suspects: doubts.filter(({ isSuspect, predicted }) => isSuspect && !classes[predicted]!.isSmall)
      .map((doubt) => judgedPicture(task, doubt)),
    duplicates: [...Map.groupBy(truth.keys(), (n) => task.duplicates[n]!).values()]
      .filter(({ length }) => length > 1)
      .map((group) => group.map((n) => labeledPicture(task, n))),
  };
  return { assessment, calibration };
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

function labeledPicture({ samples, labels }: Assessed, n: number): LabeledPicture {
  const { file, label } = samples[n]!;
  return { file, label: labels[label]! };
}

function judgedPicture(task: Assessed, { picture, predicted, own, other }: Doubt): JudgedPicture {
  const taken = { predicted: task.labels[predicted]!, score: other, ownScore: own };
  return { ...labeledPicture(task, picture), ...taken };
}

import { assertEquals, assertRejects } from "@std/assert";
import {
  type Classifier,
  type ClassifierOptions,
  type ClassifyOptions,
  type DistanceOptions,
  type EmbedOptions,
  loadClassifier,
} from "../lib/classifier.ts";
import { convert, type ConvertOptions } from "../lib/convert/convert.ts";
import { pullModel, type PullOptions } from "../lib/convert/pull/pull.ts";
import { evaluate, type EvaluateOptions } from "../lib/evaluate/evaluate.ts";
import { fuse } from "../lib/evaluate/fuse.ts";
import type { ExplainOptions } from "../lib/explain/explain.ts";
import { createHandler, type HandlerOptions } from "../lib/http/handler.ts";
import type { ImageOptions } from "../lib/image/image.ts";
import type { ViewOptions } from "../lib/input/views.ts";
import * as library from "../lib/options.ts";
import type { Option, Table, ValueOf } from "../lib/options.ts";
import { HANDLER_OPTIONS } from "../lib/options/service.ts";
import { FIT_OPTIONS, SCRATCH_OPTIONS } from "../lib/options/training.ts";
import { fit, type FitOptions } from "../lib/train/fit.ts";
import { fitFromScratch, type ScratchOptions } from "../lib/train/scratch.ts";

const {
  CLASSIFIER_OPTIONS,
  CLASSIFY_OPTIONS,
  CONVERT_OPTIONS,
  DISTANCE_OPTIONS,
  EMBEDDING_OPTIONS,
  EVALUATE_OPTIONS,
  EXPLANATION_OPTIONS,
  IMAGE_OPTIONS,
  PULL_OPTIONS,
  VIEW_OPTIONS,
} = library;
const EMBED_OPTIONS = { ...EMBEDDING_OPTIONS, ...IMAGE_OPTIONS };
const EXPLAIN_OPTIONS = { ...EXPLANATION_OPTIONS, ...IMAGE_OPTIONS };
const PREPARE_OPTIONS = { ...VIEW_OPTIONS, ...IMAGE_OPTIONS };

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;
/** Options whose values are data, so that the table has their type. */
type DataNames<T> = {
  [Name in keyof T]: T[Name] extends { kind: "program" } | { also: unknown } ? never : Name;
}[keyof T];
type InTable<T> = { [Name in DataNames<T>]: ValueOf<T[Name]> };
type InInterface<T, Options> = {
  [Name in DataNames<T> & keyof Options]: Exclude<Options[Name], undefined>;
};
/** Whether a table and an interface have the same names, and the same values for each. */
type Agree<T, Options> = Same<keyof T, keyof Options> extends true
  ? Same<InTable<T>, InInterface<T, Required<Options>>>
  : false;

Deno.test("tables and the interfaces that users see have the same names and types of values", () => {
  // The compiler is what tests this: `false` is no `true`.
  const agree: {
    loadClassifier: Agree<typeof CLASSIFIER_OPTIONS, ClassifierOptions>;
    classify: Agree<typeof CLASSIFY_OPTIONS, ClassifyOptions>;
    embed: Agree<typeof EMBED_OPTIONS, EmbedOptions>;
    distance: Agree<typeof DISTANCE_OPTIONS, DistanceOptions>;
    explain: Agree<typeof EXPLAIN_OPTIONS, ExplainOptions>;
    prepare: Agree<typeof PREPARE_OPTIONS, ViewOptions & ImageOptions>;
    evaluate: Agree<typeof EVALUATE_OPTIONS, EvaluateOptions>;
    convert: Agree<typeof CONVERT_OPTIONS, ConvertOptions>;
    pull: Agree<typeof PULL_OPTIONS, PullOptions>;
    fit: Agree<typeof FIT_OPTIONS, FitOptions>;
    fitFromScratch: Agree<typeof SCRATCH_OPTIONS, ScratchOptions>;
    createHandler: Agree<typeof HANDLER_OPTIONS, HandlerOptions>;
  } = {
    loadClassifier: true,
    classify: true,
    embed: true,
    distance: true,
    explain: true,
    prepare: true,
    evaluate: true,
    convert: true,
    pull: true,
    fit: true,
    fitFromScratch: true,
    createHandler: true,
  };
  assertEquals(Object.values(agree).every(Boolean), true);
});

const CAT = "tests/data/photos/cat.png";
const DATA = { samples: [], labels: ["a", "b"] };

/** Every public function that takes options, with its table. Wrong options are refused before any work. */
const CALLS: Readonly<
  Record<string, readonly [Table, (options: object, classifier: Classifier) => unknown]>
> = {
  loadClassifier: [CLASSIFIER_OPTIONS, (options) => loadClassifier(options)],
  classify: [CLASSIFY_OPTIONS, (options, classifier) => classifier.classify(CAT, options)],
  scores: [PREPARE_OPTIONS, (options, classifier) => classifier.scores([CAT], options)],
  prepare: [PREPARE_OPTIONS, (options, classifier) => classifier.prepare(CAT, options)],
  embed: [EMBED_OPTIONS, (options, classifier) => classifier.embed(CAT, options)],
  distance: [DISTANCE_OPTIONS, (options, classifier) => classifier.distance(CAT, CAT, options)],
  explain: [EXPLAIN_OPTIONS, (options, classifier) => classifier.explain(CAT, options)],
  evaluate: [EVALUATE_OPTIONS, (options, classifier) => evaluate(classifier, [], options)],
  fuse: [CLASSIFY_OPTIONS, (options, classifier) => fuse([classifier], [CAT], options)],
  convert: [CONVERT_OPTIONS, (options) => convert(new Uint8Array(8), options)],
  pullModel: [PULL_OPTIONS, (options) => pullModel("vgg16-imagenet", options)],
  fit: [FIT_OPTIONS, (options) => fit(DATA, options)],
  fitFromScratch: [SCRATCH_OPTIONS, (options) => fitFromScratch(DATA, options)],
  createHandler: [HANDLER_OPTIONS, (options) => createHandler(options)],
};

/** Values that an option must refuse, and how they read as text where text is what is given. */
function wrongValues(option: Option): readonly unknown[] {
  switch (option.kind) {
    case "integer":
      return [option.min - 1, (option.max ?? NaN) + 1, option.min + 0.5, "many"];
    case "number":
      return [
        (option.min ?? option.above ?? 0) - 1,
        (option.max ?? option.below ?? NaN) + 1,
        "many",
      ];
    case "choice":
      return ["nonsense", ""];
    case "boolean":
      return ["nonsense"];
    case "integers":
      return [
        [option.min - 1],
        [option.min + 0.5],
        "many",
        [...Array(9)].map(() => option.min - 1),
      ];
    case "text":
    case "texts":
      return [5];
    case "program":
      return ["nonsense"];
  }
}

Deno.test("every function refuses an unknown option with the nearest name, and every wrong value", async () => {
  await using classifier = await loadClassifier({ backend: "wasm" });
  for (const [name, [table, call]] of Object.entries(CALLS)) {
    const refused = async (options: object, message: string): Promise<void> => {
      await assertRejects(async () => await call(options, classifier), RangeError, message, name);
    };
    for (const [option, entry] of Object.entries(table)) {
      await refused(
        { [option + "s_"]: 1 },
        `There is no option ${option}s_: did you mean ${option}`,
      );
      for (const wrong of wrongValues(entry)) {
        await refused({ [option]: wrong }, `${option} must be `);
      }
    }
  }
});

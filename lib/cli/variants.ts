/** The variants that `evaluate --compare` puts side by side. */

import type { ClassifierOptions } from "../classifier.ts";
import type { Crops, ViewOptions } from "../input/views.ts";
import type { Preprocessing } from "../model/model.ts";
import type { ModelSource } from "../open_model.ts";
import { CLASSIFIER_OPTIONS, type Option, VIEW_OPTIONS } from "../options.ts";
import { checkedValue } from "./arguments.ts";
import { UsageError } from "./usage_error.ts";

/** One evaluation: a classifier, or one of several models, and its views. */
export interface Variant extends ViewOptions {
  /** The models that are fused; undefined is the embedded one. */
  readonly models: readonly [ModelSource | undefined, ...string[]];
  readonly classifier: Omit<ClassifierOptions, "model">;
}

const CROPS: readonly string[] = VIEW_OPTIONS.crops.choices;
const { model, backend, precision } = CLASSIFIER_OPTIONS;
const SETTINGS = new Map(Object.entries<Option>({ model, backend, precision }));
const MODEL = /^model=(.+)$/;

/** One or more of them. */
export type Variants = readonly [Variant, ...Variant[]];

/**
 * Parses variants such as `center; dense 32,40 flip; model=A model=B precision=float`.
 *
 * @param base What a variant has that does not say otherwise.
 * @throws {UsageError} If a word means nothing.
 */
export function parseVariants(text: string, base: Variant): Variants {
  const parse = (part: string): Variant => {
    const words = part.trim().split(/\s+/).filter((word) => word !== "");
    if (words.length === 0) {
      throw new UsageError(`Option --compare has an empty variant: "${text}"`);
    }
    const [first, ...others] = words.flatMap((word) => MODEL.exec(word)?.[1] ?? []);
    const variant = words.filter((word) => !MODEL.test(word)).reduce(withWord, base);
    return first === undefined ? variant : { ...variant, models: [first, ...others] };
  };
  const [first = "", ...others] = text.split(";");
  return [parse(first), ...others.map(parse)];
}

function withWord(variant: Variant, word: string): Variant {
  if (CROPS.includes(word)) return { ...variant, crops: word as Crops };
  if (word === "flip") return { ...variant, flip: true };
  if (/^\d+(,\d+)*$/.test(word)) return { ...variant, scales: word.split(",").map(Number) };
  const [, name = "", value] = /^(\w+)=(.+)$/.exec(word) ?? [];
  const setting = SETTINGS.get(name);
  if (setting === undefined) {
    const settings = [...SETTINGS.keys()].join("=, ");
    throw new UsageError(
      `Option --compare has the word "${word}": expected ${CROPS.join(", ")}, flip, ` +
        `scales such as 256,384, or ${settings}=`,
    );
  }
  checkedValue(`compare ${name}`, setting, value);
  return { ...variant, classifier: { ...variant.classifier, [name]: value } };
}

/** The scales of a variant in words. */
export function scalesOf({ scales }: Variant, preprocessing: Preprocessing): string {
  if (scales !== undefined) return scales.join(", ");
  return preprocessing.resize === "direct" ? "direct" : String(preprocessing.size);
}

/** The classes of a model, and what people call them. */

import { meant, shortened } from "../options.ts";
import type { Model } from "./model.ts";

/** One class of a model. */
export interface ClassInfo<Label extends string = string> {
  /** Its position in the network's outputs. */
  readonly index: number;
  /** What predictions call it. Two classes may have the same one: ImageNet has "crane" twice. */
  readonly label: Label;
  /** The WordNet id of its synset, such as `n02123045`, where the model has one. */
  readonly id?: string | undefined;
  /** What else it is called. */
  readonly synonyms: readonly string[];
}

/** The label of a class that stands for pictures of nothing else that a model knows: never a sure one. */
export const NONE_OF_THESE = "none of these";

/** Whether a label is {@linkcode NONE_OF_THESE}, however people write it. */
export function isNoneOfThese(label: string): boolean {
  return label.trim().toLowerCase() === NONE_OF_THESE;
}

/** What names a class: its index, its label, its id, or a synonym that no other class has. */
export type ClassName = string | number;

/**
 * The classes of a model, in the order of its outputs.
 *
 * A synset's text lists its words, "tabby, tabby cat": the first one is the label. The text of a class
 * without an id is the label as it is, and the parts between its commas are synonyms.
 */
export function classesOf({ labels, ids }: Pick<Model, "labels" | "ids">): ClassInfo[] {
  return labels.map((text, index) => {
    const words = text.split(", "), [first = "", ...others] = words, id = ids?.[index];
    if (id !== undefined) return { index, label: first, id, synonyms: others };
    return { index, label: text, synonyms: others.length > 0 ? words : [] };
  });
}

/** Which classes a name may mean. */
type Called<Label extends string> = Map<string, ClassInfo<Label>[]>;

/** A request may name thousands of classes: each must not cost a look at all of them. */
const NAMES = new WeakMap<readonly ClassInfo[], readonly Called<string>[]>();

/** The classes by label, by id, and by synonym or all words together. */
function namesOf<Label extends string>(
  classes: readonly ClassInfo<Label>[],
): readonly Called<Label>[] {
  const known = NAMES.get(classes) as readonly Called<Label>[] | undefined; // What was made of these.
  if (known !== undefined) return known;
  const byLabel: Called<Label> = new Map(), byId: Called<Label> = new Map();
  const byWord: Called<Label> = new Map();
  for (const info of classes) {
    const { label, id, synonyms } = info;
    const add = (called: Called<Label>, name: string): void => {
      const key = name.normalize();
      called.set(key, [...called.get(key) ?? [], info]);
    };
    add(byLabel, label);
    if (id !== undefined) add(byId, id);
    for (const name of new Set([...synonyms, [label, ...synonyms].join(", ")])) add(byWord, name);
  }
  const made = [byLabel, byId, byWord];
  NAMES.set(classes, made);
  return made;
}

/**
 * Finds a class by a name: a label before an id, that before a synonym, that before digits for an index.
 * Letters with marks are the same in one or in several code points (NFC, NFD).
 *
 * @throws {RangeError} If no class has the name, and the message has the nearest one; or if several have
 *   it, and the message lists them.
 */
export function findClass<Label extends string>(
  name: ClassName,
  classes: readonly ClassInfo<Label>[],
): ClassInfo<Label> {
  if (typeof name === "number") return classAt(name, classes);
  const key = name.normalize();
  for (const called of namesOf(classes)) {
    const [found, ...others] = called.get(key) ?? [];
    if (found === undefined) continue;
    if (others.length === 0) return found;
    const list = [found, ...others].map(describeClass).join(", ");
    throw new RangeError(
      `"${name}" names ${others.length + 1} classes: ${list}. Give an index${
        found.id === undefined ? "" : " or an id"
      }`,
    );
  }
  if (/^\d+$/.test(name)) return classAt(Number(name), classes);
  const names = classes.flatMap(({ label, synonyms }) => [label, ...synonyms]);
  const quoted = names.map((known) => `"${known}"`);
  throw new RangeError(
    `The model has no label "${shortened(name)}": ${meant(`"${name}"`, quoted)}`,
  );
}

function classAt<Label extends string>(
  index: number,
  classes: readonly ClassInfo<Label>[],
): ClassInfo<Label> {
  const found = classes[index];
  if (found !== undefined) return found;
  throw new RangeError(
    `The model has no class ${index}: expected 0 to ${classes.length - 1}`,
  );
}

/** `134 (n02012849 crane)` */
function describeClass({ index, label, id }: ClassInfo): string {
  return `${index} (${id === undefined ? "" : `${id} `}${label})`;
}

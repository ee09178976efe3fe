/** The classes of a model, and what people call them. */

import { closestName, shortened } from "../options.ts";
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

/**
 * Finds a class by a name: a label before an id, that before a synonym, that before digits for an index.
 *
 * @throws {RangeError} If no class has the name, and the message has the nearest one; or if several have
 *   it, and the message lists them.
 */
export function findClass<Label extends string>(
  name: ClassName,
  classes: readonly ClassInfo<Label>[],
): ClassInfo<Label> {
  if (typeof name === "number") return classAt(name, classes);
  const isCalled: readonly ((known: ClassInfo) => boolean)[] = [
    ({ label }) => label === name,
    ({ id }) => id === name,
    ({ label, synonyms }) => synonyms.includes(name) || [label, ...synonyms].join(", ") === name,
  ];
  for (const matches of isCalled) {
    const [found, ...others] = classes.filter(matches);
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
  throw new RangeError(
    `The model has no label "${shortened(name)}": did you mean "${closestName(name, names)}"?`,
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

/** ImageNet's 1000 classes. */

import imagenet from "./imagenet_labels.json" with { type: "json" };

/** One class. */
export interface ImagenetClass {
  /** The WordNet id of its synset, such as `n01440764`. */
  readonly id: string;
  /** The synset's words, such as `tench, Tinca tinca`. */
  readonly label: string;
}

/** The classes in the order of the networks' outputs, in which the ids ascend. */
export const IMAGENET_CLASSES: readonly ImagenetClass[] = Object.entries(imagenet)
  .map(([id, label]) => ({ id, label }));

/**
 * The ids of labels that are ImageNet's: all 1000, each by its synset's words or one of them.
 *
 * @returns Undefined for other labels.
 */
export function imagenetIds(labels: readonly string[]): string[] | undefined {
  const isImagenet = labels.length === IMAGENET_CLASSES.length &&
    IMAGENET_CLASSES.every(({ label }, n) => [label, ...label.split(", ")].includes(labels[n]!));
  return isImagenet ? IMAGENET_CLASSES.map(({ id }) => id) : undefined;
}

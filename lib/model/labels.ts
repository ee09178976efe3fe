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

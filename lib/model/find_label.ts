/** Labels by name. */

import { closestString } from "@std/text/closest-string";

/**
 * Finds a label.
 *
 * @throws {RangeError} If there is no such label; the message names the nearest one.
 */
export function indexOfLabel(label: string, labels: readonly string[]): number {
  const index = labels.indexOf(label);
  if (index < 0) {
    throw new RangeError(
      `The model has no label "${label}": did you mean "${nearestLabel(label, labels)}"?`,
    );
  }
  return index;
}

/** ImageNet's labels are lists of synonyms, "tench, Tinca tinca": each of them counts. */
function nearestLabel(text: string, labels: readonly string[]): string {
  const synonyms = new Map(
    labels.flatMap((label) => [label, ...label.split(", ")].map((name) => [name, label])),
  );
  return synonyms.get(closestString(text, [...synonyms.keys()]))!;
}

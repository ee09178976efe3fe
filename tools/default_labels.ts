/**
 * Writes the labels of the embedded model as a type, `lib/model/default_labels.ts`:
 * `deno run --allow-read --allow-write=lib tools/default_labels.ts`.
 *
 * @module
 */

import classes from "../weights/tiny_imagenet_classes.json" with { type: "json" };

/** Where the type is. */
export const FILE: URL = new URL("../lib/model/default_labels.ts", import.meta.url);

/** The module, of the classes' first words. */
export function defaultLabels(): string {
  const labels = Object.values(classes).map((words) => words.split(", ")[0]);
  return `/** What the embedded model knows, for the compiler: \`tools/default_labels.ts\` writes it. */

/** A label of the embedded model. */
export type DefaultLabel =
${labels.map((label) => `  | ${JSON.stringify(label)}`).join("\n")};
`;
}

if (import.meta.main) await Deno.writeTextFile(FILE, defaultLabels());

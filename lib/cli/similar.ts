/** `similar`: the pictures of a folder that are most similar to others. */

import type { ImageInput } from "../image/image.ts";
import { readBytes } from "../image/read.ts";
import type { ImageOutcome } from "../input/each_image.ts";
import { pickOptions, type Table } from "../options.ts";
import { SIMILAR_OPTIONS } from "../options/search.ts";
import { picturesPage } from "../search/page.ts";
import type { Match, SimilarOptions } from "../search/search_index.ts";
import type { Command } from "./command.ts";
import { WRITES } from "./permissions.ts";
import { expandInputs, type Input } from "./inputs.ts";
import {
  type Folder,
  giveResults,
  hrefOf,
  openFolder,
  PICTURE_FLAGS,
  rounded,
  similarityText,
} from "./picture_index.ts";
import { eachAlone, type Failure, keepEach } from "./run.ts";
import { UsageError } from "./usage_error.ts";

const { topK, threshold, by } = SIMILAR_OPTIONS;
const OPTIONS = { topK, threshold, by, ...PICTURE_FLAGS } satisfies Table;

export const similarCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS] DIRECTORY QUERY ...",
  operands: {
    "DIRECTORY": "Pictures that are searched, in it and below",
    "QUERY": "A file, a URL, a directory, or - for one image on standard input",
  },
  examples: [
    { line: "vgg16 similar photos cat.jpg" },
    { line: "vgg16 similar photos new --out page.html --index photos.index", permissions: WRITES },
  ],
  options: OPTIONS,
  notes: "Exit code: 0, or 1 if an image could not be read, or 2 for a wrong command line.",

  async run([directory, ...queries], options, signal) {
    if (directory === undefined || queries.length === 0) {
      throw new UsageError("similar needs a directory, and what is to be found in it");
    }
    const inputs = await expandInputs(
      queries,
      pickOptions({ hidden: PICTURE_FLAGS.hidden }, options),
    );
    const places = inputs.map(({ place }) => place);
    await using folder = await openFolder("similar", directory, places, options, signal);
    if (folder === undefined) return 0;
    const { pathOf } = folder, { offline, out } = options;
    const found: Found[] = [], failures: Failure[] = [];
    const href = (name: string | undefined): string | undefined =>
      name && hrefOf(pathOf(name), out);
    const code = await keepEach(
      searches(folder, inputs, options, signal),
      {
        ...{ total: inputs.length, done: 0, goesOn: false, where: out, signal },
        verb: ["Searching", "searched"],
      },
      ({ result }, file) => void found.push({ file, ...result }),
      (failure) => void failures.push(failure),
    );
    await giveResults({
      settings: folder.settings,
      text: found.flatMap(({ file, matches }) => linesOf(file, matches, pathOf)),
      records: [
        ...found.map(({ file, matches }) => ({
          file,
          similar: matches.map(({ name, similarity, kind }) => ({
            file: pathOf(name),
            ...{ similarity: rounded(similarity), kind },
          })),
        })),
        ...failures,
      ],
      rows: [
        ["query", "file", "similarity", "kind", "error"],
        ...found.flatMap(({ file, matches }) =>
          matches.map(({ name, similarity, kind }) => [
            ...[file, pathOf(name), rounded(similarity), kind, ""],
          ])
        ),
        ...failures.map(({ file, error }) => [file, "", "", "", error.message]),
      ],
      page: () =>
        picturesPage(
          `Similar pictures in ${directory}`,
          "The framed one of each set was asked for.",
          found.map(({ file, name, image, matches }) => [
            { name: name ?? file, image, href: href(name), caption: "", isFirst: true },
            ...matches.map(({ name, similarity, kind }) => ({
              ...{ name, image: pathOf(name), href: href(name) },
              caption: `${similarityText(similarity)} ${kind}`,
              isFirst: false,
            })),
          ]),
          { offline, signal },
        ),
    }, options);
    return folder.failed > 0 ? 1 : code;
  },
};

/** What came of a query. */
interface Found {
  readonly file: string;
  /** What the directory calls it, if it is there. */
  readonly name?: string | undefined;
  /** The query's picture. */
  readonly image: ImageInput;
  readonly matches: readonly Match[];
}

function searches(
  { index, nameOf, pathOf }: Folder,
  inputs: readonly Input[],
  { topK, threshold, by, offline }: Pick<SimilarOptions, "topK" | "threshold" | "by" | "offline">,
  signal: AbortSignal,
): AsyncIterable<ImageOutcome<"result", Omit<Found, "file">>> {
  const options = { topK, threshold, by, offline, signal };
  return eachAlone(inputs, signal, async (given) => {
    const name = typeof given === "string" ? await nameOf(given) : undefined;
    if (name !== undefined) {
      return { name, image: pathOf(name), matches: await index.similar({ name }, options) };
    }
    // Standard input is there once, and a page shows it again.
    const image = await readBytes(given as Exclude<ImageInput, { width: number }>, {
      offline,
      signal,
    });
    return { image, matches: await index.similar(image, options) };
  });
}

function linesOf(
  file: string,
  matches: readonly Match[],
  pathOf: (name: string) => string,
): string[] {
  const lines = matches.map(({ name, similarity, kind }) =>
    `  ${similarityText(similarity)}  ${kind.padEnd(7)}  ${pathOf(name)}`
  );
  return [file, ...lines.length > 0 ? lines : ["  nothing reaches the threshold"]];
}

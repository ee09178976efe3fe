/** `duplicates`: which pictures of a folder are copies of each other. */

import { DUPLICATES_OPTIONS } from "../options/search.ts";
import type { Table } from "../options.ts";
import type { Duplicates } from "../search/duplicates.ts";
import { picturesPage, type ShownPicture } from "../search/page.ts";
import type { Picture } from "../search/pictures.ts";
import type { Command } from "./command.ts";
import { WRITES } from "./permissions.ts";
import {
  giveResults,
  hrefOf,
  openFolder,
  PICTURE_FLAGS,
  rounded,
  similarityText,
  sizeText,
} from "./picture_index.ts";
import { megabytes, ProgressLine } from "./progress.ts";
import { tell } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

const OPTIONS = { threshold: DUPLICATES_OPTIONS.threshold, ...PICTURE_FLAGS } satisfies Table;

export const duplicatesCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS] DIRECTORY",
  operands: { "DIRECTORY": "Pictures, in it and below" },
  examples: [
    { line: "vgg16 duplicates photos" },
    { line: "vgg16 duplicates photos --out copies.html", permissions: WRITES },
  ],
  options: OPTIONS,
  notes:
    "Nothing is removed: of each set the picture with the most pixels is named first, as the one to " +
    "keep.\n\nExit code: 0, or 1 if an image could not be read, or 2 for a wrong command line.",

  async run([directory, ...more], options, signal) {
    if (directory === undefined || more.length > 0) {
      throw new UsageError("duplicates needs one directory");
    }
    await using folder = await openFolder("duplicates", directory, [], options, signal);
    if (folder === undefined) return 0;
    const { index, pathOf } = folder, { threshold, offline, out } = options;
    using progress = new ProgressLine("Comparing");
    const found = await index.duplicates({
      ...{ threshold, signal },
      onProgress: (far) => progress.show(far),
    });
    const copies = found.flatMap(({ copies }) => copies);
    const bytes = copies.reduce((sum, { bytes }) => sum + bytes, 0);
    const are = copies.length === 1 ? "is a copy of another" : "are copies of others";
    const about = `${copies.length} of ${index.size} pictures ${are}, ${megabytes(bytes)}`;
    await giveResults({
      settings: folder.settings,
      text: found.flatMap((set) => linesOf(set, pathOf)),
      records: found.map(({ keep, copies }) => ({
        keep: recordOf(keep, pathOf),
        copies: copies.map((copy) => ({
          ...recordOf(copy, pathOf),
          similarity: rounded(copy.similarity),
        })),
      })),
      rows: [
        ["set", "file", "keep", "similarity", "width", "height", "bytes"],
        ...found.flatMap(({ keep, copies }, n) =>
          [{ ...keep, similarity: 1 }, ...copies].map((picture, place) => [
            ...[n + 1, pathOf(picture.name), place === 0 ? "yes" : "no"],
            ...[rounded(picture.similarity), picture.width, picture.height, picture.bytes],
          ])
        ),
      ],
      page: () =>
        picturesPage(
          `Copies in ${directory}`,
          `${about}. The framed one of each set is to keep: it has the most pixels.`,
          found.map((set) => shownSet(set, pathOf, out)),
          { offline, signal },
        ),
    }, options);
    tell(about);
    return folder.failed > 0 ? 1 : 0;
  },
};

function linesOf({ keep, copies }: Duplicates, pathOf: (name: string) => string): string[] {
  return [
    `${pathOf(keep.name)}  (${sizeText(keep)})`,
    ...copies.map((copy) =>
      `  ${similarityText(copy.similarity)}  ${pathOf(copy.name)}  (${sizeText(copy)})`
    ),
  ];
}

function shownSet(
  { keep, copies }: Duplicates,
  pathOf: (name: string) => string,
  out: string | undefined,
): ShownPicture[] {
  const shown = (picture: Picture, said: string, isFirst: boolean): ShownPicture => ({
    ...{ name: picture.name, image: pathOf(picture.name), isFirst },
    href: hrefOf(pathOf(picture.name), out),
    caption: said + sizeText(picture),
  });
  return [
    shown(keep, "", true),
    ...copies.map((copy) => shown(copy, `${similarityText(copy.similarity)}, `, false)),
  ];
}

function recordOf(
  { name, width, height, bytes }: Picture,
  pathOf: (name: string) => string,
): Record<string, unknown> {
  return { file: pathOf(name), width, height, bytes };
}

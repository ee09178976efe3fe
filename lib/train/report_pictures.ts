/** What a fit's report shows of single pictures. */

import type { ImageOptions } from "../image/image.ts";
import { type Dataset, openSample } from "../input/dataset.ts";
import { publicText } from "../public_url.ts";
import { figureRow } from "../report/figures.ts";
import { foldedTable, htmlTable, htmlText, percent } from "../report/html.ts";
import type { Assessment, JudgedPicture, LabeledPicture } from "./assess.ts";
import { byClasses, equalNames } from "./words.ts";

/** Pictures that a section shows, and others that it names. */
const SHOWN = 24, NAMED = 500;
/** Groups of duplicates of several classes of which a picture is shown. */
const SHOWN_GROUPS = 12;

/** What a section says of pictures that were judged. */
export interface Section {
  readonly about: string;
  /** Of each one, as HTML. */
  readonly caption: (picture: JudgedPicture) => string;
}

/** Pictures whose label may be wrong. */
export const SUSPECTS: Section = {
  about:
    "The model had not learned from these pictures, and is as sure of another class than their label's as it " +
    "usually is of that class's own pictures. Some labels are wrong, some pictures are hard: look at them.",
  caption: ({ label, predicted, score }) =>
    `labeled <b>${htmlText(label)}</b><br>looks like <b>${htmlText(predicted)}</b><br>${
      percent(score, 1)
    }`,
};

/** Other mistakes. */
export const WRONG: Section = {
  about: "Those whose label is least likely come first.",
  caption: ({ label, predicted, score }) =>
    `is <b>${htmlText(label)}</b><br>taken for <b>${htmlText(predicted)}</b><br>${
      percent(score, 1)
    }`,
};

/** The pictures of a data set, in a page. */
export class ShownPictures {
  /** The folder that holds all of them. */
  readonly folder: string;
  readonly #byFile: ReadonlyMap<string, Dataset["samples"][number]>;
  readonly #reading: ImageOptions;

  constructor({ samples }: Dataset, reading: ImageOptions) {
    this.folder = commonFolder(samples.map(({ file }) => publicText(file)));
    this.#byFile = new Map(samples.map((sample) => [sample.file, sample]));
    this.#reading = reading;
  }

  /** The first ones as pictures, more of them by name. */
  async judged(
    pictures: readonly JudgedPicture[],
    { about, caption }: Section,
  ): Promise<string> {
    if (pictures.length === 0) return "";
    const rows = pictures.slice(SHOWN, SHOWN + NAMED).map((picture) => [
      ...[this.#name(picture), picture.label, picture.predicted, percent(picture.score, 1)],
    ]);
    const row = await this.#row(pictures.slice(0, SHOWN), caption);
    const rest = foldedTable([["picture", "label", "taken for", "score"], ...rows]);
    const left = pictures.length - SHOWN - NAMED;
    return `<p>${about}</p>${row}${rest}${left > 0 ? `<p>${left} are not listed.</p>` : ""}`;
  }

  /** Those with several labels, and then those with one. */
  async duplicates({ duplicates }: Assessment): Promise<string> {
    const { between, within } = byClasses(duplicates);
    const list = (groups: readonly (readonly LabeledPicture[])[]): string =>
      htmlTable([
        ["pictures", "labels"],
        ...groups.slice(0, NAMED).map((group) => [
          equalNames(group.map((picture) => this.#name(picture))),
          [...new Set(group.map(({ label }) => label))].join(", "),
        ]),
      ]) + (groups.length > NAMED ? `<p>${groups.length - NAMED} are not listed.</p>` : "");
    const shown = new Map(between.slice(0, SHOWN_GROUPS).map((group) => [group[0]!, group]));
    const caption = (picture: LabeledPicture): string =>
      [...new Set(shown.get(picture)!.map(({ label }) => `<b>${htmlText(label)}</b>`))].join(
        " and ",
      );
    return [
      ...between.length === 0 ? [] : [
        "<p>These are in several classes. One label of each is wrong, or the classes are not told apart by what " +
        "they show:</p>",
        await this.#row([...shown.keys()], caption),
        list(between),
      ],
      ...within.length === 0 ? [] : [
        "<p>These are more than once in their class. None of them judged another one:</p>",
        list(within),
      ],
    ].join("\n");
  }

  async #row<Shown extends LabeledPicture>(
    pictures: readonly Shown[],
    caption: (picture: Shown) => string,
  ): Promise<string> {
    const figures = pictures.map((picture) => {
      const { file } = picture, sample = this.#byFile.get(file) ?? { file };
      return {
        file,
        open: () => openSample(sample, this.#reading.signal),
        caption: `${caption(picture)}<br><small>${htmlText(this.#name(picture))}</small>`,
      };
    });
    return await figureRow(figures, this.#reading);
  }

  /** Its path below the folder of all. */
  #name({ file }: LabeledPicture): string {
    const name = publicText(file);
    return name.startsWith(this.folder) ? name.slice(this.folder.length) : name;
  }
}

/** The beginning that paths have in common, with whole folders. */
function commonFolder(paths: readonly string[]): string {
  let [folder = ""] = paths;
  const cut = (): string => folder.slice(0, folder.search(/[^/\\]*[/\\]?$/));
  folder = cut();
  for (const path of paths) while (!path.startsWith(folder)) folder = cut();
  return folder;
}

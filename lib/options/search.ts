/** The options of an index of pictures. */

import {
  choice,
  CLASSIFIER_OPTIONS,
  flag,
  IMAGE_OPTIONS,
  integer,
  number,
  PROGRESS_OPTION,
  SIGNAL_OPTION,
  type Table,
  text,
} from "../options.ts";

const isAll = (value: unknown): value is number => value === Infinity;

/** `openIndex()`. */
export const INDEX_OPTIONS = {
  file: text({ placeholder: "FILE", unset: "memory alone" }, "Where the index is kept"),
  rebuild: flag(
    { default: false },
    "Begin anew where the index is damaged, or was made with another model or version",
  ),
  ...CLASSIFIER_OPTIONS,
} satisfies Table;

/** `SearchIndex.update()`. */
export const UPDATE_OPTIONS = { ...IMAGE_OPTIONS, ...PROGRESS_OPTION } satisfies Table;

/** `SearchIndex.similar()`. */
export const SIMILAR_OPTIONS = {
  topK: integer(
    { min: 1, default: 10, also: { is: isAll, called: "Infinity for all" } },
    "Pictures at most, most similar first",
  ),
  threshold: number({ min: 0, max: 1, default: 0 }, "Only pictures at least so similar"),
  by: choice(
    { choices: ["look", "meaning", "both"], default: "both" },
    "What is compared: look finds copies, meaning the same kind of thing",
  ),
  ...IMAGE_OPTIONS,
} satisfies Table;

/** `SearchIndex.duplicates()`. */
export const DUPLICATES_OPTIONS = {
  threshold: number(
    { min: 0, max: 1, unset: "measured" },
    "Similarity from which on pictures are copies",
  ),
  ...PROGRESS_OPTION,
  ...SIGNAL_OPTION,
} satisfies Table;

/** What pictures are compared by: data, chosen by measurement (docs/entries/search.md has the table). */

import type { LayerName } from "../model/architecture.ts";

/** A part of a picture: its place and its size, as parts of the picture's. */
export interface Part {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** How a picture becomes vectors, and what their similarities mean. */
export interface Recipe {
  /** What is seen: the square in the middle, or all of the picture in about its proportions. */
  readonly sees: "center" | "whole";
  /** Pixels of the shorter side. */
  readonly side: number;
  /** Whether the mirror image is looked at too, and what is said of both averaged. */
  readonly mirrored: boolean;
  /** Layers that are averaged over a part and scaled to a length of 1; they lie side by side in a vector. */
  readonly layers: readonly LayerName[];
  /** What gets a vector each: first all that is seen, then parts of it. */
  readonly parts: readonly Part[];
  /** The similarity from which on pictures are copies. */
  readonly copies: number;
}

/** All of a picture. */
const ALL: Part = { left: 0, top: 0, width: 1, height: 1 };

/** By what pictures are compared: `"look"` finds copies, `"meaning"` the same kind of thing. */
export type By = "look" | "meaning";

/** The recipes. */
export const RECIPES: Readonly<Record<By, Recipe>> = {
  /** What looks the same: copies, however they were scaled, cropped, compressed. */
  look: {
    ...{ sees: "center", side: 128, mirrored: true, layers: ["pool5"], parts: [ALL] },
    copies: 0.9,
  },
  /** What shows the same kind of thing. */
  meaning: {
    ...{ sees: "center", side: 128, mirrored: true, layers: ["pool5"], parts: [ALL] },
    copies: 0.9,
  },
};

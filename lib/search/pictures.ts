/** The pictures of an index: what is known of each, and what they are compared by, in memory. */

import { MEANING } from "../output/embedding.ts";
import type { Description } from "./describe.ts";
import { Vectors } from "./vectors.ts";

/** A picture of an index. */
export interface Picture {
  /** What it is called: no other of the index is. */
  readonly name: string;
  /** Pixels in a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** Bytes of its file. */
  readonly bytes: number;
  /** When its file was changed, in milliseconds since 1970, where that is known. */
  readonly modifiedMs?: number | undefined;
}

/** By what pictures are compared. */
export type By = "look" | "meaning" | "both";

/** Pictures in the order in which they came. */
export class Pictures {
  readonly look: Vectors;
  readonly meaning: Vectors;
  readonly #all: Picture[] = [];
  readonly #rest: Omit<Description, "look" | "meaning">[] = [];
  readonly #positions = new Map<string, number>();

  constructor(lengths: { readonly look: number; readonly meaning: number }) {
    [this.look, this.meaning] = [new Vectors(lengths.look), new Vectors(lengths.meaning)];
  }

  get count(): number {
    return this.#all.length;
  }

  at(position: number): Picture {
    return this.#all[position]!;
  }

  positionOf(name: string): number | undefined {
    return this.#positions.get(name);
  }

  /** What one is compared by; views, until the next change. */
  describe(position: number): Description {
    const look = this.look.row(position), meaning = this.meaning.row(position);
    return { ...this.#rest[position]!, look, meaning };
  }

  /** Adds a picture, or replaces the one of its name. */
  put(picture: Picture, { look, meaning, content, certainty, layout }: Description): void {
    const position = this.#positions.get(picture.name) ?? this.count;
    this.look.put(position, look);
    this.meaning.put(position, meaning);
    this.#all[position] = picture;
    this.#rest[position] = { content, certainty, layout };
    this.#positions.set(picture.name, position);
  }

  /** Removes those that are not to stay. Returns how many. */
  keep(isKept: (picture: Picture) => boolean): number {
    const before = this.count;
    let to = 0;
    this.#positions.clear();
    for (let from = 0; from < before; from++) {
      const picture = this.#all[from]!;
      if (!isKept(picture)) continue;
      this.#all[to] = picture;
      this.#rest[to] = this.#rest[from]!;
      this.look.move(from, to);
      this.meaning.move(from, to);
      this.#positions.set(picture.name, to++);
    }
    this.#all.length = this.#rest.length = to;
    return before - to;
  }

  /** How alike a picture and those from `first` on are, 0…1: cosines. */
  compare(description: Description, by: By, first: number, similarities: Float64Array): void {
    if (by === "meaning") return this.meaning.compare(description.meaning, first, similarities);
    this.look.compare(description.look, first, similarities);
    if (by === "look") return;
    const meanings = new Float64Array(similarities.length);
    this.meaning.compare(description.meaning, first, meanings);
    // Both vectors, the meaning's so long as its scores are, side by side in one of length 1.
    const own = MEANING * description.certainty, ownLook = Math.sqrt(1 - own * own);
    for (let n = 0; n < similarities.length; n++) {
      const other = MEANING * this.#rest[first + n]!.certainty;
      similarities[n] = own * other * meanings[n]! +
        ownLook * Math.sqrt(1 - other * other) * similarities[n]!;
    }
  }
}

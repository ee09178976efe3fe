/** What the numbers of a sequence say about what lies between its layers: modules without weights. */

import type { LayerTensors } from "./names.ts";

/** `features.7` is number 7 of `features`. */
interface Place {
  readonly parent: string;
  readonly number: number;
}

function placeOf(name: string): Place | undefined {
  const [, parent = "", number] = /^(?:(.*)[./])?(\d+)$/.exec(name) ?? [];
  return number === undefined ? undefined : { parent, number: Number(number) };
}

/** The layers and normalizations of a file, in their numbered sequences. */
export class Positions {
  readonly #places = new Map<string, Place>();

  /**
   * @param layers With weights and statistics.
   * @param convolutions In order. Where a network is cut into slices, its numbers may go on through them:
   *   `slice1.0`, `slice2.2`, `slice2.5`.
   */
  constructor(layers: readonly LayerTensors[], convolutions: readonly LayerTensors[]) {
    for (const { name } of layers) {
      const place = placeOf(name);
      if (place !== undefined) this.#places.set(name, place);
    }
    const placed = convolutions.map(({ name }) => this.#places.get(name));
    const parents = new Set(placed.map((place) => place?.parent));
    const goesOn = parents.size > 1 &&
      placed.every((place, i) =>
        place !== undefined && (i === 0 || place.number > placed[i - 1]!.number)
      );
    if (!goesOn) return;
    for (const [name, { parent, number }] of this.#places) {
      if (parents.has(parent)) this.#places.set(name, { parent: "(slices)", number });
    }
  }

  /**
   * How many modules without weights lie between two layers of one sequence; `undefined` where the names do
   * not tell.
   */
  between(a: LayerTensors, b: LayerTensors): number | undefined {
    const from = this.#places.get(a.name), to = this.#places.get(b.name);
    if (from === undefined || to === undefined || from.parent !== to.parent) return undefined;
    const others = [...this.#places.values()].filter(({ parent, number }) =>
      parent === from.parent && number > from.number && number < to.number
    );
    return to.number - from.number - 1 - others.length;
  }

  /** Its number, where it is in a sequence. */
  numberOf(layer: LayerTensors): number | undefined {
    return this.#places.get(layer.name)?.number;
  }

  /** How many modules without weights a sequence begins with, before its first layer. */
  before(layer: LayerTensors): number | undefined {
    const place = this.#places.get(layer.name);
    if (place === undefined) return undefined;
    const isFirst = [...this.#places.values()].every(({ parent, number }) =>
      parent !== place.parent || number >= place.number
    );
    return isFirst ? place.number : undefined;
  }

  /** The nearest of `layers` in the same sequence, before or after one. */
  neighbor<T extends LayerTensors>(
    layer: LayerTensors,
    layers: readonly T[],
    side: "before" | "after",
  ): T | undefined {
    const place = this.#places.get(layer.name);
    if (place === undefined) return undefined;
    const distance = (other: LayerTensors): number => {
      const there = this.#places.get(other.name);
      if (there?.parent !== place.parent) return Infinity;
      const steps = there.number - place.number;
      return side === "after" ? (steps > 0 ? steps : Infinity) : (steps < 0 ? -steps : Infinity);
    };
    const nearest = layers.toSorted((a, b) => distance(a) - distance(b))[0];
    return nearest !== undefined && distance(nearest) < Infinity ? nearest : undefined;
  }
}

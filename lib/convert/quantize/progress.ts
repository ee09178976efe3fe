/**
 * What a conversion has found so far. With it, and with the file that is written so far, another one can
 * go on.
 *
 * @module
 */

import type { QuantizedFilter } from "./channels.ts";

/** Progress that is not kept; `partial_model.ts` keeps it on the disk. */
export class ConversionProgress {
  /** The small tensors that were read, by name. */
  readonly vectors: Map<string, Float32Array> = new Map();
  readonly #filters = new Map<string, QuantizedFilter[]>();

  /** What was found for the output channels of a layer whose weights are written. */
  filtersOf(layer: string): QuantizedFilter[] {
    const known = this.#filters.get(layer) ?? [];
    this.#filters.set(layer, known);
    return known;
  }

  /** All layers that were begun, in the order in which they were. */
  get filters(): ReadonlyMap<string, QuantizedFilter[]> {
    return this.#filters;
  }

  /** More is done than before. */
  save(): Promise<void> | void {}

  /** All tensors are read; from here on what is written changes, so that it cannot be taken up again. */
  end(): Promise<void> | void {}
}

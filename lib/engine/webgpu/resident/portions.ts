/**
 * What of a run is handed to the device at once, where the run may have to end early: enough to
 * keep it busy, and little enough to be over soon.
 */

import type { PlannedLayer } from "./plan.ts";

/** Multiplications and additions of the first portion: a tenth of VGG16. */
const FIRST_OPERATIONS = 4e9;
/** A portion that takes less or more than this was too small or too large. */
const LEAST_MS = 50, MOST_MS = 200;

/** Cuts plans between layers, by how fast the device has been. */
export class Portions {
  #operations = FIRST_OPERATIONS;

  /** The names of the layers of each portion, in order. */
  cut(plan: readonly PlannedLayer[]): ReadonlySet<string>[] {
    const portions: Set<string>[] = [];
    let operations = Infinity;
    for (const planned of plan) {
      if (operations >= this.#operations && !planned.again) {
        portions.push(new Set());
        operations = 0;
      }
      portions.at(-1)!.add(planned.layer.name);
      operations += planned.operations;
    }
    return portions;
  }

  /** Learns how long a portion took. */
  took(ms: number): void {
    if (ms < LEAST_MS) this.#operations *= 2;
    if (ms > MOST_MS) this.#operations = Math.max(FIRST_OPERATIONS, this.#operations / 2);
  }
}

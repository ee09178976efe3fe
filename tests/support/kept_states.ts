/**
 * The states of a training in memory, one for each epoch.
 *
 * @module
 */

import type { State, StateArrays, StateStore } from "../../lib/train/state.ts";

/** What a training kept after an epoch. */
export interface KeptState {
  readonly state: State;
  readonly arrays: StateArrays;
}

/** A store that adds copies to `kept`, and has `from`, if anything. */
export function keepStates(kept: KeptState[], from?: KeptState): StateStore {
  return {
    load: (arrays) => {
      if (from === undefined) return Promise.resolve(undefined);
      for (const [name, array] of Object.entries(arrays)) array.set(from.arrays[name]!);
      return Promise.resolve(structuredClone(from.state));
    },
    save: (state, arrays) => Promise.resolve(void kept.push(structuredClone({ state, arrays }))),
  };
}

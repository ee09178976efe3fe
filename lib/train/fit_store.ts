/** What a fit keeps in its directory, from which a later call goes on. */

import type { Engine } from "../engine/engine.ts";
import type { IndexedSample } from "../input/dataset.ts";
import { featureLength } from "../model/readout.ts";
import { VERSION } from "../version.ts";
import type { FeatureStore } from "./features.ts";
import type { Frozen } from "./frozen.ts";
import type { RecordStore } from "./maps.ts";
import type { StateStore } from "./state.ts";
import { featureFile } from "./feature_file.ts";
import { keyOf, modelKey, samplesKey } from "./keys.ts";
import { recordFile } from "./records.ts";
import { stateFile } from "./state_file.ts";

/** Where a fit keeps what takes long. */
export interface FitStore {
  readonly features: FeatureStore;
  readonly state: (settings: unknown) => Promise<StateStore>;
  readonly records: (size: number) => Promise<RecordStore & Disposable>;
}

/** What an earlier fit on the same pictures, layers and numbers kept. */
export async function storeOf(
  { model, features }: Frozen,
  { backend, precision }: Engine,
  samples: readonly IndexedSample[],
  directory: string | undefined,
): Promise<FitStore | undefined> {
  if (directory === undefined) return undefined;
  const key = await keyOf([
    VERSION, // Another one may read pictures in another way.
    await modelKey(model),
    model.architecture,
    model.preprocessing,
    features,
    // Floats may differ in their last bits.
    precision === "float" ? [precision, backend] : precision,
    await samplesKey(samples),
  ]);
  const length = featureLength(features, model.architecture);
  return {
    features: await featureFile(directory, key, length),
    state: async (settings) => stateFile(directory, await keyOf([key, settings])),
    records: (size) => recordFile(directory, key, size),
  };
}

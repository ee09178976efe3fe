/** What a fit keeps in its directory, from which a later call goes on. */

import type { Engine } from "../engine/engine.ts";
import { modelHash } from "../model/model_hash.ts";
import { featureLength } from "../model/readout.ts";
import { VERSION } from "../version.ts";
import type { FeatureStore } from "./feature_store.ts";
import type { Frozen } from "./frozen.ts";
import type { RecordStore } from "./maps.ts";
import type { StateStore } from "./state.ts";
import { featureFile } from "./feature_file.ts";
import { keyOf } from "./keys.ts";
import { recordFile } from "./records.ts";
import { stateFile } from "./state_file.ts";

/** Where a fit keeps what takes long. */
export interface FitStore {
  readonly features: FeatureStore;
  /** What depends on the pictures that features were made of, all of them, in their order. */
  readonly of: (pictures: LearnedFrom) => PicturesStore;
}

/** All pictures that a fit learns from. */
export interface LearnedFrom {
  /** SHA-256 of each one's pixels. */
  readonly fingerprints: readonly string[];
  /** The class of each. */
  readonly labels: ArrayLike<number>;
}

/** Where a fit keeps what depends on all of its pictures. */
export interface PicturesStore {
  readonly state: (settings: unknown) => Promise<StateStore>;
  /** Records of pictures by their positions, whatever their classes are. */
  readonly records: (size: number) => Promise<RecordStore & Disposable>;
}

/** How a store is opened. */
export interface StoreOptions {
  /** Default: this one. */
  readonly version?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What an earlier fit on the same layers and numbers kept. */
export async function storeOf(
  frozen: Frozen,
  engine: Pick<Engine, "backend" | "precision">,
  directory: string | undefined,
  { version = VERSION, signal }: StoreOptions = {},
): Promise<FitStore | undefined> {
  if (directory === undefined) return undefined;
  const { model, sha256, features } = frozen, { backend, precision } = engine;
  const key = await keyOf([
    version, // Another one may read pictures in another way.
    await modelHash(model, { sha256, signal }),
    model.architecture,
    model.preprocessing,
    features,
    // Floats may differ in their last bits.
    precision === "float" ? [precision, backend] : precision,
  ]);
  const length = featureLength(features, model.architecture);
  return {
    features: await featureFile(directory, key, length),
    of: ({ fingerprints, labels }) => {
      const trained = (settings: unknown) =>
        keyOf([key, fingerprints, Array.from(labels), settings]);
      return {
        state: async (settings) => stateFile(directory, await trained(settings)),
        records: async (size) =>
          recordFile(directory, await keyOf([key, fingerprints]), size, signal),
      };
    },
  };
}

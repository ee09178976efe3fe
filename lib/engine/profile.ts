/** What each layer of a network costs on this machine. */

import type { Architecture } from "../model/architecture.ts";
import { completeOptions, PROFILE_OPTIONS } from "../options.ts";
import type { Batch, Engine, LayerProfile } from "./engine.ts";

/** Options of `Classifier.profile()`. */
export interface ProfileOptions {
  /** Images at once, 1 to 64. Default: 1. */
  readonly batch?: number | undefined;
  /** Runs, of which each layer's median counts, 1 to 100. Default: 5. */
  readonly runs?: number | undefined;
  /** Ends the runs early. */
  readonly signal?: AbortSignal | undefined;
}

/** The median time of each layer, on blank images; one run before does not count. */
export async function medianProfile(
  engine: Engine,
  architecture: Architecture,
  options: ProfileOptions,
): Promise<LayerProfile[]> {
  const { batch: count, runs } = completeOptions(PROFILE_OPTIONS, options), { signal } = options;
  const batch = blankBatch(architecture, count);
  await engine.run(batch, { signal });
  const results: LayerProfile[] = [];
  for (let run = 0; run < runs; run++) results.push(...await engine.profile(batch, { signal }));
  return [...Map.groupBy(results, ({ layer }) => layer).values()]
    .map((times) => times.sort((a, b) => a.ms - b.ms)[times.length >> 1]!);
}

/** Gray images: what the pixels are does not change the time. */
function blankBatch({ input: { height, width, channels } }: Architecture, count: number): Batch {
  const data = new Uint8Array(count * height * width * channels).fill(128);
  return { data, count, height, width };
}

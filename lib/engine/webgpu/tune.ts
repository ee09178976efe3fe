/**
 * Chooses the tiles of convolutions by timing candidates on the device. No result depends on the choice.
 *
 * @module
 */

import { join } from "@std/path/join";
import type { Precision } from "../engine.ts";
import type { Program } from "../program.ts";
import type { Gpu } from "./device.ts";
import type { MemoryKind } from "./memory.ts";
import { type LayerPlan, planLayers } from "./plan.ts";
import { operationsOf } from "./profile.ts";
import {
  canCompute,
  type Candidate,
  candidateName,
  CANDIDATES,
  defaultTile,
  defaultTuning,
  type Tuning,
} from "./tile.ts";
import { trial } from "./trial.ts";

/** What a load may spend on trials, compiling them included. What is left waits for the next load. */
const BUDGET_MS = 2000;
/** Changes when the kernels do. */
const VERSION = 2;

/** Names of candidates by shape, for each adapter. */
type Cache = Record<string, Record<string, string>>;

/**
 * Times candidates for each shape of convolution, the costliest first, and keeps the choices in `cacheDir`. The memory is
 * that of the costliest shape's best candidate. Nobody else may be using the device.
 */
export async function tuneConvolutions(
  gpu: Gpu,
  program: Program,
  precision: Precision,
  cacheDir: string,
): Promise<Tuning> {
  const path = join(cacheDir, "webgpu_tuning.json");
  const cache = await readCache(path);
  const adapter = [VERSION, gpu.description, gpu.driver, precision].join(" | ");
  const known = { ...cache[adapter] };
  const defaults = defaultTuning(gpu.isFallback);
  const deadline = performance.now() + BUDGET_MS;
  const convolutions: Record<string, Candidate["tile"]> = {};
  let memory: MemoryKind | undefined;
  for (const step of costliestFirst(program, precision)) {
    const shape = shapeOf(step);
    const usable = CANDIDATES.filter((candidate) =>
      (memory === undefined || candidate.memory === memory) &&
      canCompute(candidate.tile, step)
    );
    let choice = usable.find((candidate) => candidateName(candidate) === known[shape]);
    if (choice === undefined && performance.now() < deadline) {
      choice = await fastest(gpu, precision, step, inOrder(usable, defaults, step), deadline);
      known[shape] = candidateName(choice);
    }
    memory ??= choice?.memory ?? defaults.memory;
    if (choice !== undefined) convolutions[step.layer.name] = choice.tile;
  }
  if (JSON.stringify(known) !== JSON.stringify(cache[adapter] ?? {})) {
    await writeCache(path, { ...cache, [adapter]: known });
  }
  return {
    memory: memory ?? defaults.memory,
    convolutions,
    dense: memory === undefined || memory === defaults.memory
      ? defaults.dense
      : defaultTuning(!gpu.isFallback).dense,
  };
}

/** The layers of one image of the training size that the convolution kernel computes. */
function costliestFirst(program: Program, precision: Precision): LayerPlan[] {
  const { height, width, channels } = program.input;
  const data = new Uint8Array(height * width * channels);
  return planLayers(program, precision, { data, count: 1, height, width })
    .filter(({ kernel }) => kernel === "convolution")
    .toSorted((a, b) => operationsOf(b) - operationsOf(a));
}

function shapeOf({ layer, input, output, pool }: LayerPlan): string {
  const { kernel, outChannels } = layer;
  return `${kernel.join("x")} ${input.channels}-${outChannels} ${output.height}x${output.width}${
    pool ? " pool" : ""
  }`;
}

/** The default first: it is what is taken if there is time for no other. */
function inOrder(
  candidates: readonly Candidate[],
  defaults: Tuning,
  step: LayerPlan,
): Candidate[] {
  const first = candidateName({ memory: defaults.memory, tile: defaultTile(defaults, step) });
  const rank = (candidate: Candidate): number =>
    candidateName(candidate) === first ? 0 : candidate.memory === defaults.memory ? 1 : 2;
  return candidates.toSorted((a, b) => rank(a) - rank(b));
}

/** The fastest of those that there is time for, at least of two. */
async function fastest(
  gpu: Gpu,
  precision: Precision,
  step: LayerPlan,
  candidates: readonly Candidate[],
  deadline: number,
): Promise<Candidate> {
  let [best] = candidates;
  let bestMs = Infinity;
  let timed = 0;
  for (const candidate of candidates) {
    if (timed >= 2 && performance.now() >= deadline) break;
    const ms = await trial(gpu, precision, step, candidate);
    timed++;
    if (ms < bestMs) [best, bestMs] = [candidate, ms];
  }
  return best;
}

/** A cache that cannot be read or is damaged is empty: the trial is made again. */
async function readCache(path: string): Promise<Cache> {
  try {
    const cache: unknown = JSON.parse(await Deno.readTextFile(path));
    return typeof cache === "object" && cache !== null ? cache as Cache : {};
  } catch {
    return {};
  }
}

/** A cache that cannot be written costs the next load a trial, and nothing else. */
async function writeCache(path: string, cache: Cache): Promise<void> {
  try {
    await Deno.mkdir(join(path, ".."), { recursive: true });
    const draft = `${path}.${crypto.randomUUID()}.tmp`;
    await Deno.writeTextFile(draft, JSON.stringify(cache, undefined, 2));
    await Deno.rename(draft, path);
  } catch (error) {
    if (
      !(error instanceof Deno.errors.NotCapable || error instanceof Deno.errors.PermissionDenied)
    ) {
      throw error;
    }
  }
}

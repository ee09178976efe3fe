/**
 * Chooses the tiles of convolutions by timing candidates on the device. No result depends on the choice.
 *
 * @module
 */

import { join } from "@std/path/join";
import type { Precision } from "../engine.ts";
import type { Program } from "../program.ts";
import { type ConvolutionAttributes, convolutionWorkgroups, convolve } from "./convolution.ts";
import type { Gpu } from "./device.ts";
import { checked } from "./errors.ts";
import { elements, stateVectors } from "./layout.ts";
import { Memory, type MemoryKind } from "./memory.ts";
import { type LayerPlan, planLayers } from "./plan.ts";
import { operationsOf, timeOnDevice } from "./profile.ts";
import {
  type Candidate,
  candidateName,
  CANDIDATES,
  canPool,
  defaultTile,
  defaultTuning,
  type Tuning,
} from "./tile.ts";
import { weightVectors } from "./weights.ts";

/** What a load may spend on trials, compiling them included. What is left waits for the next load. */
const BUDGET_MS = 2000;
/** A trial computes as many rows of a layer as this many operations allow. */
const TRIAL_OPERATIONS = 1e8;
const TRIAL_RUNS = 3;
/** Changes when the kernels do. */
const VERSION = 1;

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
      (!step.pool || canPool(candidate.tile))
    );
    let choice = usable.find((candidate) => candidateName(candidate) === known[shape]);
    if (choice === undefined && performance.now() < deadline) {
      choice = await fastest(gpu, precision, step, inOrder(usable, defaults), deadline);
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
function inOrder(candidates: readonly Candidate[], defaults: Tuning): Candidate[] {
  const first = candidateName({ memory: defaults.memory, tile: defaultTile(defaults) });
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

/** The least milliseconds that some rows of a layer take, on whatever lies in memory. */
async function trial(
  gpu: Gpu,
  precision: Precision,
  step: LayerPlan,
  { memory: kind, tile }: Candidate,
): Promise<number> {
  const memory = new Memory(gpu.backend);
  try {
    const attributes = { ...fewRows(step), precision, tile };
    const { input, output, padding, pool } = attributes;
    const perVector = precision === "int8" ? 16 : 4;
    const record = await checked(gpu.device, () => {
      const [x, y] = convolutionWorkgroups({ output, pool, tile });
      const tensors = {
        x: memory.allocate(elements(input) / perVector, kind),
        weights: memory.allocate(weightVectors(step.layer, false), kind),
        scales: memory.allocate(stateVectors(output.channels), kind),
      };
      const gives = memory.allocate(elements(output) / 4 + x * y, kind);
      return () => convolve(gpu.backend, tensors, { ...attributes, padding }, gives);
    });
    let least = Infinity;
    // The first one compiles.
    for (let run = 0; run <= TRIAL_RUNS; run++) {
      const ms = await timeOnDevice(gpu, record);
      if (run > 0) least = Math.min(least, ms);
    }
    return least;
  } finally {
    if (gpu.lost() === undefined) memory[Symbol.dispose]();
  }
}

/** A layer cut down to its first rows, an even number of them. */
function fewRows(step: LayerPlan): Omit<ConvolutionAttributes, "precision" | "tile"> {
  const { layer, input, output, pool, padding } = step;
  const [kernelHeight] = layer.kernel;
  const rows = input.height + 2 * padding - kernelHeight + 1;
  const affordable = Math.floor(rows * TRIAL_OPERATIONS / operationsOf(step) / 2) * 2;
  const kept = Math.min(rows, Math.max(4, affordable));
  return {
    kernel: layer.kernel,
    padding,
    relu: layer.relu,
    pool,
    input: { ...input, images: 1, height: kept + kernelHeight - 1 - 2 * padding },
    output: { ...output, images: 1, height: pool ? kept >> 1 : kept },
  };
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

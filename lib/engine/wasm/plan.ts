/**
 * A plan: the network's layers as steps for one size of input, written into memory where all
 * threads read it.
 *
 * The convolutions and the average run for few images at once, the dense layers for all of them, so
 * that their weights (nine tenths of a VGG) are read once.
 */

import type { Batch } from "../engine.ts";
import type { LayerOutput } from "../geometry.ts";
import { reciprocalOf } from "../program.ts";
import { type Fields, type Memory, placesIn, wordsOf } from "./memory.ts";
import {
  activationBytes,
  type Algorithm,
  inputBytes,
  isDense,
  packedGeometries,
  type PackedGeometry,
  scratchBytes,
  type Stage,
  transformedBytes,
  valueBytes,
} from "./stage.ts";
import {
  beginOf,
  beginStep,
  layerSteps,
  type Planned,
  poolStep,
  requantizeStep,
  tabulateStep,
} from "./steps.ts";
import { Image, Layer, Step } from "./structs.ts";
import type { PackedNetwork } from "./weights.ts";

/** Bytes of structs in memory. */
export const STEP_BYTES = 4 * wordsOf(Step, {}).length;
export const IMAGE_BYTES = 4 * wordsOf(Image, {}).length;
const STEP = placesIn(Step);

/** Which algorithm a layer takes for so many images. */
export type Choose = (geometry: PackedGeometry, images: number) => Algorithm;

/** The number and size of images that a plan is for. */
export type PlanSize = Pick<Batch, "count" | "height" | "width">;

/** One step as the host sees it. */
export interface PlannedStep extends Omit<Planned, "fields"> {
  readonly address: number;
}

/** What a layer gives: int32 or float32 `[images, height, width, padded]`. */
export interface Values {
  readonly stage: Stage;
  readonly address: number;
}

/** Steps one behind the other in memory, and the values that are read after them, if some are. */
export interface Segment {
  readonly steps: readonly PlannedStep[];
  readonly read: Values | undefined;
}

/** Steps in memory. */
export interface Plan extends PlanSize {
  readonly outputs: readonly LayerOutput[];
  /** Run once for each `together` images; the average is one of them. */
  readonly convolutions: readonly Segment[];
  /** Run once. */
  readonly dense: readonly Segment[];
  /** Images that go through the convolutions at once: 1 or all. */
  readonly together: number;
  /** Prepares the convolutions for the images from `first` on. */
  select(first: number): void;
  /** Where the images' bytes go, `[count, height, width, channels]`. */
  readonly input: number;
  /** An `Image` of structs.ts for each. */
  readonly images: number;
}

/** Images go through the convolutions together if all of them need less than this, */
const TOGETHER_BYTES = 24 * 2 ** 20;
/** or else one by one if so few would fit. */
const FEW_TOGETHER = 8;
/** Images of one plan at most: what the dense layers need is small, but not nothing. */
const MOST_IMAGES = 256;

/** Images that one plan should handle. */
export function imagesAtOnce(
  network: PackedNetwork,
  size: PlanSize,
  outputs: readonly LayerOutput[],
): number {
  const images = Math.floor(TOGETHER_BYTES / imageBytes(packedGeometries(network, size, outputs)));
  return Math.min(MOST_IMAGES, images >= FEW_TOGETHER ? images : MOST_IMAGES);
}

/** Bytes that the convolutions need for one image. */
function imageBytes(geometries: readonly PackedGeometry[]): number {
  const convolutions = geometries.filter((geometry) => !isDense(geometry));
  return Math.max(0, ...convolutions.map((each) => activationBytes(each) + valueBytes(each)));
}

/** Threads do not write into each other's cache lines. */
const ceil64 = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** Plans the layers up to the last output. Allocates what the plan needs. */
export function makePlan(
  memory: Memory,
  network: PackedNetwork,
  { count, height, width }: PlanSize,
  outputs: readonly LayerOutput[],
  threads: number,
  choose: Choose,
): Plan {
  const geometries = packedGeometries(network, { height, width }, outputs);
  const together = imageBytes(geometries) * count <= TOGETHER_BYTES ? count : 1;
  const stages = geometries.map((geometry) => {
    const images = isDense(geometry) ? count : together;
    const layer = { ...geometry.layer, constants: constantsOf(memory, geometry) };
    return { ...geometry, layer, images, algorithm: choose(geometry, images) };
  });
  const firstDense = stages.find(isDense);
  const most = (of: readonly Stage[], bytes: (stage: Stage) => number): number =>
    Math.max(0, ...of.map(bytes));

  const pixels = height * width * network.layers[0]!.inChannels;
  const input = memory.allocate(count * pixels);
  const images = memory.allocate(count * IMAGE_BYTES);
  const scratchOf = ceil64(most(stages, scratchBytes));
  const common = {
    image: images,
    v: memory.allocate(most(stages, (stage) => valueBytes(stage) * stage.images)),
    scaled: memory.allocate(most(stages, ({ layer, images }) => images * layer.padded * 8)),
    transformed: memory.allocate(most(stages, transformedBytes)),
    scratchBytes: scratchOf,
    scratch: memory.allocate(threads * scratchOf),
  };
  // Each thread's scratch begins with the filter that it has transformed: none yet.
  for (let thread = 0; thread < threads; thread++) {
    memory.words[(common.scratch + thread * scratchOf) / 4] = 0;
  }
  const x = memory.allocate(most(stages.filter((stage) => stage !== firstDense), inputBytes));
  const handoff = memory.allocate(firstDense ? inputBytes(firstDense) : 0);
  const xOf = (stage: Stage): number => stage === firstDense ? handoff : x;

  const again = stages.filter((stage) => stage.again);
  const pooled = memory.allocate(most(again, (stage) => valueBytes(stage) * stage.images));

  const convolutions: Segment[] = [], dense: Segment[] = [];
  let steps = [tabulateStep(stages[0]!, { ...common, x, v: input, weights: network.table })];
  const cut = (to: Segment[], read?: Values): void => {
    to.push({ steps: store(memory, steps), read });
    steps = [];
  };
  stages.forEach((stage, i) => {
    const next = stages.at(i + 1);
    // Images that were handed over begin their layer only once all of them have arrived.
    if (stage === firstDense) steps.push(beginStep(stage, common));
    // A pool may not write where other threads still read.
    const v = stage.again ? pooled : common.v;
    if (stage.again) steps.push(poolStep(stage, { ...common, x: common.v, v }));
    else steps.push(...layerSteps(memory, stage, { ...common, x: xOf(stage) }));
    const { fields } = steps.at(-1)!;
    // The layer's own maximum begins again with its pool.
    if (next?.again) fields.beginLayer = beginOf(stage);
    else if (next && network.precision === "int8") fields.endLayer = 1;
    if (stage.read !== undefined) {
      cut(isDense(stage) ? dense : convolutions, { stage, address: v });
    }
    if (!next || next.again) return;
    // Only now the next layer begins: what is read keeps its unit until then.
    const beginLayer = next === firstDense ? 0 : beginOf(next);
    steps.push(requantizeStep(stage, next, { ...common, v, x: xOf(next), beginLayer }));
    if (next === firstDense) cut(convolutions);
  });

  const perPart = convolutions.flatMap(({ steps }) => steps);
  const handoffBytes = firstDense ? activationBytes(firstDense) : 0;
  return {
    ...{ count, height, width, outputs, together, input, images, convolutions, dense },
    select(first) {
      const set = (step: PlannedStep, field: keyof Fields<Step>, value: number): void => {
        memory.words[step.address / 4 + STEP[field]] = value;
      };
      for (const step of perPart) set(step, "image", images + first * IMAGE_BYTES);
      set(perPart[0]!, "v", input + first * pixels);
      if (firstDense) set(perPart.at(-1)!, "x", handoff + first * handoffBytes);
    },
  };
}

/** Where a layer's constants are: those of the average go by the size of its input. */
function constantsOf(memory: Memory, geometry: PackedGeometry): number {
  if (geometry.layer.kind !== "average") return geometry.layer.constants;
  const { mantissa, exponent } = reciprocalOf(geometry);
  return memory.store(wordsOf(Layer, {
    biasExponent: geometry.layer.biasExponent,
    reciprocalMantissa: mantissa,
    reciprocalExponent: exponent,
    outChannels: 0, // Its sums are its values: no multiplier and no bias is made.
  }));
}

function store(memory: Memory, steps: readonly Planned[]): PlannedStep[] {
  const first = memory.store(steps.flatMap(({ fields }) => wordsOf(Step, fields)));
  return steps.map(({ fields: _, ...step }, i) => ({ ...step, address: first + i * STEP_BYTES }));
}

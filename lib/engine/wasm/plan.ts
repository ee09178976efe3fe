/**
 * A plan: the network's layers as steps for one size of input, written into memory where all
 * threads read it.
 *
 * The convolutions run for a group of images, the dense layers for all of them at once, so that
 * their weights (nine tenths of a VGG) are read once.
 *
 * @module
 */

import type { Precision } from "../engine.ts";
import type { Memory } from "./memory.ts";
import {
  activationBytes,
  isDense,
  type Kernel,
  overhangBytes,
  scratchBytes,
  type Shape,
  type Stage,
  transformedBytes,
  valueBytes,
} from "./stage.ts";
import {
  beginStep,
  convolutionSteps,
  FIELDS,
  isBegin,
  type Planned,
  requantizeStep,
  STEP_BYTES,
  tabulateStep,
} from "./steps.ts";
import type { PackedLayer } from "./weights.ts";

/** Words of an `Image` in kernels/structs.ts. */
export const IMAGE_WORDS = 8;

/** What a plan is made for. */
export interface PlanKey {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  /** Index of the last layer, and whether its pool, if it has one, is part of it. */
  readonly last: number;
  readonly pooled: boolean;
}

/** One step as the host sees it. */
export interface PlannedStep {
  readonly address: number;
  readonly layer: string;
  /** Multiplications and additions for one group, of the convolution as it is defined. */
  readonly operations: number;
  readonly kernel: Kernel;
}

/** Steps in memory. */
export interface Plan {
  readonly key: PlanKey;
  /** Run once per group of images. */
  readonly convolutions: readonly PlannedStep[];
  /** Run once. */
  readonly dense: readonly PlannedStep[];
  /** Images of a group: 1 or all. */
  readonly group: number;
  /** Prepares the convolutions for the images from `first` on. */
  select(first: number): void;
  /** Where the images' bytes go, `[count, height, width, channels]`. */
  readonly input: number;
  /** An `Image` of kernels/structs.ts for each. */
  readonly images: number;
  /** The last layer's values, int32 `[group or count, rows, columns, padded]`. */
  readonly output: Shape & { address: number; padded: number };
}

/** The network in memory. */
export interface Network {
  readonly layers: readonly PackedLayer[];
  /** Address of the 16-bit numbers of the input's bytes. */
  readonly table: number;
  readonly precision: Precision;
}

/** Images go through the convolutions together if all of them need less than this, */
const GROUP_BYTES = 24 * 2 ** 20;
/** or else one by one if so few would fit. */
const SMALL_GROUP = 8;
/** Images of one plan at most: what the dense layers need is small, but not nothing. */
const MOST_IMAGES = 256;

/** Images that one plan should handle. */
export function imagesAtOnce({ layers, precision }: Network, key: PlanKey): number {
  const images = Math.floor(GROUP_BYTES / imageBytes(stagesOf(layers, key, precision)));
  return Math.min(MOST_IMAGES, images >= SMALL_GROUP ? images : MOST_IMAGES);
}

/** Bytes that the convolutions need for one image. */
function imageBytes(stages: readonly Stage[]): number {
  return Math.max(
    ...stages.map((stage) => isDense(stage.layer) ? 0 : activationBytes(stage) + valueBytes(stage)),
  );
}

/** Threads do not write into each other's cache lines. */
const ceil64 = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** Plans the layers up to `key.last`. Allocates what the plan needs. */
export function makePlan(
  memory: Memory,
  { layers, table, precision }: Network,
  key: PlanKey,
  threads: number,
  choose: (stage: Stage) => Kernel,
): Plan {
  const shapes = stagesOf(layers, key, precision);
  const group = imageBytes(shapes) * key.count <= GROUP_BYTES ? key.count : 1;
  const stages = shapes.map((shape) => {
    const stage = { ...shape, images: isDense(shape.layer) ? key.count : group };
    return { ...stage, kernel: choose(stage) };
  });
  const convolutions = stages.filter(({ layer }) => !isDense(layer));
  const dense = stages.filter(({ layer }) => isDense(layer));
  const most = (of: readonly Stage[], size: (stage: Stage) => number): number =>
    Math.max(0, ...of.map(size));
  const held = (stage: Stage): number =>
    activationBytes(stage) * stage.images + overhangBytes(stage);

  const pixels = key.height * key.width * layers[0].inChannels;
  const input = memory.allocate(key.count * pixels);
  const images = memory.allocate(key.count * IMAGE_WORDS * 4);
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
    memory.words[(common.scratch + thread * common.scratchBytes) >> 2] = 0;
  }
  const x = memory.allocate(most([...convolutions, ...dense.slice(1)], held));
  const handoff = memory.allocate(most(dense.slice(0, 1), held));
  const xOf = (stage: Stage): number => stage === dense[0] ? handoff : x;

  const steps: Planned[] = [
    tabulateStep(stages[0], { ...common, x, v: input, weights: table }),
  ];
  stages.forEach((stage, i) => {
    const next = stages.at(i + 1);
    // A handed-over batch begins its layer only once all of its groups have arrived.
    if (stage === dense[0]) steps.push(beginStep(stage, common));
    steps.push(...convolutionSteps(memory, stage, { ...common, x: xOf(stage) }));
    if (!next) return;
    const last = steps.at(-1)!;
    if (precision === "int8") {
      last.step = { ...last.step, endLayer: 1 };
      if (next !== dense[0]) last.step.beginLayer = next.layer.constants;
    }
    steps.push(requantizeStep(stage, next, { ...common, x: xOf(next) }));
  });

  const planned = store(memory, steps);
  const split = steps.findIndex(isBegin);
  const last = stages.at(-1)!;
  const head = split < 0 ? planned : planned.slice(0, split);
  return {
    key,
    convolutions: head,
    dense: split < 0 ? [] : planned.slice(split),
    group,
    input,
    images,
    output: { address: common.v, ...last.out, padded: last.layer.padded },
    select(first) {
      const set = (step: PlannedStep, field: typeof FIELDS[number], value: number): void => {
        memory.words[(step.address >> 2) + FIELDS.indexOf(field)] = value;
      };
      for (const step of head) set(step, "image", images + first * IMAGE_WORDS * 4);
      set(head[0], "v", input + first * pixels);
      if (split >= 0) set(head.at(-1)!, "x", handoff + first * activationBytes(dense[0]));
    },
  };
}

function store(memory: Memory, steps: readonly Planned[]): PlannedStep[] {
  const first = memory.allocate(steps.length * STEP_BYTES);
  return steps.map(({ step, layer, operations, kernel }, i) => {
    const address = first + i * STEP_BYTES;
    memory.words.set(FIELDS.map((field) => step[field] ?? 0), address >> 2);
    return { address, layer, operations, kernel };
  });
}

function stagesOf(
  layers: readonly PackedLayer[],
  key: PlanKey,
  precision: Precision,
): Stage[] {
  let input: Shape = { rows: key.height, columns: key.width };
  return layers.slice(0, key.last + 1).map((layer, index) => {
    const pooled = layer.pool !== undefined && (index < key.last || key.pooled);
    const full = {
      rows: input.rows + 2 * layer.padding - layer.kernel[0] + 1,
      columns: input.columns + 2 * layer.padding - layer.kernel[1] + 1,
    };
    const out = pooled ? { rows: full.rows >> 1, columns: full.columns >> 1 } : full;
    const first = index === 0, images = key.count, kernel = "direct";
    const stage: Stage = { layer, precision, first, input, full, out, pooled, images, kernel };
    input = out;
    return stage;
  });
}

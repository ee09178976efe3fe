/**
 * A plan: the network's layers as steps for one size of input, written into memory where all
 * threads read it.
 *
 * The convolutions run for a group of images, the dense layers for all of them at once, so that
 * their weights (nine tenths of a VGG) are read once.
 *
 * @module
 */

import type { Memory } from "./memory.ts";
import type { PackedLayer } from "./weights.ts";

/** In the order of kernels/structs.ts `Step`. */
const FIELDS = [
  ...["kind", "tasks", "next", "endLayer", "beginLayer"],
  ...["images", "image", "scaled", "layer"],
  ...["x", "rows", "columns", "channels", "border", "xRows", "xColumns"],
  ...["v", "vRows", "vColumns", "pool"],
  ...["weights", "kernelRows", "run", "candidate", "offsets", "pixels", "chunk"],
  ...["scratch", "scratchBytes"],
] as const;
type Field = typeof FIELDS[number];
type Step = Partial<Record<Field, number>>;

const KIND = { tabulate: 0, requantize: 1, begin: 2, direct: 3 } as const;
const STEP_BYTES = FIELDS.length * 4;
/** kernels/structs.ts `Image`. */
const IMAGE_WORDS = 8;
/** Pixels of a task of a direct convolution. */
const CHUNK = 48;
/** Kernels may read this far behind activations, and write behind sums: a tile's overhang. */
const SLACK = 6 * 64;

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
  /** The layer's name, and multiplications and additions for one group; 0 where it only moves data. */
  readonly layer: string;
  readonly operations: number;
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
  /** kernels/structs.ts `Image`s. */
  readonly images: number;
  /** The last layer's values, int32 `[group or count, rows, columns, padded]`. */
  readonly output: { address: number; rows: number; columns: number; padded: number };
}

interface Shape {
  readonly rows: number;
  readonly columns: number;
}

/** Output of a layer, before and after its pool. */
function outputOf(layer: PackedLayer, input: Shape, pooled: boolean): { full: Shape; out: Shape } {
  const full = {
    rows: input.rows + 2 * layer.padding - layer.kernel[0] + 1,
    columns: input.columns + 2 * layer.padding - layer.kernel[1] + 1,
  };
  const out = layer.pool && pooled ? { rows: full.rows >> 1, columns: full.columns >> 1 } : full;
  return { full, out };
}

/** A layer with its sizes and the images that it is run for at once. */
interface Stage {
  readonly layer: PackedLayer;
  readonly index: number;
  readonly input: Shape;
  readonly full: Shape;
  readonly out: Shape;
  readonly images: number;
}

const isDense = (layer: PackedLayer): boolean => layer.name.startsWith("fc");
const area = ({ rows, columns }: Shape): number => rows * columns;
const valueBytes = ({ layer, out }: Stage): number => area(out) * layer.padded * 4;
const bordered = ({ layer, input }: Stage): Shape => ({
  rows: input.rows + 2 * layer.padding,
  columns: input.columns + 2 * layer.padding,
});
const activationBytes = (stage: Stage): number =>
  area(bordered(stage)) * stage.layer.channels * (stage.index === 0 ? 2 : 1);

/** Images of a group go through the convolutions together if that needs less than this. */
const GROUP_BYTES = 24 * 2 ** 20;

/** Plans the layers up to `key.last`. Allocates what the plan needs. */
export function makePlan(
  memory: Memory,
  layers: readonly PackedLayer[],
  table: number,
  key: PlanKey,
  threads: number,
): Plan {
  const stages = stagesOf(layers, key);
  const convolutions = stages.filter(({ layer }) => !isDense(layer));
  const dense = stages.filter(({ layer }) => isDense(layer));
  const group = convolutions[0].images;
  const most = (of: readonly Stage[], size: (stage: Stage) => number): number =>
    Math.max(0, ...of.map((stage) => size(stage) * stage.images));

  const pixelBytes = key.height * key.width * layers[0].channels;
  const input = memory.allocate(key.count * pixelBytes);
  const images = memory.allocate(key.count * IMAGE_WORDS * 4);
  const x = memory.allocate(most([...convolutions, ...dense.slice(1)], activationBytes) + SLACK);
  const handoff = memory.allocate(most(dense.slice(0, 1), activationBytes) + SLACK);
  const v = memory.allocate(most(stages, valueBytes));
  const scaled = memory.allocate(most(stages, ({ layer }) => layer.padded * 8));
  const scratchBytes = (CHUNK + 6) * 64;
  const scratch = memory.allocate(threads * scratchBytes);

  const common = { images: group, image: images, scaled, scratch, scratchBytes };
  const steps: Planned[] = [tabulateStep(stages[0], { ...common, x, v: input, weights: table })];
  stages.forEach((stage, i) => {
    const here = { ...common, images: stage.images };
    // A handed-over batch begins its next layer only once all of its groups have arrived.
    if (stage === dense[0]) steps.push(beginStep(stage, here));
    const next = stages.at(i + 1);
    steps.push(
      directStep(memory, stage, next !== dense[0] ? next : undefined, {
        ...here,
        x: stage === dense[0] ? handoff : x,
        v,
      }),
    );
    steps.at(-1)!.step.endLayer = next ? 1 : 0;
    if (next) {
      steps.push(requantizeStep(stage, next, { ...here, x: next === dense[0] ? handoff : x, v }));
    }
  });
  const address = memory.allocate(steps.length * STEP_BYTES);
  const planned = steps.map(({ step, layer, operations }, i) => {
    const at = address + i * STEP_BYTES;
    memory.words.set(FIELDS.map((field) => step[field] ?? 0), at >> 2);
    return { address: at, layer, operations };
  });
  const split = steps.findIndex(({ step }) => step.kind === KIND.begin);
  const last = stages.at(-1)!;
  return {
    key,
    convolutions: split < 0 ? planned : planned.slice(0, split),
    dense: split < 0 ? [] : planned.slice(split),
    group,
    input,
    images,
    output: { address: v, ...last.out, padded: last.layer.padded },
    select(first) {
      const set = (step: PlannedStep, field: Field, value: number): void => {
        memory.words[(step.address >> 2) + FIELDS.indexOf(field)] = value;
      };
      for (const step of this.convolutions) set(step, "image", images + first * IMAGE_WORDS * 4);
      set(this.convolutions[0], "v", input + first * pixelBytes);
      if (split > 0) {
        set(this.convolutions.at(-1)!, "x", handoff + first * activationBytes(dense[0]));
      }
    },
  };
}

interface Planned {
  readonly step: Step;
  readonly layer: string;
  readonly operations: number;
}

function stagesOf(layers: readonly PackedLayer[], key: PlanKey): Stage[] {
  const stages: Stage[] = [];
  let input: Shape = { rows: key.height, columns: key.width };
  layers.slice(0, key.last + 1).forEach((layer, index) => {
    const { full, out } = outputOf(layer, input, index < key.last || key.pooled);
    stages.push({ layer, index, input, full, out, images: key.count });
    input = out;
  });
  const bytes = stages.map((stage) =>
    isDense(stage.layer) ? 0 : activationBytes(stage) + valueBytes(stage)
  );
  const group = Math.max(...bytes) * key.count <= GROUP_BYTES ? key.count : 1;
  return stages.map((stage) => isDense(stage.layer) ? stage : { ...stage, images: group });
}

function inputFields(stage: Stage): Step {
  const { rows, columns } = bordered(stage);
  return {
    rows: stage.input.rows,
    columns: stage.input.columns,
    channels: stage.layer.channels,
    border: stage.layer.padding,
    xRows: rows,
    xColumns: columns,
  };
}

function tabulateStep(stage: Stage, step: Step): Planned {
  const fields = inputFields(stage);
  const tasks = stage.images * fields.xRows!;
  const beginLayer = stage.layer.constants;
  return {
    step: { ...step, ...fields, kind: KIND.tabulate, tasks, beginLayer },
    layer: stage.layer.name,
    operations: 0,
  };
}

function beginStep({ layer }: Stage, step: Step): Planned {
  return {
    step: { ...step, kind: KIND.begin, beginLayer: layer.constants },
    layer: layer.name,
    operations: 0,
  };
}

function requantizeStep({ layer, out, images }: Stage, next: Stage, step: Step): Planned {
  const fields = inputFields(next);
  const tasks = images * fields.xRows!;
  return {
    step: {
      ...step,
      ...fields,
      kind: KIND.requantize,
      tasks,
      vRows: out.rows,
      vColumns: out.columns,
    },
    layer: layer.name,
    operations: 0,
  };
}

function directStep(memory: Memory, stage: Stage, next: Stage | undefined, step: Step): Planned {
  const { layer, full, out, images } = stage;
  const offsets = offsetsOf(stage);
  const pixels = offsets.length;
  const inner = layer.kernel[0] * layer.kernel[1] * layer.inChannels;
  return {
    step: {
      ...step,
      ...inputFields(stage),
      kind: KIND.direct,
      tasks: Math.ceil(pixels / CHUNK) * (layer.padded / 16),
      beginLayer: next?.layer.constants,
      layer: layer.constants,
      vRows: out.rows,
      vColumns: out.columns,
      pool: out === full ? 0 : 1,
      weights: layer.weights,
      kernelRows: layer.kernel[0],
      run: layer.run,
      offsets: memory.store([...offsets, 0, 0, 0, 0, 0]),
      pixels,
      chunk: CHUNK,
    },
    layer: layer.name,
    operations: 2 * area(full) * images * inner * layer.outChannels,
  };
}

/** Where the window of each output pixel starts, in the order in which the values are stored. */
function offsetsOf(stage: Stage): Int32Array {
  const { layer, full, out, images } = stage;
  const window = out === full ? 1 : 2;
  const pixel = layer.channels * (stage.index === 0 ? 2 : 1);
  const row = bordered(stage).columns * pixel;
  const offsets = new Int32Array(images * area(out) * window * window);
  let i = 0;
  for (let n = 0; n < images; n++) {
    for (let y = 0; y < out.rows; y++) {
      for (let x = 0; x < out.columns; x++) {
        for (let sub = 0; sub < window * window; sub++) {
          const at = (y * window + (sub >> 1)) * row + (x * window + (sub & 1)) * pixel;
          offsets[i++] = n * activationBytes(stage) + at;
        }
      }
    }
  }
  return offsets;
}

/**
 * The steps that make up one layer, as the kernels read them.
 *
 * @module
 */

import type { Memory } from "./memory.ts";
import {
  activationBytes,
  area,
  bordered,
  ceil4,
  DIRECT_CHUNK,
  FLOAT_CHUNK,
  fusedTiles,
  GROUP,
  type Kernel,
  pixelBytes,
  type Stage,
  stepTiles,
  TILE,
  TILES_CHUNK,
  tileShape,
} from "./stage.ts";

/** The words of a `Step`, in the order of kernels/structs.ts. */
export const FIELDS = [
  ...["kind", "tasks", "next", "endLayer", "beginLayer"] as const,
  ...["images", "image", "scaled", "layer"] as const,
  ...["x", "rows", "columns", "channels", "border", "xRows", "xColumns"] as const,
  ...["v", "vRows", "vColumns", "pool"] as const,
  ...["weights", "kernelRows", "run", "offsets", "pixels", "chunk"] as const,
  ...["transformed", "filters", "group", "tiles", "firstTile", "tileRows", "tileColumns"] as const,
  ...["scratch", "scratchBytes"] as const,
];
/** Bytes of a `Step`. */
export const STEP_BYTES = FIELDS.length * 4;

/** Values for a `Step`; 0 where there is none. */
export type Step = Partial<Record<typeof FIELDS[number], number>>;

/** In the order of `runTask` in kernels/main.ts. */
const KIND = {
  tabulate: 0,
  requantize: 1,
  begin: 2,
  direct: 3,
  transform: 4,
  multiply: 5,
  float: 6,
  tabulateFloat: 7,
  rectify: 8,
  transformFloat: 9,
  multiplyFloat: 10,
  convolveTiles: 11,
};

/** A step that is not in memory yet. */
export interface Planned {
  step: Step;
  readonly layer: string;
  readonly operations: number;
  readonly kernel: Kernel;
}

/** Whether it begins the dense layers. */
export const isBegin = ({ step }: Planned): boolean => step.kind === KIND.begin;

/** The layer whose requantization constants a step makes; floats need none. */
const beginOf = ({ layer, precision }: Stage): number => precision === "int8" ? layer.constants : 0;

/** The first layer's input, from bytes. */
export function tabulateStep(stage: Stage, step: Step): Planned {
  return planned(stage, {
    ...step,
    ...inputFields(stage),
    kind: stage.precision === "float" ? KIND.tabulateFloat : KIND.tabulate,
    vColumns: stage.layer.inChannels,
    tasks: stage.images * bordered(stage).rows,
    beginLayer: beginOf(stage),
  });
}

/** Steps 1 to 4 of the integer program for a whole batch. */
export function beginStep(stage: Stage, step: Step): Planned {
  return planned(stage, {
    ...step,
    kind: KIND.begin,
    images: stage.images,
    beginLayer: beginOf(stage),
  });
}

/** The next layer's input, from this layer's values. */
export function requantizeStep(stage: Stage, next: Stage, step: Step): Planned {
  return planned(stage, {
    ...step,
    ...inputFields(next),
    kind: stage.precision === "float" ? KIND.rectify : KIND.requantize,
    images: stage.images,
    tasks: stage.images * bordered(next).rows,
    vRows: stage.out.rows,
    vColumns: stage.out.columns,
  });
}

/** A layer's values, from its input. */
export function convolutionSteps(memory: Memory, stage: Stage, step: Step): Planned[] {
  const { layer, full, out, images, pooled } = stage;
  const common: Step = {
    ...step,
    ...inputFields(stage),
    layer: layer.constants,
    vRows: out.rows,
    vColumns: out.columns,
    pool: pooled ? 1 : 0,
    weights: layer.weights,
    kernelRows: layer.kernel[0],
    run: layer.run,
  };
  const inner = layer.kernel[0] * layer.kernel[1] * layer.inChannels;
  const operations = 2 * area(full) * images * inner * layer.outChannels;
  return stage.kernel === "direct"
    ? [directStep(memory, stage, common, operations)]
    : winogradSteps(memory, stage, common, operations);
}

function planned(stage: Stage, step: Step, operations: number = 0): Planned {
  return { step, layer: stage.layer.name, operations, kernel: stage.kernel };
}

function inputFields(stage: Stage): Step {
  return {
    images: stage.images,
    rows: stage.input.rows,
    columns: stage.input.columns,
    channels: stage.layer.channels,
    border: stage.layer.padding,
    xRows: bordered(stage).rows,
    xColumns: bordered(stage).columns,
  };
}

function directStep(memory: Memory, stage: Stage, step: Step, operations: number): Planned {
  const offsets = pixelOffsets(stage);
  const pixels = offsets.length - TILE + 1;
  const [kind, chunk, width] = stage.precision === "float"
    ? [KIND.float, FLOAT_CHUNK, 8]
    : [KIND.direct, DIRECT_CHUNK, 16];
  return planned(stage, {
    ...step,
    kind,
    tasks: Math.ceil(pixels / chunk) * (stage.layer.padded / width),
    offsets: memory.store(offsets),
    pixels,
    chunk,
  }, operations);
}

/**
 * Where the window of each output pixel starts, in the order in which the values are stored. The
 * last tile may read some more.
 */
function pixelOffsets(stage: Stage): Int32Array {
  const { out, images, pooled } = stage;
  const window = pooled ? 2 : 1;
  const pixel = pixelBytes(stage);
  const row = bordered(stage).columns * pixel;
  const offsets = new Int32Array(images * area(out) * window * window + TILE - 1);
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

function winogradSteps(memory: Memory, stage: Stage, step: Step, operations: number): Planned[] {
  const { rows: tileRows, columns: tileColumns } = tileShape(stage);
  const offsets = tileOffsets(stage);
  const table = memory.store([...offsets, offsets[0], offsets[0], offsets[0]]);
  const common = { ...step, tileRows, tileColumns, offsets: table, tiles: offsets.length };
  const { filters, padded } = stage.layer;
  if (filters) {
    const chunk = fusedTiles(stage), group = GROUP;
    const tasks = Math.ceil(offsets.length / chunk);
    const fused = { ...common, kind: KIND.convolveTiles, filters, chunk, group, tasks };
    return [planned(stage, fused, operations)];
  }
  const [transform, multiply] = stage.precision === "float"
    ? [KIND.transformFloat, KIND.multiplyFloat]
    : [KIND.transform, KIND.multiply];
  const perStep = stepTiles(stage);
  const steps: Planned[] = [];
  for (let firstTile = 0; firstTile < offsets.length; firstTile += perStep) {
    const tiles = Math.min(perStep, offsets.length - firstTile);
    const chunk = ceil4(tiles / Math.ceil(tiles / TILES_CHUNK));
    const part = { ...common, offsets: table + firstTile * 4, tiles, firstTile, chunk };
    const tasks = Math.ceil(tiles / chunk) * (padded / 8);
    steps.push(
      planned(stage, { ...part, kind: transform, tasks: Math.ceil(tiles / 4) }),
      planned(stage, { ...part, kind: multiply, tasks }, operations * tiles / offsets.length),
    );
  }
  return steps;
}

/** Where the 6x6 inputs of each tile start. */
function tileOffsets(stage: Stage): Int32Array {
  const { rows, columns } = tileShape(stage);
  const row = bordered(stage).columns * pixelBytes(stage);
  const offsets = new Int32Array(stage.images * rows * columns);
  let i = 0;
  for (let n = 0; n < stage.images; n++) {
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        offsets[i++] = n * activationBytes(stage) + y * 4 * row + x * 4 * pixelBytes(stage);
      }
    }
  }
  return offsets;
}

/** The steps that make up one layer, as the kernels read them. */

import { operationsOf, type Size } from "../geometry.ts";
import * as Kernel from "./kernel_numbers.ts";
import type { Fields, Memory } from "./memory.ts";
import {
  activationBytes,
  type Algorithm,
  bordered,
  ceil4,
  DIRECT_CHUNK,
  FLOAT_CHUNK,
  FUSED_BLOCKS,
  PATCHES_CHUNK,
  patchesAtOnce,
  patchGrid,
  pixelBytes,
  type Stage,
} from "./stage.ts";
import { type Step, TILE } from "./structs.ts";

/** A step that is not in memory yet. */
export interface Planned {
  readonly fields: Fields<Step>;
  readonly layer: string;
  /** Multiplications and additions, of the convolution as it is defined. */
  readonly operations: number;
  readonly algorithm: Algorithm;
}

/** The layer whose requantization constants a step makes; floats need none. */
export const beginOf = ({ layer, precision }: Stage): number =>
  precision === "int8" ? layer.constants : 0;

/** The first layer's input, from bytes. */
export function tabulateStep(stage: Stage, fields: Fields<Step>): Planned {
  return planned(stage, {
    ...fields,
    ...inputFields(stage),
    kernel: stage.precision === "float" ? Kernel.TABULATE_FLOAT : Kernel.TABULATE,
    vColumns: stage.layer.inChannels,
    tasks: stage.images * bordered(stage).height,
    beginLayer: beginOf(stage),
  });
}

/** Steps 1 to 4 of the integer program for a whole batch. */
export function beginStep(stage: Stage, fields: Fields<Step>): Planned {
  return planned(stage, {
    ...fields,
    kernel: Kernel.NONE,
    images: stage.images,
    beginLayer: beginOf(stage),
  });
}

/** The next layer's input, from this layer's values. */
export function requantizeStep(stage: Stage, next: Stage, fields: Fields<Step>): Planned {
  return planned(stage, {
    ...fields,
    ...inputFields(next),
    kernel: stage.precision === "float" ? Kernel.RECTIFY_FLOAT : Kernel.REQUANTIZE,
    images: stage.images,
    tasks: stage.images * bordered(next).height,
    vRows: stage.out.height,
    vColumns: stage.out.width,
  });
}

/** A layer's values, from its input. */
export function layerSteps(memory: Memory, stage: Stage, fields: Fields<Step>): Planned[] {
  return stage.layer.kind === "average"
    ? [averageStep(stage, fields)]
    : convolutionSteps(memory, stage, fields);
}

/** The max-pool of a layer whose values, at `x`, were read without it. */
export function poolStep(stage: Stage, fields: Fields<Step>): Planned {
  const { images, layer, full, out, precision } = stage;
  return planned(stage, {
    ...fields,
    kernel: precision === "float" ? Kernel.POOL_FLOAT : Kernel.POOL,
    tasks: images * out.height,
    images,
    rows: full.height,
    columns: full.width,
    channels: layer.padded,
    vRows: out.height,
    vColumns: out.width,
  });
}

function averageStep(stage: Stage, fields: Fields<Step>): Planned {
  const [kernel, channels] = stage.precision === "float"
    ? [Kernel.AVERAGE_FLOAT, 4]
    : [Kernel.AVERAGE, 16];
  const tasks = stage.images * stage.layer.channels / channels;
  const operations = stage.images * operationsOf(stage);
  return planned(stage, { ...fields, ...inputFields(stage), kernel, tasks }, operations);
}

function convolutionSteps(memory: Memory, stage: Stage, fields: Fields<Step>): Planned[] {
  const { layer, out, images, pooled } = stage;
  const common = {
    ...fields,
    ...inputFields(stage),
    layer: layer.constants,
    vRows: out.height,
    vColumns: out.width,
    pool: pooled ? 1 : 0,
    weights: layer.weights,
    filterRows: layer.filterSize[0],
    run: layer.run,
  };
  const operations = images * operationsOf(stage);
  return stage.algorithm === "direct"
    ? [directStep(memory, stage, common, operations)]
    : winogradSteps(memory, stage, common, operations);
}

function planned(stage: Stage, fields: Fields<Step>, operations: number = 0): Planned {
  return { fields, layer: stage.layer.name, operations, algorithm: stage.algorithm };
}

function inputFields(stage: Stage): Fields<Step> {
  const { height, width } = bordered(stage);
  return {
    images: stage.images,
    rows: stage.input.height,
    columns: stage.input.width,
    channels: stage.layer.channels,
    border: stage.layer.padding,
    xRows: height,
    xColumns: width,
  };
}

function directStep(
  memory: Memory,
  stage: Stage,
  fields: Fields<Step>,
  operations: number,
): Planned {
  const window = stage.pooled ? 2 : 1;
  const { offsets, count: pixels } = storeOffsets(memory, stage, stage.out, {
    stride: window,
    window,
    unit: TILE,
  });
  const [kernel, chunk, width] = stage.precision === "float"
    ? [Kernel.CONVOLVE_FLOAT, FLOAT_CHUNK, 8]
    : [Kernel.CONVOLVE, DIRECT_CHUNK, 16];
  return planned(stage, {
    ...fields,
    kernel,
    tasks: Math.ceil(pixels / chunk) * (stage.layer.padded / width),
    offsets,
    pixels,
    chunk,
  }, operations);
}

function winogradSteps(
  memory: Memory,
  stage: Stage,
  fields: Fields<Step>,
  operations: number,
): Planned[] {
  const grid = patchGrid(stage);
  const { offsets, count } = storeOffsets(memory, stage, grid, { stride: 4, window: 1, unit: 4 });
  const common = { ...fields, patchRows: grid.height, patchColumns: grid.width };
  const { transformedWeights, padded } = stage.layer;
  const most = patchesAtOnce(stage);
  if (transformedWeights) {
    return [planned(stage, {
      ...common,
      kernel: Kernel.CONVOLVE_PATCHES,
      transformedWeights,
      offsets,
      patches: count,
      chunk: most,
      blocks: FUSED_BLOCKS,
      tasks: Math.ceil(count / most),
    }, operations)];
  }
  const [transform, multiply] = stage.precision === "float"
    ? [Kernel.TRANSFORM_PATCHES_FLOAT, Kernel.MULTIPLY_PATCHES_FLOAT]
    : [Kernel.TRANSFORM_PATCHES, Kernel.MULTIPLY_PATCHES];
  const steps: Planned[] = [];
  for (let firstPatch = 0; firstPatch < count; firstPatch += most) {
    const patches = Math.min(most, count - firstPatch);
    const chunk = ceil4(patches / Math.ceil(patches / PATCHES_CHUNK));
    const part = { ...common, offsets: offsets + firstPatch * 4, patches, firstPatch, chunk };
    const tasks = Math.ceil(patches / chunk) * (padded / 8);
    steps.push(
      planned(stage, { ...part, kernel: transform, tasks: Math.ceil(patches / 4) }),
      planned(stage, { ...part, kernel: multiply, tasks }, operations * patches / count),
    );
  }
  return steps;
}

/**
 * Stores where in the input outputs begin, in bytes, in the order in which their values are stored:
 * at the places of a grid in each image, `stride` pixels apart, and at each of them a window of
 * outputs, one pixel apart. Kernels take `unit` of them at a time: behind the last, others follow.
 */
function storeOffsets(
  memory: Memory,
  stage: Stage,
  { height, width }: Size,
  { stride, window, unit }: { stride: number; window: number; unit: number },
): { offsets: number; count: number } {
  const pixel = pixelBytes(stage), row = bordered(stage).width * pixel;
  const count = stage.images * height * width * window * window;
  const values = new Int32Array(count + unit - 1);
  let i = 0;
  for (let n = 0; n < stage.images; n++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const at = n * activationBytes(stage) + (y * row + x * pixel) * stride;
        for (let dy = 0; dy < window; dy++) {
          for (let dx = 0; dx < window; dx++) values[i++] = at + dy * row + dx * pixel;
        }
      }
    }
  }
  return { offsets: memory.store(values), count };
}

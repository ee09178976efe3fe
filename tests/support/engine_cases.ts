/**
 * What both engines are held to: the networks, inputs and layers on which they must give the
 * reference's bits.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Activations, Batch, Engine } from "../../lib/engine/engine.ts";
import { compileProgram, type Program } from "../../lib/engine/program.ts";
import {
  type Architecture,
  type Configuration,
  CONFIGURATIONS,
} from "../../lib/model/architecture.ts";
import type { Model } from "../../lib/model/model.ts";
import { randomBatch, randomModel } from "./random_model.ts";
import { referenceActivations, referenceLayers, type Weights } from "./reference.ts";

/** One network on one batch. */
export interface EngineCase {
  readonly name: string;
  readonly model: Model;
  readonly weights: Weights;
  readonly batch: Batch;
}

interface Draw {
  readonly configuration: Configuration;
  /** Channels of the five blocks. */
  readonly widths: readonly [number, number, number, number, number];
  readonly dense: readonly number[];
  readonly pooling?: Architecture["pooling"];
  readonly channels?: number;
  /** Training size, and the batch's size if it is another. */
  readonly size: readonly [height: number, width: number];
  readonly batchSize?: readonly [height: number, width: number];
  readonly count?: number;
}

const DRAWS: Readonly<Record<string, Draw>> = {
  "A, one image": {
    configuration: "A",
    widths: [16, 16, 32, 32, 32],
    dense: [32, 32, 10],
    size: [32, 32],
  },
  "B, one channel, two dense layers": {
    configuration: "B",
    widths: [16, 32, 32, 48, 48],
    dense: [40, 7],
    channels: 1,
    size: [32, 32],
  },
  "C, with 1x1 convolutions, a batch": {
    configuration: "C",
    widths: [16, 16, 32, 32, 48],
    dense: [64, 32, 5],
    size: [32, 32],
    count: 3,
  },
  "D, odd numbers of channels": {
    configuration: "D",
    widths: [5, 9, 17, 21, 35],
    dense: [13, 11, 3],
    size: [48, 48],
    count: 2,
  },
  "E, odd size": {
    configuration: "E",
    widths: [16, 16, 16, 32, 32],
    dense: [32, 16, 10],
    size: [53, 45],
  },
  "A, larger image than trained for": {
    configuration: "A",
    widths: [16, 16, 16, 32, 32],
    dense: [32, 16, 10],
    size: [32, 64],
    batchSize: [97, 101],
    count: 2,
  },
  "A, features only": {
    configuration: "A",
    widths: [16, 16, 32, 32, 32],
    dense: [],
    size: [40, 56],
  },
  "A, one logit": {
    configuration: "A",
    widths: [16, 16, 16, 16, 16],
    dense: [20, 1],
    size: [32, 32],
    count: 2,
  },
  "A, the average, one dense layer, a batch": {
    configuration: "A",
    widths: [16, 16, 32, 32, 32],
    dense: [10],
    pooling: "average",
    size: [64, 124],
    count: 2,
  },
  "B, the average of a larger image, four dense layers, odd numbers of channels": {
    configuration: "B",
    widths: [5, 9, 17, 21, 35],
    dense: [13, 19, 11, 3],
    pooling: "average",
    size: [32, 32],
    batchSize: [65, 101],
    count: 2,
  },
  "A, features only, which end in the average": {
    configuration: "A",
    widths: [16, 16, 32, 32, 40],
    dense: [],
    pooling: "average",
    size: [64, 32],
    count: 2,
  },
  "A, eight dense layers": {
    configuration: "A",
    widths: [16, 16, 16, 32, 32],
    dense: [24, 40, 16, 9, 32, 16, 24, 6],
    size: [32, 64],
  },
};

let cases: readonly EngineCase[] | undefined;

/** The networks, small enough for the naive reference. The same objects each time. */
export function engineCases(): readonly EngineCase[] {
  return cases ??= drawCases();
}

function drawCases(): EngineCase[] {
  return Object.entries(DRAWS).map(([name, draw], index) => {
    const { configuration, widths, dense, pooling, size } = draw;
    const { batchSize = size, channels = 3, count = 1 } = draw;
    const architecture: Architecture = {
      configuration,
      input: { height: size[0], width: size[1], channels },
      convolutions: CONFIGURATIONS[configuration].flatMap((kernels, block) =>
        kernels.map(() => widths[block])
      ),
      pooling,
      dense,
    };
    const batch = randomBatch(count, ...batchSize, channels, index + 1);
    return { name, ...randomModel(architecture, index + 1), batch };
  });
}

/** Those of {@linkcode engineCases} that average their map. */
export function averageCases(): readonly EngineCase[] {
  return engineCases().filter(({ model }) => model.architecture.pooling === "average");
}

/** Every name that a layer's activations have: `conv1_1` … `pool5` … `fc8`. */
export function layerNames(program: Program): string[] {
  return program.layers.flatMap(({ name, pool }) => pool ? [name, pool] : [name]);
}

/**
 * A program whose layer `name` returns its accumulators: with a multiplier of 1 and no bias, `v` is
 * `acc` (steps 3 to 6 of the integer program).
 */
export function rawLayer(program: Program, name: string): Program {
  const layers = program.layers.map((layer) =>
    layer.name !== name ? layer : {
      ...layer,
      relu: false,
      multiplier: layer.multiplier.map(() => 2 ** 30),
      bias: layer.bias.map(() => 0),
      biasExponent: -4096,
    }
  );
  return { ...program, layers };
}

/** Makes an engine; `program` overrides the constants that the model compiles to. */
export type EngineFactory = (model: Model, program?: Program) => Promise<Engine>;

/** What the reference gives for every layer of a case: it is slow, and many engines are held to it. */
const references = new WeakMap<EngineCase, readonly Activations[]>();

export function everyLayer(testCase: EngineCase): readonly Activations[] {
  const { model, weights, batch } = testCase, program = compileProgram(model);
  const known = references.get(testCase) ??
    referenceLayers(program, weights, batch, layerNames(program));
  references.set(testCase, known);
  return known;
}

/** Holds an engine to the reference's values, scales and shapes on every layer. */
export async function checkEveryLayer(create: EngineFactory, testCase: EngineCase): Promise<void> {
  const { model, batch } = testCase;
  await using engine = await create(model);
  for (const expected of everyLayer(testCase)) {
    assertSame(await engine.run(batch, { layer: expected.layer }), expected);
  }
}

/** The reference's accumulators of every layer of a case, each with the program that returns them. */
const accumulators = new WeakMap<EngineCase, readonly (readonly [Program, Activations])[]>();

function everyAccumulator(testCase: EngineCase): readonly (readonly [Program, Activations])[] {
  const { model, weights, batch } = testCase, program = compileProgram(model);
  const known = accumulators.get(testCase) ?? program.layers.map(({ name }) => {
    const raw = rawLayer(program, name);
    return [raw, referenceActivations(raw, weights, batch, name)] as const;
  });
  accumulators.set(testCase, known);
  return known;
}

/** Holds an engine to the reference's int32 accumulators on every layer. */
export async function checkAccumulators(
  create: EngineFactory,
  testCase: EngineCase,
): Promise<void> {
  for (const [program, expected] of everyAccumulator(testCase)) {
    await using engine = await create(testCase.model, program);
    assertSame(await engine.run(testCase.batch, { layer: expected.layer }), expected);
  }
}

/** Equality, bit for bit: both executors run the same integers. */
export function assertSame(actual: Activations, expected: Activations): void {
  assertEquals(actual.layer, expected.layer);
  assertEquals(actual.shape, expected.shape, actual.layer);
  assertEquals(actual.scale, expected.scale, actual.layer);
  assertEquals(actual.data.length, expected.data.length, actual.layer);
  const at = expected.data.findIndex((value, i) => value !== actual.data[i]);
  if (at < 0) return;
  const wrong = expected.data.filter((value, i) => value !== actual.data[i]).length;
  assertEquals(
    actual.data[at],
    expected.data[at],
    `${actual.layer}: ${wrong} of ${expected.data.length} values differ, the first at ${at}`,
  );
}

/**
 * Where the pools of a network are, if its checkpoint tells: they must be at the ends of the blocks.
 *
 * @module
 */

import { CheckpointFormatError } from "../../errors.ts";
import { type Architecture, type Configuration, CONFIGURATIONS } from "../../model/architecture.ts";
import type { GraphStep } from "../formats/checkpoint.ts";
import type { TensorGroup } from "./tensor_groups.ts";

/**
 * Compares a graph with a configuration, step by step: as many convolutions of stride 1 as each block
 * has, then a 2x2 max-pool of stride 2. Without a graph the tensors have to do.
 *
 * @param inputSize What the user says, which makes the averaging of a map of 1x1 harmless.
 * @throws {CheckpointFormatError} Naming the first place that differs.
 */
export function checkGraph(
  graph: readonly GraphStep[] | undefined,
  { configuration, dense }: Architecture,
  file: string,
  inputSize: number | undefined,
): void {
  if (graph === undefined) return;
  const blocks = CONFIGURATIONS[configuration];
  const expected = blocks.flatMap((kernels, block) => [
    ...kernels.map((_, index) => `conv${block + 1}_${index + 1}`),
    `pool${block + 1}`,
  ]);
  const steps = graph.filter((step) => !isIdentity(step));
  const wrong = expected.findIndex((name, index) => !isStep(steps[index], name.startsWith("pool")));
  if (wrong >= 0) {
    const name = expected[wrong];
    const what = name.startsWith("pool")
      ? "a max pool 2x2, stride 2"
      : "a convolution with stride 1";
    const place = wrong === 0 ? "first" : `after ${expected[wrong - 1]}`;
    throw new CheckpointFormatError(
      `The graph of ${file} must have ${what} ${place}, as ${name} of configuration ${configuration}: found ${
        describe(steps[wrong])
      }`,
      { file },
    );
  }
  // Dense layers may be written as convolutions.
  const more = steps.slice(expected.length).find(({ kind }) => kind !== "convolution");
  const isHarmless = more?.kind.startsWith("global") && (dense.length === 0 || inputSize! < 64);
  if (more === undefined || isHarmless) return;
  throw new CheckpointFormatError(
    `The graph of ${file} must have no other pool after pool5: found ${describe(more)}. ${
      more.kind.startsWith("global")
        ? "Of a network for 32x32 pixels it changes nothing: say that the input size is 32"
        : "It is no VGG"
    }`,
    { file },
  );
}

/** A pool over single pixels, which exporters write where the map has its size already. */
function isIdentity({ kind, kernel, stride }: GraphStep): boolean {
  return kind !== "convolution" && !kind.startsWith("global") &&
    String([kernel, stride]) === "1,1,1,1";
}

function isStep(step: GraphStep | undefined, isPool: boolean): boolean {
  if (step === undefined) return false;
  const { kind, kernel, stride } = step;
  return isPool
    ? kind === "max pool" && String([kernel, stride]) === "2,2,2,2"
    : kind === "convolution" && String(stride) === "1,1";
}

function describe(step: GraphStep | undefined): string {
  if (step === undefined) return "nothing";
  const { name, kind, kernel, stride } = step;
  if (kind.startsWith("global")) return `the ${kind} ${name}`;
  return `the ${kind} ${name}, ${kernel.join("x")}, stride ${[...new Set(stride)].join("x")}`;
}

/**
 * In a `features.N` of PyTorch the gaps show where the pools are.
 *
 * @throws {CheckpointFormatError} Naming the first tensor that has another number.
 */
export function checkPositions(
  convolutions: readonly TensorGroup[],
  configuration: Configuration,
  norm: boolean,
  file: string,
): void {
  const positions = convolutions.map(({ name }) => /(^|\.)features\.(\d+)$/.exec(name)?.[2]);
  if (positions.includes(undefined)) return;
  let expected = 0;
  let index = 0;
  for (const kernels of CONFIGURATIONS[configuration]) {
    for (let i = 0; i < kernels.length; i++) {
      if (Number(positions[index]) !== expected) {
        throw new CheckpointFormatError(
          `Tensor ${
            convolutions[index].weight!.name
          } of ${file} must be features.${expected}, as convolution ${
            index + 1
          } of configuration ${configuration}: the pools of this network are elsewhere`,
          { file },
        );
      }
      expected += norm ? 3 : 2;
      index++;
    }
    expected++;
  }
}

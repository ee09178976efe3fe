/**
 * Where the pools of a network are, if its checkpoint tells: they must be at the ends of the blocks.
 */

import { CheckpointFormatError } from "../../errors.ts";
import { type Architecture, type Configuration, CONFIGURATIONS } from "../../model/architecture.ts";
import type { GraphLayer } from "../formats/checkpoint.ts";
import type { WeightedLayer } from "./layer_tensors.ts";

/**
 * Compares a graph with a configuration, layer by layer: as many convolutions of stride 1 as each block
 * has, then a 2x2 max-pool of stride 2. Without a graph the tensors have to do.
 *
 * @param inputSize What the user says, which makes the averaging of a map of 1x1 harmless.
 * @throws {CheckpointFormatError} Naming the first place that differs.
 */
export function checkGraph(
  graph: readonly GraphLayer[] | undefined,
  { configuration, dense }: Architecture,
  file: string,
  inputSize: number | undefined,
): void {
  if (graph === undefined) return;
  const blocks = CONFIGURATIONS[configuration];
  const expected = blocks.flatMap((filters, block) => [
    ...filters.map((_, index) => `conv${block + 1}_${index + 1}`),
    `pool${block + 1}`,
  ]);
  const layers = graph.filter((layer) => !isIdentity(layer));
  for (const [index, name] of expected.entries()) {
    const isPool = name.startsWith("pool");
    if (isExpected(layers[index], isPool)) continue;
    const what = isPool ? "a max pool 2x2, stride 2" : "a convolution with stride 1";
    const place = index === 0 ? "first" : `after ${expected[index - 1]}`;
    throw new CheckpointFormatError(
      `The graph of ${file} must have ${what} ${place}, as ${name} of configuration ${configuration}: found ${
        describe(layers[index])
      }`,
      { code: "checkpoint-unsupported", file },
    );
  }
  // Dense layers may be written as convolutions.
  const more = layers.slice(expected.length).find(({ kind }) => kind !== "convolution");
  const isHarmless = more?.kind.startsWith("global") && (dense.length === 0 || inputSize! < 64);
  if (more === undefined || isHarmless) return;
  throw new CheckpointFormatError(
    `The graph of ${file} must have no other pool after pool5: found ${describe(more)}. ${
      more.kind.startsWith("global")
        ? "Of a network for 32x32 pixels it changes nothing: say that the input size is 32"
        : "It is no VGG"
    }`,
    {
      code: more.kind.startsWith("global") ? "checkpoint-ambiguous" : "checkpoint-unsupported",
      file,
    },
  );
}

/** A pool over single pixels, which exporters write where the map has its size already. */
function isIdentity({ kind, window, stride }: GraphLayer): boolean {
  return kind !== "convolution" && !kind.startsWith("global") &&
    String([window, stride]) === "1,1,1,1";
}

function isExpected(layer: GraphLayer | undefined, isPool: boolean): boolean {
  if (layer === undefined) return false;
  const { kind, window, stride } = layer;
  return isPool
    ? kind === "max pool" && String([window, stride]) === "2,2,2,2"
    : kind === "convolution" && String(stride) === "1,1";
}

function describe(layer: GraphLayer | undefined): string {
  if (layer === undefined) return "nothing";
  const { name, kind, window, stride } = layer;
  if (kind.startsWith("global")) return `the ${kind} ${name}`;
  return `the ${kind} ${name}, ${window.join("x")}, stride ${[...new Set(stride)].join("x")}`;
}

/**
 * In a `features.N` of PyTorch the gaps show where the pools are.
 *
 * @throws {CheckpointFormatError} Naming the first tensor that has another number.
 */
export function checkPositions(
  convolutions: readonly WeightedLayer[],
  configuration: Configuration,
  norm: boolean,
  file: string,
): void {
  const positions = convolutions.map(({ name }) => /(^|\.)features\.(\d+)$/.exec(name)?.[2]);
  if (positions.includes(undefined)) return;
  // A convolution and its ReLU, a batch normalization between them, and a pool after each block.
  const expected = CONFIGURATIONS[configuration]
    .flatMap((filters, pools) => filters.map(() => pools))
    .map((pools, index) => (norm ? 3 : 2) * index + pools);
  for (const [index, { weight }] of convolutions.entries()) {
    if (Number(positions[index]) === expected[index]) continue;
    throw new CheckpointFormatError(
      `Tensor ${weight.name} of ${file} must be features.${expected[index]}, as convolution ${
        index + 1
      } of configuration ${configuration}: the pools of this network are elsewhere`,
      { code: "checkpoint-unsupported", file },
    );
  }
}

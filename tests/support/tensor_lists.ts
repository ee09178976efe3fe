/** Files of tensors alone, as names and shapes, and the networks that are told from them. */

import { assert, assertRejects } from "@std/assert";
import {
  type Checkpoint,
  type CheckpointTensor,
  OUTPUTS_FIRST,
  OUTPUTS_LAST,
} from "../../lib/convert/formats/checkpoint.ts";
import type { Operator } from "../../lib/convert/formats/graph.ts";
import { inferNetwork, type InferOptions } from "../../lib/convert/network/infer.ts";
import { CheckpointFormatError } from "../../lib/errors.ts";
import { CONFIGURATIONS } from "../../lib/model/architecture.ts";

/** Names and shapes, in the order of the file. */
export type Shapes = readonly (readonly [name: string, shape: readonly number[]])[];

/** What a network is made of, one letter an operator. */
const LETTERS: Partial<Record<Operator["kind"], string>> = {
  affine: "a",
  conv: "c",
  batchNorm: "n",
  relu: "r",
  maxPool: "P",
  globalAverage: "G",
  adaptiveAverage: "A",
  flatten: "F",
  dense: "d",
};

/** What a file says beside its tensors, and what a user says. */
export interface Case extends InferOptions {
  readonly order?: Checkpoint["order"];
  readonly layerNames?: readonly string[];
  /** Axes from the outputs to the inputs, or the other way round. */
  readonly layout?: "first" | "last";
}

/** An open checkpoint of these tensors: means are 0.25, all other numbers 0.5. */
export function checkpointOf(
  shapes: Shapes,
  { order = "none", layerNames, layout = "first" }: Case,
): Checkpoint {
  const tensors = shapes.map(([name, shape]): CheckpointTensor => ({
    name,
    shape,
    layout: layout === "first" ? OUTPUTS_FIRST : OUTPUTS_LAST,
    read: (_, into) => void into.fill(name.endsWith("mean") ? 0.25 : 0.5),
  }));
  return {
    format: "test",
    tensors,
    order,
    layerNames,
    images: { preprocessing: "torch", isRead: false, because: "usual" },
    epsilon: 1e-5,
    close: () => {},
  };
}

/** The input's size, then the graph in letters, with a space behind each pool. */
export async function infer(shapes: Shapes, options: Case = {}): Promise<string> {
  const { graph } = await inferNetwork(checkpointOf(shapes, options), "x.pth", options);
  return graph.nodes.map(({ operator }) => {
    if (operator.kind === "input") return `${operator.height} `;
    if (operator.kind === "unsupported") return `(${operator.type})`;
    return LETTERS[operator.kind]! + (operator.kind === "maxPool" ? " " : "");
  }).join("");
}

/** That a network is refused in these words. */
export async function refuse(shapes: Shapes, options: Case, ...words: string[]): Promise<void> {
  const error = await assertRejects(() => infer(shapes, options), CheckpointFormatError);
  assert(error.message.includes("x.pth"), error.message);
  for (const word of words) {
    assert(error.message.includes(word), `"${word}" is not in: ${error.message}`);
  }
}

/** The channels of each block. */
export const WIDTHS = [4, 6, 8, 10, 12];

/** The convolutions of a configuration: their numbers of block and place, and their filters. */
export function convolutions(configuration: "A" | "B" | "D" | "E") {
  let inputs = 3;
  return CONFIGURATIONS[configuration].flatMap((filters, block) =>
    filters.map((size, index) => {
      const shape = [WIDTHS[block]!, inputs, size, size];
      inputs = WIDTHS[block]!;
      return { block, index, shape, outputs: WIDTHS[block]! };
    })
  );
}

/** `features.N` as torchvision numbers them; `extra` modules without weights behind ReLUs, pools and norms. */
export function features(
  configuration: "A" | "B" | "D" | "E",
  { norm, afterRelu = 0, afterPool = 0, first = 0, name = "features" }: {
    norm?: "before" | "after";
    afterRelu?: number;
    afterPool?: number;
    first?: number;
    name?: string;
  } = {},
): [string, number[]][] {
  let number = first;
  return convolutions(configuration).flatMap(({ block, index, shape, outputs }) => {
    const tensors: [string, number[]][] = [[`${name}.${number}.weight`, shape], [
      `${name}.${number}.bias`,
      [outputs],
    ]];
    const isLast = index === CONFIGURATIONS[configuration][block]!.length - 1;
    if (norm !== undefined) {
      const at = number + (norm === "before" ? 1 : 2);
      for (const part of ["weight", "bias", "running_mean", "running_var"]) {
        tensors.push([`${name}.${at}.${part}`, [outputs]]);
      }
      tensors.push([`${name}.${at}.num_batches_tracked`, []]);
    }
    number += 2 + (norm === undefined ? 0 : 1) + (isLast ? 1 + afterPool : afterRelu);
    return tensors;
  });
}

/** Dense layers `name.N`, from one number of inputs to the next. */
export function dense(
  name: string,
  numbers: readonly number[],
  sizes: readonly number[],
): [string, number[]][] {
  return numbers.flatMap((number, i): [string, number[]][] => [
    [`${name}.${number}.weight`, [sizes[i + 1]!, sizes[i]!]],
    [`${name}.${number}.bias`, [sizes[i + 1]!]],
  ]);
}

/** The four tensors of PyTorch's. */
export const norm1d = (name: string, size: number): [string, number[]][] =>
  ["weight", "bias", "running_mean", "running_var"].map((part) => [`${name}.${part}`, [size]]);

/** Words in place of numbers: `names(convolution)` for each. */
export function named(
  configuration: "A" | "B" | "D" | "E",
  name: (block: number, index: number, all: number) => string,
): [string, number[]][] {
  return convolutions(configuration).flatMap((
    { block, index, shape, outputs },
    all,
  ): [string, number[]][] => [
    [`${name(block + 1, index + 1, all)}.weight`, shape],
    [`${name(block + 1, index + 1, all)}.bias`, [outputs]],
  ]);
}

/** As a file has them that sorts them. */
export const sorted = (shapes: Shapes): Shapes => shapes.toSorted(([a], [b]) => a < b ? -1 : 1);

/** The classifier of torchvision, for a map of one position. */
export const HEAD = dense("classifier", [0, 3, 6], [12, 7, 9, 5]);
/** The graphs of their convolutions. */
export const BLOCKS_A = "crP crP crcrP crcrP crcrP ";
export const BLOCKS_D = "crcrP crcrP crcrcrP crcrcrP crcrcrP ";

/** The four tensors of Keras' batch normalization. */
export const keras = (name: string, size: number): [string, number[]][] =>
  ["gamma", "beta", "moving_mean", "moving_variance"].map((part) => [`${name}.${part}`, [size]]);

/**
 * Takes a graph to a VGG: walks it from the image to the output, folds what folds exactly, and refuses
 * the rest by the name that the file has for it.
 */

import { CheckpointFormatError } from "../../errors.ts";
import { type Architecture, type Layer, layersOf } from "../../model/architecture.ts";
import type { Graph, Pair } from "../formats/graph.ts";
import { sizeOf } from "../formats/tensor.ts";
import { findConfiguration } from "./configuration.ts";
import { withoutAdaptivePool } from "./filters.ts";
import { at, type Part } from "./fold.ts";
import type { Affine, Network, NetworkLayer } from "./network.ts";
import { describeNode, traceGraph, unsupported } from "./trace.ts";
import { type Features, walk } from "./walk.ts";

/** What a user says about a network. */
export interface MatchOptions {
  /** Height and width of the input, where the file does not tell. */
  readonly inputSize?: number | undefined;
  /** What makes scores of the logits, where the file does not tell. */
  readonly head?: "softmax" | "sigmoid" | undefined;
}

/** The paper's input, where nothing depends on it. */
const USUAL_SIZE = 224;

/**
 * Finds the VGG that a graph describes.
 *
 * @param assumptions What was taken for granted before, to be said with what is assumed here.
 * @throws {CheckpointFormatError} If it is none, naming the first node or tensor that differs, or if it is
 *   ambiguous, naming the option that answers.
 */
export async function matchNetwork(
  graph: Graph,
  file: string,
  options: MatchOptions = {},
  assumptions: readonly string[] = [],
): Promise<Network> {
  const found = await walk(traceGraph(graph, file), file, options.inputSize);
  const convolutions = found.parts.filter(({ isDense }) => !isDense);
  const dense = found.parts.filter(({ isDense }) => isDense);
  const last = dense.at(-1);
  if (last?.relu) {
    throw unsupported(
      `${describeNode(last.node)} of ${file} is the last one, and a ReLU follows: expected logits`,
      file,
    );
  }
  const configuration = findConfiguration(
    convolutions.map(({ weight: { name, shape }, sizes: { window }, pooled }) => ({
      name,
      shape,
      window,
      pooled,
    })),
    file,
  );
  const head = chooseHead(found.head, options.head, last, file);
  const size = found.input ?? { height: USUAL_SIZE, width: USUAL_SIZE };
  const architecture: Architecture = {
    configuration,
    input: { ...size, channels: convolutions[0]!.sizes.channels },
    convolutions: convolutions.map(({ sizes }) => sizes.outputs),
    ...found.pooling === "average" && { pooling: "average" },
    dense: dense.map(({ sizes }) => sizes.outputs),
    ...head === "sigmoid" && { head },
  };
  return {
    architecture,
    layers: layersIn(architecture, file).map((layer, index) =>
      networkLayer(layer, found.parts[index]!, index === convolutions.length ? found : undefined)
    ),
    normalization: found.normalization,
    normalizesImages: found.normalizesImages,
    reversesColors: found.reversesColors,
    assumptions: [...assumptions, ...last === undefined ? [] : assumedSize(found)],
  };
}

/** What is said of an input's size that nothing in the file tells. */
function assumedSize({ input, isInputInferred }: Features): string[] {
  const otherwise = "--input-size says otherwise.";
  if (input === undefined) return [`The input is ${USUAL_SIZE}x${USUAL_SIZE} pixels; ${otherwise}`];
  const { height, width } = input;
  if (!isInputInferred || (height === USUAL_SIZE && width === USUAL_SIZE)) return [];
  return [
    `The input is ${height}x${width} pixels, though up to 31 more give the same last map; ${otherwise}`,
  ];
}

function chooseHead(
  own: "softmax" | "sigmoid" | undefined,
  asked: "softmax" | "sigmoid" | undefined,
  last: Part | undefined,
  file: string,
): "softmax" | "sigmoid" {
  if (own !== undefined && asked !== undefined && own !== asked) {
    throw unsupported(`The network of ${file} ends in a ${own}: ${asked} was asked for`, file);
  }
  const head = own ?? asked;
  if (last?.sizes.outputs !== 1) return head ?? "softmax";
  if (head === "sigmoid") return head;
  if (head === "softmax") {
    throw unsupported(
      `The network of ${file} ends in a soft-max of one output, which is always 1`,
      file,
    );
  }
  const layer = describeNode(last.node);
  throw new CheckpointFormatError(
    `${layer} of ${file} gives one number, and the file does not say what it is: say --head sigmoid ` +
      "if it stands for two classes. A network that estimates a number is not converted",
    { code: "checkpoint-ambiguous", file },
  );
}

function layersIn(architecture: Architecture, file: string): Layer[] {
  try {
    return layersOf(architecture);
  } catch (cause) {
    throw unsupported(`${file} is no VGG for int8: ${(cause as Error).message}`, file);
  }
}

/** @param found Of the first dense layer: what is between the features and it. */
function networkLayer(layer: Layer, part: Part, found: Features | undefined): NetworkLayer {
  const { weight, inputs, scale, shift, ahead } = part;
  const { filterSize, inChannels } = layer;
  return {
    layer,
    weight: found?.adaptive === undefined
      ? weight
      : withoutAdaptivePool(weight, inputs, inChannels, found.adaptive, filterSize),
    inputs,
    outputs: { scale, shift },
    ahead: ahead && ofInputs(ahead, inputs, filterSize, inChannels),
  };
}

/** What is said for each channel, or for each input in the checkpoint's order, for each input `[H, W, I]`. */
function ofInputs(
  { scale, shift }: Affine,
  inputs: "CHW" | "HWC",
  filterSize: Pair,
  channels: number,
): Affine {
  const positions = sizeOf(filterSize);
  const spread = (values: Float64Array): Float64Array =>
    Float64Array.from({ length: positions * channels }, (_, i) => {
      const channel = i % channels, position = (i - channel) / channels;
      if (values.length <= channels) return at(values, channel);
      return values[inputs === "HWC" ? i : channel * positions + position]!;
    });
  return { scale: spread(scale), shift: spread(shift) };
}

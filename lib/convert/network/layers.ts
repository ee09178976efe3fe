/** The convolutions and the dense layers of a network, told apart and in order. */

import { refuseParts } from "./blocks.ts";
import { filterSizes } from "./filters.ts";
import type { WeightedLayer } from "./names.ts";
import { connections, orderLayers } from "./order.ts";
import { ambiguous, unsupported } from "./trace.ts";

/**
 * Tells convolutions from dense layers, and puts each in the order in which they run.
 *
 * @param isDeclared Whether the file's own order is that of the network.
 * @throws {CheckpointFormatError} If they are no chain, or nothing tells that they are one.
 */
export function layersInOrder(
  weighted: readonly WeightedLayer[],
  isDeclared: boolean,
  file: string,
): { convolutions: WeightedLayer[]; dense: WeightedLayer[] } {
  const kinds = Map.groupBy(weighted, (layer) => isDense(layer, file) ? "dense" : "convolution");
  refuseParts(kinds.get("convolution") ?? [], file);
  const convolutions = orderLayers(kinds.get("convolution") ?? [], "convolutions", {
    isDeclared,
    starts: (layer) => [1, 3].includes(filterSizes(layer.weight)!.channels),
  }, file);
  if (convolutions.length === 0) {
    throw unsupported(
      `Expected the 8, 10, 13 or 16 convolutions of a VGG in ${file}: found 0`,
      file,
    );
  }
  const channels = filterSizes(convolutions.at(-1)!.weight)!.outputs;
  const dense = orderLayers(kinds.get("dense") ?? [], "dense layers", {
    isDeclared,
    starts: (layer) => connections(layer, true).inputs % channels === 0,
  }, file);
  refuseHeads(dense, file);
  return { convolutions, dense };
}

/**
 * timm and TF-Slim write dense layers as convolutions of a whole map. Others that do are networks for
 * segmentation, which pad the map or dilate the filter.
 */
function isDense({ name, weight }: WeightedLayer, file: string): boolean {
  if (weight.shape.length === 2) return true;
  const isTimm = /(^|[./])(pre_logits[./]fc\d|head[./]fc)$/.test(name);
  const isSlim = /(^|[./])fc\d$/.test(name) && /[./]weights(:0)?$/.test(weight.name);
  const { window } = filterSizes(weight)!;
  if (!isTimm && !isSlim && /(^|[./_])fc\d*$/.test(name)) {
    throw unsupported(
      `Tensor ${weight.name} of ${file} is a convolution of ${
        window.join("x")
      } where a VGG has a dense layer: ` +
        "a fully convolutional network, whose padding and dilation are not in the file",
      file,
    );
  }
  return isTimm || isSlim;
}

/** What one calls the layers of a chain, and its end. */
const CHAIN =
  /^(fc|fully_?connected|dense|linear|lin|hidden|ip|inner_?product|mlp|layer\w*)[\d_]*$/i;
const END =
  /^(final|last|out|outputs?|pred|predict|predictions?|logits?|classifier|classification|cls|head|scores?|top|softmax|prob)$/i;

/**
 * Refuses what could be two heads side by side: layers that take as many inputs, and whose names say no
 * more than their tasks, as `age` and `gender` do.
 */
function refuseHeads(dense: readonly WeightedLayer[], file: string): void {
  for (const [index, layer] of dense.slice(0, -1).entries()) {
    const next = dense[index + 1]!;
    const { inputs, outputs } = connections(layer, true);
    if (inputs !== outputs || isChained(layer.name, next.name)) continue;
    throw ambiguous(
      `Dense layers ${layer.name} and ${next.name} of ${file} both take ${inputs} inputs: nothing tells whether one ` +
        "follows the other, or they are heads side by side. Export the network to ONNX with one output",
      file,
    );
  }
}

function isChained(name: string, next: string): boolean {
  const word = (path: string): string =>
    path.split(/[./]/).findLast((part) => /\D/.test(part)) ?? "";
  // `classifier.3` and `classifier.6`: numbers of one sequence.
  const parent = (path: string): string => path.replace(/\d+$/, "");
  if (parent(name) !== name && /[./]$|^$/.test(parent(name)) && parent(name) === parent(next)) {
    return true;
  }
  return CHAIN.test(word(name)) && (CHAIN.test(word(next)) || END.test(word(next))) ||
    /pre_logits/.test(name);
}

/** How the weights of a file lie whose format does not say it: their shapes tell. */

import { type CheckpointTensor, OUTPUTS_FIRST, OUTPUTS_LAST, type WeightLayout } from "./tensor.ts";

type Outputs = WeightLayout["outputs"];

/** Names of weights, and those of the biases that go with them. */
const BIASES: readonly (readonly [weight: RegExp, bias: string])[] = [
  [/weights$/, "biases"],
  [/(weight|kernel)$/, "bias"],
  [/W$/, "b"],
];

/**
 * Gives tensors the layout that most of them show.
 *
 * A filter is small and square where its height and width are: `[O, I, 3, 3]` or `[3, 3, I, O]`. A dense
 * layer has as many outputs as biases. Frameworks differ in both: Paddle has filters as PyTorch does, and
 * dense layers as TensorFlow. What a dense layer sees of a map is in the order of the filters.
 *
 * @param usual Of filters, and of dense layers where no shape tells.
 */
export function withLayouts(
  tensors: readonly CheckpointTensor[],
  usual: WeightLayout,
): CheckpointTensor[] {
  const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]));
  const filters = most(tensors.map(({ shape }) => outputsOfFilter(shape))) ?? usual.outputs;
  const dense = most(tensors.map((tensor) => outputsOfDense(tensor, shapes))) ?? filters;
  const layout = filters === "first" ? OUTPUTS_FIRST : OUTPUTS_LAST;
  return tensors.map((tensor) => ({
    ...tensor,
    layout: tensor.shape.length === 2 ? { ...layout, outputs: dense } : layout,
  }));
}

function outputsOfFilter(shape: readonly number[]): Outputs | undefined {
  if (shape.length !== 4) return undefined;
  const [isLast, isFirst] = [isWindow(shape[0]!, shape[1]!), isWindow(shape[2]!, shape[3]!)];
  return isLast === isFirst ? undefined : isFirst ? "first" : "last";
}

function isWindow(height: number, width: number): boolean {
  return height === width && height % 2 === 1 && height <= 7;
}

function outputsOfDense(
  { name, shape }: CheckpointTensor,
  shapes: ReadonlyMap<string, readonly number[]>,
): Outputs | undefined {
  const [weight, bias] = BIASES.find(([pattern]) => pattern.test(name)) ?? [];
  if (shape.length !== 2 || shape[0] === shape[1] || weight === undefined) return undefined;
  const [outputs, ...more] = shapes.get(name.replace(weight, bias!)) ?? [];
  if (outputs === undefined || more.length > 0) return undefined;
  return outputs === shape[0] ? "first" : outputs === shape[1] ? "last" : undefined;
}

/** `undefined` where nothing tells, or as many say the one as the other. */
function most(votes: readonly (Outputs | undefined)[]): Outputs | undefined {
  const [first, last] = [votes.filter((v) => v === "first"), votes.filter((v) => v === "last")];
  return first.length === last.length ? undefined : first.length > last.length ? "first" : "last";
}

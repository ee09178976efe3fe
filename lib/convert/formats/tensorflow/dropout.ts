/** Dropout that a graph for training has left: random masks. */

import type { Place, Translation, Value } from "./values.ts";

/** Operators between random numbers and the mask that is made of them. */
const OF_MASK: ReadonlySet<string> = new Set([
  "Add",
  "AddV2",
  "Cast",
  "Floor",
  "GreaterEqual",
  "Identity",
  "Mul",
  "Sub",
]);

/** The factor of what is kept. */
const OF_FACTOR: ReadonlySet<string> = new Set(["Mul", "RealDiv", "Div"]);

const MAX_STEPS = 8;

/** Whether a node multiplies with a mask of random numbers, or selects by one. */
export function isDroppedOut(place: Place): boolean {
  return inputWithoutMask(place) !== undefined;
}

/** What dropout takes: the value before its mask and its factor, `1 / keep_prob`. */
export async function withoutDropout(to: Translation, place: Place): Promise<Value> {
  const scaled = inputWithoutMask(place)!;
  if (!OF_FACTOR.has(scaled.node.op)) return await to.input(place, indexOf(place, scaled));
  const [a, b] = [await to.input(scaled, 0), await to.input(scaled, 1)];
  if (a.kind === "activation" || b.kind === "activation") return a.kind === "activation" ? a : b;
  // Of a branch that is not taken nothing is known but the factor.
  return a.kind === "unknown" ? a : b;
}

function indexOf({ node, scope }: Place, found: Place): number {
  return node.inputs.findIndex((input) => scope.locate(input)?.node === found.node);
}

function inputWithoutMask({ node, scope }: Place): Place | undefined {
  const inputs = node.inputs.map((input) => scope.locate(input));
  // A selection takes the mask, what is kept, and the zero that the rest becomes.
  const isSelection = /^Select(V2)?$/.test(node.op) && inputs[2]?.node.op === "Const";
  const pair = node.op === "Mul" ? inputs : isSelection ? inputs.slice(0, 2) : [];
  if (pair.length !== 2) return undefined;
  const mask = pair.findIndex((input) => isRandom(input, MAX_STEPS));
  const value = pair[1 - mask];
  return mask < 0 || isRandom(value, MAX_STEPS) ? undefined : value;
}

/** Whether uniform random numbers are all that a value is made of, but for constants. */
function isRandom(place: Place | undefined, steps: number): boolean {
  if (place === undefined || steps === 0) return false;
  const { node, scope } = place;
  if (node.op === "RandomUniform" || node.op === "StatelessRandomUniformV2") return true;
  return OF_MASK.has(node.op) &&
    node.inputs.some((input) => isRandom(scope.locate(input), steps - 1));
}

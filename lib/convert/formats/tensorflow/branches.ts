/**
 * Branches of a graph that is for training as well: `tf.cond`, of a condition that is constant or has a
 * default. Its first version passes values through `Switch` to the branch that is taken, and gives what
 * `Merge` finds; later ones call a function.
 */

import { readAll, sizeOf } from "../checkpoint.ts";
import type { Place, Translation, Value } from "./values.ts";

/** What stands for all that the other branch computes. */
const NOT_TAKEN = "a branch that is not taken";

/** Whether a condition is met; `undefined` if it has to be fed. */
export async function isMet(
  to: Translation,
  place: Place,
  index: number,
): Promise<boolean | undefined> {
  const tensor = to.constant(await to.input(place, index));
  if (tensor === undefined || sizeOf(tensor.shape) !== 1) return undefined;
  return (await readAll(tensor))[0] !== 0;
}

/** What the branch gets: its first output is that of a condition that is not met. */
export async function switched(to: Translation, place: Place): Promise<Value> {
  const condition = await isMet(to, place, 1);
  if (condition === undefined) return await to.unsupported(place, "its condition has to be fed");
  const isTaken = condition === (place.index === 1);
  return isTaken ? await to.input(place, 0) : { kind: "unknown", op: NOT_TAKEN };
}

/** What the one branch gives that is taken. */
export async function merged(to: Translation, place: Place): Promise<Value> {
  const taken: Value[] = [];
  for (let index = 0; index < place.node.inputs.length; index++) {
    const value = await to.input(place, index);
    if (value.kind !== "unknown" || value.op !== NOT_TAKEN) taken.push(value);
  }
  const [only] = taken;
  if (only === undefined || taken.length > 1 || place.index !== 0) {
    return await to.unsupported(place);
  }
  return only;
}

/** Which of the networks in a file: a student and its teacher, a model and the network of its loss. */

import type { CheckpointTensor } from "../formats/checkpoint.ts";
import { filterSizes } from "./filters.ts";
import { isOfTraining } from "./names.ts";
import { ambiguous, unsupported } from "./trace.ts";

/**
 * Chooses the tensors of one network by what precedes their names.
 *
 * @param state What the user says. A reader may have chosen by it already: then no name begins so.
 * @throws {CheckpointFormatError} If there are several, naming what precedes the names of each.
 */
export function chooseState(
  tensors: readonly CheckpointTensor[],
  state: string | undefined,
  file: string,
): readonly CheckpointTensor[] {
  const prefix = state?.replace(/[./]$/, "");
  const isOf = (name: string, path: string): boolean =>
    name.startsWith(`${path}.`) || name.startsWith(`${path}/`);
  const chosen = prefix === undefined ? [] : tensors.filter(({ name }) => isOf(name, prefix));
  const candidates = chosen.length > 0 ? chosen : tensors;
  const states = statesOf(candidates);
  if (states.length < 2) return candidates;
  if (prefix !== undefined && chosen.length === 0) {
    throw unsupported(
      `No tensor of ${file} has a name that begins with ${prefix}: expected one of ${
        states.join(", ")
      }`,
      file,
    );
  }
  throw ambiguous(
    `The file ${file} holds several networks that take images: ${
      states.join(", ")
    }. Say which one: --state ${states[0]}`,
    file,
  );
}

/** What precedes the names of each network, as short as can be: each has one convolution of colors. */
function statesOf(tensors: readonly CheckpointTensor[]): string[] {
  // Filters of one channel are those of a depthwise convolution, too.
  const weights = tensors.filter(({ name }) => !isOfTraining(name));
  const colored = weights.filter((tensor) => takesColors(tensor, 3));
  const first = colored.length > 0 ? colored : weights.filter((tensor) => takesColors(tensor, 1));
  const paths = first.map(({ name }) => name.split(/(?=[./])/));
  if (paths.length < 2) return [];
  const common = paths[0]!.findIndex((part, i) => paths.some((path) => path[i] !== part));
  return [...new Set(paths.map((path) => path.slice(0, common + 1).join("")))];
}

/** A filter of so many channels that sees more than one position. */
function takesColors(tensor: CheckpointTensor, channels: number): boolean {
  const sizes = tensor.shape.length === 4 ? filterSizes(tensor) : undefined;
  return sizes !== undefined && sizes.channels === channels && sizes.window[0] > 1;
}

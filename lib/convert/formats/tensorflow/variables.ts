/** The variables of a checkpoint as a network's tensors: named, in order, without an optimizer's. */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import type { Budget } from "../budget.ts";
import type { Checkpoint, CheckpointTensor, OpenSibling } from "../checkpoint.ts";
import { type Bundle, readBundle } from "./bundle.ts";
import { type ObjectVariable, readObjectGraph } from "./object_graph.ts";
import { readSlices } from "./first_version.ts";
import { readTable } from "./table.ts";
import { slimImages, usualImages } from "./usual_images.ts";

/** What Keras and TF-Slim add to the variance where nobody says otherwise. */
export const EPSILON = 1e-3;

/**
 * Reads an index, or a checkpoint of the first version, which is one file.
 *
 * @param stem What the names of the files with the tensors begin with.
 * @param open Opens such a file; whoever gives it closes what it opened.
 */
export async function readIndex(
  source: ByteSource,
  stem: string,
  open: OpenSibling,
  budget: Budget,
): Promise<Bundle> {
  const [header, ...entries] = await readTable(source, budget);
  if (header === undefined || header.key !== "") {
    throw new CheckpointFormatError(
      `Expected a TensorFlow checkpoint in ${source.name}: found a table without its header`,
      { code: "checkpoint-unsupported", file: source.name },
    );
  }
  // The first version's header begins with a message, the second's with the number of files.
  const first = new Uint8Array(Math.min(1, header.end - header.begin));
  await source.read(header.begin, first);
  return first[0] === 0x0a
    ? { tensors: await readSlices(source, header, entries) }
    : await readBundle(source, header, entries, stem, open);
}

/** Keys by what the program calls its variables: Keras 3 restores others in the graph than those that it uses. */
export async function keysByName({ objectGraph }: Bundle): Promise<ReadonlyMap<string, string>> {
  if (objectGraph === undefined) return new Map();
  const keys = new Map<string, string>();
  const several = new Set<string>();
  for (const { fullName, key } of await readObjectGraph(objectGraph.source, objectGraph)) {
    if (keys.has(fullName)) several.add(fullName);
    keys.set(fullName, key);
  }
  for (const name of several) keys.delete(name);
  return keys;
}

/** A checkpoint of variables alone. */
export async function checkpointOfVariables(
  { tensors, objectGraph }: Bundle,
  file: string,
  state: string | undefined,
): Promise<Checkpoint> {
  const { variables, isInOrder } = objectGraph === undefined
    ? { variables: withoutSlots([...tensors.values()], file, state), isInOrder: false }
    : namedByObjects(tensors, await readObjectGraph(objectGraph.source, objectGraph));
  const usual = usualImages(variables.map(({ name }) => name));
  return {
    format: "TensorFlow checkpoint",
    tensors: variables,
    order: isInOrder ? "declared" : "none",
    images: await slimImages(tensors) ?? usual,
    epsilon: EPSILON,
    close(): void {},
  };
}

const AVERAGES = "ExponentialMovingAverage";

/**
 * Leaves out what an optimizer keeps beside each variable: `NAME/Momentum`, `NAME/Adam_1`.
 *
 * @param state Whether the `weights` are wanted, or their moving averages.
 */
function withoutSlots(
  tensors: readonly CheckpointTensor[],
  file: string,
  state: string | undefined,
): CheckpointTensor[] {
  const names = new Set(tensors.map(({ name }) => name));
  const parent = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf("/")));
  const own = tensors.filter(({ name, shape }) => shape.length > 0 && !names.has(parent(name)));
  const averages = new Map(
    tensors.filter(({ name }) => name.endsWith(`/${AVERAGES}`))
      .map((tensor) => [parent(tensor.name), tensor]),
  );
  if (state === AVERAGES) {
    return own.map((tensor) => ({ ...averages.get(tensor.name) ?? tensor, name: tensor.name }));
  }
  const isEither = own.some(({ name }) => averages.has(name));
  if (!isEither || state === "weights") return own;
  throw new CheckpointFormatError(
    `${file} has the weights and their moving averages: say which (--state weights or --state ${AVERAGES})`,
    { code: "checkpoint-ambiguous", file },
  );
}

const ENDING = "/.ATTRIBUTES/VARIABLE_VALUE";

/** What is an optimizer's: slots, and Keras' own list of variables. */
const OF_OPTIMIZER = /\/\.OPTIMIZER_SLOT\/|(^|\/)_variables\/\d+\//;

/** Gives variables the names of their layers, in the order of the layers where that is known. */
function namedByObjects(
  tensors: ReadonlyMap<string, CheckpointTensor>,
  objects: readonly ObjectVariable[],
): { variables: CheckpointTensor[]; isInOrder: boolean } {
  const kept = objects.flatMap((object) => {
    const tensor = tensors.get(object.key);
    const isOther = tensor === undefined || tensor.shape.length === 0 ||
      OF_OPTIMIZER.test(object.key);
    return isOther ? [] : [{ tensor, ...object }];
  });
  const names = new Set(kept.map(({ fullName }) => fullName));
  const areNames = names.size === kept.length && [...names].every((name) => name.includes("/"));
  const variables = kept.map(({ tensor, key, fullName }) => ({
    ...tensor,
    name: areNames ? fullName : key.replace(ENDING, ""),
  }));
  return { variables, isInOrder: kept.every(({ isListed }) => isListed) };
}

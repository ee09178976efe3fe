/** Reads what TensorFlow writes: frozen graphs, SavedModels and checkpoints. */

import { CheckpointFormatError } from "../../../errors.ts";
import { type ByteSource, checkRange } from "../../../io/byte_source.ts";
import type { Budget } from "../budget.ts";
import {
  type Checkpoint,
  type CheckpointTensor,
  type ImageHint,
  type OpenOptions,
  type OpenSibling,
  readAll,
} from "../checkpoint.ts";
import type { Graph } from "../graph.ts";
import { openEntry, type ZipEntry } from "../zip.ts";
import { type Bundle, readBundle } from "./bundle.ts";
import { readGraphDef, type TfGraph } from "./graph_def.ts";
import { type ObjectVariable, readObjectGraph } from "./object_graph.ts";
import { readSavedModel, restoredKeys } from "./saved_model.ts";
import { readSlices } from "./slices_v1.ts";
import { readTable } from "./table.ts";
import { Translator } from "./translate.ts";

/** What Keras and TF-Slim add to the variance where nobody says otherwise. */
const EPSILON = 1e-3;

/** Opens a frozen graph: a `GraphDef` whose weights are constants. */
export async function readFrozenGraph(source: ByteSource, budget: Budget): Promise<Checkpoint> {
  const graph = await readGraphDef(source, { begin: 0, end: source.size! });
  const variable = (name: string): never => {
    throw new CheckpointFormatError(
      `${source.name} is a graph whose weights are not in it (${name} is a variable): give the checkpoint or the SavedModel that it belongs to, or freeze it`,
      { code: "checkpoint-unsupported", file: source.name },
    );
  };
  const translator = new Translator(graph, source.name, budget, variable);
  const translated = await translator.translate(ends(graph));
  return checkpointOf("TensorFlow graph", translated, source);
}

/** The values that no node takes. */
function ends({ nodes }: TfGraph): string[] {
  const taken = new Set<string>();
  for (const { inputs } of nodes.values()) {
    for (const input of inputs) taken.add(input.split(":")[0]);
  }
  return [...nodes.keys()].filter((name) => !taken.has(name));
}

/** What the files with a SavedModel's variables begin with, as seen from its `saved_model.pb`. */
const VARIABLES = "variables/variables";

/**
 * Opens a SavedModel by its `saved_model.pb`.
 *
 * @param variables What the files with the variables begin with, for `openSibling`.
 */
export async function readSavedModelFile(
  source: ByteSource,
  { openSibling, budget, state }: OpenOptions,
  variables: string = VARIABLES,
): Promise<Checkpoint> {
  const { graph, signatures } = await readSavedModel(source);
  const outputs = chooseSignature(signatures, state, source.name);
  const restored = restoredKeys(graph);
  using opened = new DisposableStack();
  const open: OpenSibling = async (name) =>
    opened.adopt(await openSibling(name), (sibling) => sibling.close());
  // A frozen graph that was saved so has no variables.
  const bundle = restored.size === 0
    ? undefined
    : await readIndex(await open(`${variables}.index`), variables, open, budget);
  const named = bundle === undefined ? restored : await keysByName(bundle);
  if (outputs === undefined && bundle !== undefined) {
    const checkpoint = await checkpointOfVariables(bundle, source.name, undefined);
    const siblings = opened.move();
    return { ...checkpoint, close: () => siblings.dispose() };
  }
  const variable = (name: string): CheckpointTensor | undefined => {
    const tensor = bundle?.tensors.get(restored.get(name) ?? named.get(name) ?? name);
    // What the program calls it says more than its place among the objects.
    return tensor && { ...tensor, name };
  };
  const translator = new Translator(graph, source.name, budget, variable);
  const translated = await translator.translate(outputs ?? ends(graph));
  const checkpoint = checkpointOf("TensorFlow SavedModel", translated, source);
  const siblings = opened.move();
  return { ...checkpoint, close: () => siblings.dispose() };
}

/** Keys by what the program calls its variables: Keras 3 restores others in the graph than those that it uses. */
async function keysByName({ objectGraph }: Bundle): Promise<ReadonlyMap<string, string>> {
  if (objectGraph === undefined) return new Map();
  const objects = await readObjectGraph(objectGraph.source, objectGraph);
  const isOnly = ({ fullName }: ObjectVariable): boolean =>
    objects.filter((other) => other.fullName === fullName).length === 1;
  return new Map(objects.filter(isOnly).map(({ fullName, key }) => [fullName, key]));
}

/** Opens a SavedModel that was packed into an archive. */
export async function readSavedModelZip(
  source: ByteSource,
  entries: readonly ZipEntry[],
  options: OpenOptions,
): Promise<Checkpoint> {
  const models = entries.filter(({ name }) => /(^|\/)saved_model\.pb$/.test(name));
  const [model] = models;
  if (models.length > 1) {
    const text = `${source.name} has ${models.length} SavedModels: unpack it, and give one of them`;
    throw new CheckpointFormatError(text, { code: "checkpoint-ambiguous", file: source.name });
  }
  const folder = model.name.slice(0, -"saved_model.pb".length);
  using opened = new DisposableStack();
  const open = async (entry: ZipEntry): Promise<ByteSource> => {
    const { bytes, begin } = await openEntry(source, entry, opened);
    return partOf(bytes, begin, entry.size, `${source.name}/${entry.name}`);
  };
  const openSibling: OpenSibling = async (name) => {
    const entry = entries.find((entry) => entry.name === folder + name);
    if (entry !== undefined) return await open(entry);
    const text = `Expected ${folder}${name} in ${source.name}: it is not there`;
    throw new CheckpointFormatError(text, { file: source.name });
  };
  const checkpoint = await readSavedModelFile(await open(model), { ...options, openSibling });
  const parts = opened.move();
  return { ...checkpoint, close: () => (checkpoint.close(), parts.dispose()) };
}

/** Some of a file's bytes, as a file. */
function partOf(source: ByteSource, begin: number, size: number, name: string): ByteSource {
  const part: ByteSource = {
    name,
    size,
    read(offset, into) {
      checkRange(part, offset, into.length);
      return source.read(begin + offset, into);
    },
    close(): void {},
  };
  return part;
}

/** @returns `undefined` if there is none, as of a model that was saved before it had seen an image. */
function chooseSignature(
  signatures: ReadonlyMap<string, readonly string[]>,
  state: string | undefined,
  file: string,
): readonly string[] | undefined {
  const names = [...signatures.keys()].filter((name) => !name.startsWith("__"));
  const name = state ?? (names.length === 1 ? names[0] : "serving_default");
  const outputs = signatures.get(name);
  if (outputs !== undefined || (names.length === 0 && state === undefined)) return outputs;
  throw new CheckpointFormatError(
    `The SavedModel ${file} has ${names.length} signatures: say which by its name (--state), one of ${
      names.join(", ")
    }`,
    { code: "checkpoint-ambiguous", file },
  );
}

function checkpointOf(format: string, graph: Graph, source: ByteSource): Checkpoint {
  const tensors = graph.nodes.flatMap(({ operator }) =>
    operator.kind === "conv" || operator.kind === "dense" ? [operator.weight] : []
  );
  if (tensors.length === 0 || graph.outputs.length === 0) {
    throw new CheckpointFormatError(
      `Expected convolutions with weights in the ${format} ${source.name}: found none`,
      { code: "checkpoint-unsupported", file: source.name },
    );
  }
  const names = [...graph.nodes, ...tensors].map(({ name }) => name);
  return {
    format,
    tensors,
    order: "declared",
    graph,
    images: usualImages(names),
    epsilon: EPSILON,
    close(): void {},
  };
}

/** What is usual for whoever gives layers such names; `undefined` if they are nobody's. */
function usualImages(names: readonly string[]): ImageHint | undefined {
  // `vgg_16/conv1/conv1_1/weights`
  if (names.some((name) => /(^|\/)conv1\/conv1_1\//.test(name))) return SLIM_IMAGES;
  // `vgg16/block1_conv1/Conv2D`
  return names.some((name) => /(^|\/)\w+\/(Conv2D|convolution|kernel)\b/.test(name))
    ? KERAS_IMAGES
    : undefined;
}

const SLIM_IMAGES: ImageHint = {
  preprocessing: { scale: 1, mean: [123.68, 116.78, 103.94], std: [1, 1, 1] },
  colors: "rgb",
  isRead: false,
  because: "usual for TF-Slim",
};

const KERAS_IMAGES: ImageHint = {
  preprocessing: "caffe",
  isRead: false,
  because: "usual for Keras",
};

/** Opens a checkpoint by its index, or by its only file if it is of the first version. */
export async function readTensorFlowCheckpoint(
  source: ByteSource,
  options: OpenOptions,
): Promise<Checkpoint> {
  const { openSibling, budget, state } = options;
  const stem = baseName(source.name).replace(/\.index$/, "");
  using opened = new DisposableStack();
  const open: OpenSibling = async (name) =>
    opened.adopt(await openSibling(name), (sibling) => sibling.close());
  const model = stem === baseName(VARIABLES) ? await graphAbove(open) : undefined;
  const checkpoint = model === undefined
    ? await checkpointOfVariables(await readIndex(source, stem, open, budget), source.name, state)
    : await readSavedModelFile(model, options, stem);
  const siblings = opened.move();
  return { ...checkpoint, close: () => (checkpoint.close(), siblings.dispose()) };
}

/** The graph of the SavedModel whose variables are given, if it is there. */
async function graphAbove(open: OpenSibling): Promise<ByteSource | undefined> {
  try {
    return await open("../saved_model.pb");
  } catch {
    return undefined; // Then there are variables alone.
  }
}

function baseName(path: string): string {
  return path.replace(/^.*[/\\]/s, "");
}

async function readIndex(
  source: ByteSource,
  stem: string,
  open: OpenSibling,
  budget: Budget,
): Promise<Bundle> {
  const entries = await readTable(source, budget);
  const [header] = entries;
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
    ? { tensors: await readSlices(source, entries) }
    : await readBundle(source, entries, stem, open);
}

async function checkpointOfVariables(
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

/** TF-Slim's authors keep the mean beside the weights. */
async function slimImages(
  tensors: ReadonlyMap<string, CheckpointTensor>,
): Promise<ImageHint | undefined> {
  for (const tensor of tensors.values()) {
    if (!/(^|\/)mean_rgb$/.test(tensor.name) || String(tensor.shape) !== "3") continue;
    const mean = Array.from(await readAll(tensor));
    const preprocessing = { scale: 1, mean, std: [1, 1, 1] };
    return { preprocessing, colors: "rgb", isRead: true, because: tensor.name };
  }
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

/** Reads what TensorFlow writes: frozen graphs, SavedModels and checkpoints. */

import { Cleanup } from "../../../cleanup.ts";
import { CheckpointFormatError } from "../../../errors.ts";
import { type ByteSource, checkRange } from "../../../io/byte_source.ts";
import type { Budget } from "../budget.ts";
import type { Checkpoint, CheckpointTensor, OpenOptions, OpenSibling } from "../checkpoint.ts";
import type { Graph } from "../graph.ts";
import { openEntry, type ZipEntry } from "../zip.ts";
import { graphOfJson } from "./json_graph.ts";
import { readGraphDef, type TfGraph } from "./graph_def.ts";
import { readSavedModel, restoredKeys } from "./saved_model.ts";
import { Translator, weightsOf } from "./translate.ts";
import { BYTES, takesBytes, usualImages } from "./usual_images.ts";
import { checkpointOfVariables, EPSILON, keysByName, readIndex } from "./variables.ts";

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
  return checkpointOf("TensorFlow graph", translated, source, graph);
}

/**
 * Opens a graph of TensorFlow.js.
 *
 * @param outputs What it gives; `undefined` if nothing says so.
 */
export async function readJsonGraph(
  source: ByteSource,
  topology: unknown,
  constants: ReadonlyMap<string, CheckpointTensor>,
  outputs: readonly string[] | undefined,
  budget: Budget,
): Promise<Checkpoint> {
  const graph = graphOfJson(topology, constants);
  const translator = new Translator(graph, source.name, budget, () => undefined);
  const translated = await translator.translate(outputs ?? ends(graph));
  const checkpoint = checkpointOf("TensorFlow.js graph", translated, source, graph);
  // Its converter multiplies what precedes the first convolution into it: nothing there tells nothing.
  return checkpoint.images?.isRead ? checkpoint : { ...checkpoint, images: undefined };
}

/** The values that no node takes. */
function ends({ nodes }: TfGraph): string[] {
  const taken = new Set<string>();
  for (const { inputs } of nodes.values()) {
    for (const input of inputs) taken.add(input.split(":")[0]!);
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
  using opened = new Cleanup();
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
  const checkpoint = checkpointOf("TensorFlow SavedModel", translated, source, graph);
  const siblings = opened.move();
  return { ...checkpoint, close: () => siblings.dispose() };
}

/** Opens a SavedModel that was packed into an archive. */
export async function readSavedModelZip(
  source: ByteSource,
  entries: readonly ZipEntry[],
  options: OpenOptions,
): Promise<Checkpoint> {
  const models = entries.filter(({ name }) => /(^|\/)saved_model\.pb$/.test(name));
  const [model] = models;
  if (model === undefined || models.length > 1) {
    const text = `${source.name} has ${models.length} SavedModels: unpack it, and give one of them`;
    throw new CheckpointFormatError(text, { code: "checkpoint-ambiguous", file: source.name });
  }
  const folder = model.name.slice(0, -"saved_model.pb".length);
  using opened = new Cleanup();
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
  const name = state ?? (names.length === 1 ? names[0]! : "serving_default");
  const outputs = signatures.get(name);
  if (outputs !== undefined || (names.length === 0 && state === undefined)) return outputs;
  throw new CheckpointFormatError(
    `The SavedModel ${file} has ${names.length} signatures: say which by its name (--state), one of ${
      names.join(", ")
    }`,
    { code: "checkpoint-ambiguous", file },
  );
}

function checkpointOf(
  format: string,
  graph: Graph,
  source: ByteSource,
  written: TfGraph,
): Checkpoint {
  const tensors = weightsOf(graph, format, source.name);
  const names = [...graph.nodes, ...tensors].map(({ name }) => name);
  return {
    format,
    tensors,
    order: "declared",
    graph,
    images: takesBytes(written) ? BYTES : usualImages(names),
    epsilon: EPSILON,
    close(): void {},
  };
}

/** Opens a checkpoint by its index, or by its only file if it is of the first version. */
export async function readTensorFlowCheckpoint(
  source: ByteSource,
  options: OpenOptions,
): Promise<Checkpoint> {
  const { openSibling, budget, state } = options;
  const stem = baseName(source.name).replace(/\.index$/, "");
  using opened = new Cleanup();
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

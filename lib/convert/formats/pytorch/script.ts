/** Reads a TorchScript archive: parameters as `torch.save` writes them, constants, and code. */

import type { Cleanup } from "../../../cleanup.ts";
import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import type { Checkpoint, CheckpointTensor, OpenOptions } from "../checkpoint.ts";
import type { Graph } from "../graph.ts";
import { Cursor } from "../cursor.ts";
import { weightsOf } from "../stored.ts";
import { openEntry, readEntry, type ZipEntry } from "../zip.ts";
import { readPickle } from "./pickle.ts";
import { PickledObject, type PickledValue } from "./pickled.ts";
import { parseClasses, type ScriptClass } from "./script_code.ts";
import { scriptGraph, UnknownCode } from "./script_graph.ts";
import { isScripted, tensorsOfModule } from "./state.ts";
import { type Locate, storedTensors } from "./tensors.ts";
import { PickledTensor, Storage, vocabulary } from "./vocabulary.ts";

/** An open archive. */
interface Archive {
  readonly source: ByteSource;
  readonly entries: readonly ZipEntry[];
  /** The folder that all is in. */
  readonly root: string;
  readonly options: OpenOptions;
  readonly opened: Cleanup;
  /** Finds the bytes of storages that lie in a folder. */
  locateIn(folder: string): Locate;
}

/** The module of an archive, if it is one of TorchScript, with its code. */
export function scriptedModule(
  value: PickledValue,
  { entries, root }: Pick<Archive, "entries" | "root">,
): PickledObject | undefined {
  const hasCode = entries.some(({ name }) => isCode(name, root));
  return hasCode && value instanceof PickledObject && isScripted(value) ? value : undefined;
}

function isCode(name: string, root: string): boolean {
  return name.startsWith(`${root}code/`) && name.endsWith(".py");
}

/** Code of a network is some hundred kilobytes. */
const MAX_CODE_BYTES = 8 << 20;

/** Makes a checkpoint of a module, with the graph that its code tells. */
export async function readScript(
  module: PickledObject,
  pickle: ByteSource,
  archive: Archive,
): Promise<Checkpoint> {
  const { source: { name: file }, options: { budget }, opened } = archive;
  const own = { path: "", tensors: tensorsOfModule(module, budget) };
  const stored = await storedTensors(own, originOf(archive, pickle, "data"));
  const tensors = weightsOf(stored, file);
  const constants = await readConstants(archive);
  const byName = new Map([...tensors, ...constants].map((tensor) => [tensor.name, tensor]));
  const graph = follow(module, byName, await readCode(archive), archive);
  const held = opened.move();
  return {
    format: "TorchScript",
    tensors,
    order: "declared",
    graph,
    images: { preprocessing: "torch", isRead: false, because: "usual for PyTorch" },
    epsilon: 1e-5,
    close: () => held.dispose(),
  };
}

function originOf(archive: Archive, pickle: ByteSource, folder: string) {
  const locate = archive.locateIn(`${archive.root}${folder}`);
  return {
    pickle,
    file: archive.source.name,
    find: async (storage: unknown) =>
      storage instanceof Storage
        ? { ...await locate(storage), storage }
        : refuse(archive, "a storage in its pickle"),
  };
}

function refuse({ source: { name: file } }: Archive, what: string): never {
  throw new CheckpointFormatError(
    `The code of the TorchScript module in ${file} is not understood: ${what}. Export the network to ONNX, or save its state_dict()`,
    { code: "checkpoint-unsupported", file },
  );
}

/** Tensors of the code that are no parameters; of a frozen module all are. */
async function readConstants(archive: Archive): Promise<CheckpointTensor[]> {
  const { source, entries, root, options, opened } = archive;
  const entry = entries.find(({ name }) => name === `${root}constants.pkl`);
  if (entry === undefined) return [];
  const { bytes, begin } = await openEntry(source, entry, opened);
  const cursor = new Cursor(bytes, begin, begin + entry.size);
  const value = await readPickle(cursor, vocabulary(source.name), options.budget);
  const tensors = (Array.isArray(value) ? value : []).flatMap((item, index) =>
    item instanceof PickledTensor ? [[`CONSTANTS.c${index}`, item] as const] : []
  );
  const state = { path: "", tensors: new Map(tensors) };
  return await storedTensors(state, originOf(archive, bytes, "constants"));
}

async function readCode(archive: Archive): Promise<Map<string, ScriptClass>> {
  const { source, entries, root, opened } = archive;
  const files = entries.filter(({ name }) => isCode(name, root));
  const size = files.reduce((sum, entry) => sum + entry.size, 0);
  if (size > MAX_CODE_BYTES) refuse(archive, `it has ${size} bytes`);
  const classes = new Map<string, ScriptClass>();
  for (const entry of files) {
    const path = entry.name.slice(`${root}code/`.length, -".py".length).replaceAll("/", ".");
    const code = new TextDecoder().decode(await readEntry(source, entry, opened));
    for (const [name, methods] of parseClasses(code)) classes.set(`${path}.${name}`, methods);
  }
  return classes;
}

function follow(
  module: PickledObject,
  tensors: ReadonlyMap<string, CheckpointTensor>,
  classes: ReadonlyMap<string, ScriptClass>,
  archive: Archive,
): Graph {
  try {
    return scriptGraph(module, tensors, classes, archive.options.budget);
  } catch (error) {
    if (!(error instanceof UnknownCode)) throw error;
    return refuse(archive, error.message);
  }
}

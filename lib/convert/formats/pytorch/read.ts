/**
 * Reads what `torch.save` writes: the zip format (since PyTorch 1.6), which TorchScript's archives have too,
 * and the older one; and plain pickles of arrays, as `paddle.save` writes them.
 *
 * @see {@link https://github.com/pytorch/pytorch/blob/main/torch/serialization.py}
 */

import { Cleanup } from "../../../cleanup.ts";
import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import type { Budget } from "../budget.ts";
import {
  type Checkpoint,
  type CheckpointTensor,
  type OpenOptions,
  OUTPUTS_FIRST,
} from "../checkpoint.ts";
import { Cursor } from "../cursor.ts";
import { withLayouts } from "../layouts.ts";
import { PickledArray } from "../numpy/vocabulary.ts";
import { weightsOf } from "../stored.ts";
import { usualImages } from "../usual_images.ts";
import { openEntry, readEntry, type ZipEntry } from "../zip.ts";
import { readPickle } from "./pickle.ts";
import { pickledText, type PickledValue } from "./pickled.ts";
import { rangeOf } from "./pickled_bytes.ts";
import { moduleGraph } from "./module_graph.ts";
import { readScript, scriptedModule } from "./script.ts";
import { chooseState } from "./state.ts";
import { type Locate, type PlacedStorage, storedTensors } from "./tensors.ts";
import { NestedStorage, Storage, vocabulary } from "./vocabulary.ts";

/** Opens a checkpoint in the zip format. */
export async function readPytorchZip(
  source: ByteSource,
  entries: readonly ZipEntry[],
  options: OpenOptions,
): Promise<Checkpoint> {
  const file = source.name;
  // The one that is not in a folder of another.
  const [pickle] = entries.filter(({ name }) => /(^|\/)data\.pkl$/.test(name))
    .sort((a, b) => a.name.length - b.name.length);
  if (pickle === undefined) {
    const text = `Expected data.pkl in ${file}: found ${entries.length} other entries`;
    throw new CheckpointFormatError(text, { code: "checkpoint-unsupported", file });
  }
  const root = pickle.name.slice(0, -"data.pkl".length);
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  using opened = new Cleanup();
  const order = byName.get(`${root}byteorder`);
  const isLittle = order?.size !== 3 ||
    new TextDecoder().decode(await readEntry(source, order, opened)) !== "big";
  const { bytes, begin } = await openEntry(source, pickle, opened);
  const cursor = new Cursor(bytes, begin, begin + pickle.size);
  const value = await readPickle(cursor, vocabulary(file), options.budget);
  const locateIn = (folder: string): Locate => async ({ key, type, elements }) => {
    const entry = byName.get(`${folder}/${key}`);
    if (entry === undefined || entry.size < elements * type.bytes) {
      const found = entry?.size ?? "no such entry";
      throw new CheckpointFormatError(
        `Expected ${elements * type.bytes} bytes in ${folder}/${key} of ${file}: found ${found}`,
        { file },
      );
    }
    const place = await openEntry(source, entry, opened);
    return { ...place, position: entry.headerOffset, isLittle };
  };
  const archive = { source, entries, root, options, opened, locateIn };
  const script = scriptedModule(value, archive);
  if (script !== undefined) return await readScript(script, bytes, archive);
  return await checkpointOf(value, bytes, locateIn(`${root}data`), file, options, opened);
}

/** The first pickle of the older format holds this number. */
const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_VERSION = 1001;

/** Opens a file that begins with a pickle: PyTorch's older format, or whatever else was pickled. */
export async function readPickled(source: ByteSource, options: OpenOptions): Promise<Checkpoint> {
  using opened = new Cleanup();
  const file = source.name;
  const cursor: Cursor = new Cursor(source, 0, source.size!);
  const storages = new Map<string, Storage>();
  const value = await readPickle(cursor, vocabulary(file, storages), options.budget);
  if (value !== LEGACY_MAGIC) {
    const none: Locate = () => cursor.fail("a tensor without storage");
    return await checkpointOf(value, source, none, file, options, opened);
  }
  const { value: saved, locate } = await readLegacy(cursor, storages, options.budget);
  return await checkpointOf(saved, source, locate, file, options, opened);
}

/** Reads the older format behind its magic number: four pickles, then the storages one after the other. */
async function readLegacy(
  cursor: Cursor,
  storages: Map<string, Storage>,
  budget: Budget,
): Promise<{ value: PickledValue; locate: Locate }> {
  const words = vocabulary(cursor.source.name, storages);
  const version = await readPickle(cursor, words, budget);
  if (version !== LEGACY_VERSION) {
    cursor.fail(
      `expected version ${LEGACY_VERSION} of PyTorch's older format, found ${pickledText(version)}`,
    );
  }
  await readPickle(cursor, words, budget); // Sizes of C types on the machine that wrote it.
  const value = await readPickle(cursor, words, budget);
  const keys = await readPickle(cursor, words, budget);
  if (!Array.isArray(keys)) cursor.fail("the list of storages is missing");

  const offsets = new Map<string, number>();
  for (const key of keys) {
    const elements = await cursor.uint64();
    const storage = storages.get(pickledText(key));
    if (storage?.elements !== elements) {
      cursor.fail(
        `storage ${pickledText(key)} must have ${storage?.elements} elements, found ${elements}`,
      );
    }
    offsets.set(storage.key, cursor.skip(elements * storage.type.bytes));
  }
  const locate = ({ key, type, offset }: Storage): PlacedStorage => {
    const begin = offsets.get(key);
    if (begin === undefined) cursor.fail(`storage ${key} is missing`);
    const position = begin + offset * type.bytes;
    return { bytes: cursor.source, begin: position, position, isLittle: true };
  };
  return { value, locate };
}

/** Opens a storage that a plain pickle holds as a file of the older format. */
async function openNested(
  { bytes: held }: NestedStorage,
  source: ByteSource,
  budget: Budget,
): Promise<PlacedStorage & { storage: Storage }> {
  const { bytes, begin, end } = await rangeOf(held, source);
  const cursor: Cursor = new Cursor(bytes, begin, end);
  const storages = new Map<string, Storage>();
  const magic = await readPickle(cursor, vocabulary(source.name, storages), budget);
  if (magic !== LEGACY_MAGIC) cursor.fail("a storage that PyTorch has not written");
  const { value, locate } = await readLegacy(cursor, storages, budget);
  if (!(value instanceof Storage)) cursor.fail("something that is no storage");
  return { ...await locate(value), position: held.offset, storage: value };
}

async function checkpointOf(
  value: PickledValue,
  pickle: ByteSource,
  locate: Locate,
  file: string,
  { state, budget }: OpenOptions,
  opened: Cleanup,
): Promise<Checkpoint> {
  const chosen = chooseState(value, file, state, budget);
  const find = async (storage: Storage | NestedStorage) =>
    storage instanceof NestedStorage
      ? await openNested(storage, pickle, budget)
      : { ...await locate(storage), storage };
  const stored = await storedTensors(chosen, { pickle, find, file });
  const isPaddle = value instanceof Map && value.has("StructuredToParameterName@@");
  const isOfArrays = [...chosen.tensors.values()].some((leaf) => leaf instanceof PickledArray);
  const tensors = isOfArrays
    ? layArrays(weightsOf(stored, file), isPaddle)
    : weightsOf(stored, file);
  const { module } = chosen;
  const { graph, epsilon } = module === undefined
    ? { graph: undefined, epsilon: 1e-5 }
    : moduleGraph(module, tensors, file);
  const held = opened.move();
  const format = isPaddle ? "Paddle" : "PyTorch";
  return {
    format,
    tensors,
    order: "declared",
    graph,
    images: isOfArrays && !isPaddle
      ? usualImages(tensors)
      : { preprocessing: "torch", isRead: false, because: `usual for ${format}` },
    epsilon,
    close: () => held.dispose(),
  };
}

/** Arrays may be those of any framework. Paddle's dense weights are `[I, O]`, its filters `[O, I, H, W]`. */
function layArrays(tensors: readonly CheckpointTensor[], isPaddle: boolean): CheckpointTensor[] {
  const laid = withLayouts(tensors, OUTPUTS_FIRST);
  if (!isPaddle) return laid;
  return laid.map((tensor) =>
    tensor.shape.length === 2
      ? { ...tensor, layout: { ...OUTPUTS_FIRST, outputs: "last" } }
      : tensor
  );
}

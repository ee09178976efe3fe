/**
 * Reads what `torch.save` writes: the zip format (since PyTorch 1.6) and the older one.
 *
 * @see {@link https://github.com/pytorch/pytorch/blob/main/torch/serialization.py}
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import { isSize, isSizes } from "../../../model/json.ts";
import { type CheckpointTensor, type OldCheckpoint, OUTPUTS_FIRST, sizeOf } from "../checkpoint.ts";
import { Cursor } from "../cursor.ts";
import {
  PickledGlobal,
  pickledText,
  type PickledValue,
  type PickleVocabulary,
  readPickle,
} from "./pickle.ts";
import { bytesOf, type ElementType, isRowMajor, rawTensor, stridedTensor } from "../tensors.ts";
import { openEntry, type PlacedBytes, type ZipEntry } from "../zip.ts";

interface StorageType {
  readonly dtype: ElementType | undefined;
  readonly bytes: number;
}

/** Types of storage by their names in a pickle; `undefined`: read past, they are no weights. */
const STORAGES: ReadonlyMap<string, StorageType> = new Map(Object.entries({
  "torch.FloatStorage": { dtype: "F32", bytes: 4 },
  "torch.DoubleStorage": { dtype: "F64", bytes: 8 },
  "torch.HalfStorage": { dtype: "F16", bytes: 2 },
  "torch.BFloat16Storage": { dtype: "BF16", bytes: 2 },
  "torch.CharStorage": { dtype: undefined, bytes: 1 },
  "torch.ByteStorage": { dtype: undefined, bytes: 1 },
  "torch.BoolStorage": { dtype: undefined, bytes: 1 },
  "torch.ShortStorage": { dtype: undefined, bytes: 2 },
  "torch.IntStorage": { dtype: undefined, bytes: 4 },
  "torch.LongStorage": { dtype: undefined, bytes: 8 },
}));

/** A storage that the pickle refers to, where it lies is known later. */
class Storage {
  constructor(readonly key: string, readonly type: StorageType, readonly elements: number) {}
}

/** A tensor as the pickle has it. */
class PickledTensor {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/** @param storages Gets every storage that is referred to, by its key. */
function vocabulary(file: string, storages = new Map<string, Storage>()): PickleVocabulary {
  const fail = (message: string): never => {
    throw new CheckpointFormatError(`The pickle of ${file} is not valid: ${message}`, { file });
  };
  const rebuildTensor = (...[storage, offset, shape, strides]: PickledValue[]) =>
    storage instanceof Storage && isSize(offset) && isSizes(shape) && isSizes(strides) &&
      shape.length === strides.length
      ? new PickledTensor(storage, offset, shape, strides)
      : fail("a tensor without storage, shape or strides");
  return {
    functions: {
      "torch._utils._rebuild_tensor": rebuildTensor,
      "torch._utils._rebuild_tensor_v2": rebuildTensor,
      "torch._utils._rebuild_parameter": (tensor) => tensor ?? null,
      "collections.OrderedDict": () => new Map(),
      "torch.Size": (sizes) => sizes ?? [],
    },
    values: [...STORAGES.keys()],
    persistent(id) {
      const [kind, type, key, , elements] = Array.isArray(id) ? id : [];
      const stored = type instanceof PickledGlobal ? STORAGES.get(type.name) : undefined;
      if (
        kind !== "storage" || stored === undefined || typeof key !== "string" || !isSize(elements)
      ) return fail("a persistent id that is not a storage");
      const storage = storages.get(key) ?? new Storage(key, stored, elements);
      storages.set(key, storage);
      return storage;
    },
  };
}

/** Opens a checkpoint in the zip format. */
export async function readPytorchZip(
  source: ByteSource,
  entries: readonly ZipEntry[],
): Promise<OldCheckpoint> {
  const file = source.name;
  const pickle = entries.find(({ name }) => /(^|\/)data\.pkl$/.test(name))!;
  const root = pickle.name.slice(0, -"data.pkl".length);
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  using opened = new DisposableStack();
  const { bytes, begin } = await openEntry(source, pickle, opened);
  const cursor = new Cursor(bytes, begin, begin + pickle.size);
  const value = await readPickle(cursor, vocabulary(file));
  return await checkpointOf(value, source, async (storage, bytes) => {
    const entry = byName.get(`${root}data/${storage.key}`);
    if (entry === undefined || entry.size < bytes) {
      const found = entry?.size ?? "no such entry";
      throw new CheckpointFormatError(
        `Expected ${bytes} bytes in ${root}data/${storage.key} of ${file}: found ${found}`,
        { file },
      );
    }
    return await openEntry(source, entry, opened);
  }, opened);
}

/** The first pickle of the older format holds this number. */
const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_VERSION = 1001;

/** Opens a checkpoint in the older format: five pickles, then the storages one after the other. */
export async function readPytorchLegacy(source: ByteSource): Promise<OldCheckpoint> {
  const cursor: Cursor = new Cursor(source, 0, source.size!);
  const storages = new Map<string, Storage>();
  const words = vocabulary(source.name, storages);
  const magic = await readPickle(cursor, words);
  const version = await readPickle(cursor, words);
  if (magic !== LEGACY_MAGIC || version !== LEGACY_VERSION) {
    cursor.fail(
      `expected version ${LEGACY_VERSION} of PyTorch's older format, found ${pickledText(version)}`,
    );
  }
  await readPickle(cursor, words); // Sizes of C types on the machine that wrote it.
  const value = await readPickle(cursor, words);
  const keys = await readPickle(cursor, words);
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
  return await checkpointOf(value, source, (storage) => {
    const offset = offsets.get(storage.key);
    if (offset === undefined) cursor.fail(`storage ${storage.key} is missing`);
    return { bytes: source, begin: offset };
  }, new DisposableStack());
}

/** Finds the bytes of each tensor and puts them in the order in which they lie. */
async function checkpointOf(
  value: PickledValue,
  source: ByteSource,
  locate: (storage: Storage, bytes: number) => Promise<PlacedBytes> | PlacedBytes,
  opened: DisposableStack,
): Promise<OldCheckpoint> {
  const found: { tensor: CheckpointTensor; begin: number }[] = [];
  for (const [name, pickled] of tensorsOf(value, source.name)) {
    const { dtype } = pickled.storage.type;
    if (dtype === undefined) continue;
    const place = await locate(pickled.storage, bytesOf(dtype) * pickled.storage.elements);
    const begin = place.begin + bytesOf(dtype) * pickled.offset;
    const tensor = makeTensor(name, pickled, place.bytes, dtype, begin, source.name);
    found.push({ tensor, begin });
  }
  const held = opened.move();
  return {
    format: "PyTorch",
    tensors: found.sort((a, b) => a.begin - b.begin).map(({ tensor }) => tensor),
    inGraphOrder: false,
    preprocessing: "torch",
    epsilon: 1e-5,
    close: () => held.dispose(),
  };
}

function makeTensor(
  name: string,
  { storage, offset, shape, strides }: PickledTensor,
  source: ByteSource,
  dtype: ElementType,
  begin: number,
  file: string,
): CheckpointTensor {
  const layout = OUTPUTS_FIRST;
  const left = storage.elements - offset;
  try {
    if (!isRowMajor(shape, strides)) {
      const flat = rawTensor(source, { name, shape: [Math.max(0, left)], layout }, dtype, begin);
      return stridedTensor(flat, shape, strides);
    }
    if (sizeOf(shape) > left) throw new RangeError(`[${shape}] is more than ${left} elements`);
    return rawTensor(source, { name, shape, layout }, dtype, begin);
  } catch (cause) {
    throw new CheckpointFormatError(
      `Tensor ${name} of ${file} does not fit its storage: ${(cause as Error).message}`,
      { file, cause },
    );
  }
}

/** How deep a state dictionary may lie in what a training loop saved. */
const MAX_DEPTH = 4;

/** The dictionary with the most tensors; the first of them, if several have as many. */
function tensorsOf(value: PickledValue, file: string): Map<string, PickledTensor> {
  let best = new Map<string, PickledTensor>();
  const visit = (node: PickledValue, depth: number): void => {
    if (!(node instanceof Map) || depth > MAX_DEPTH) return;
    const tensors = new Map<string, PickledTensor>();
    for (const [key, item] of node) {
      if (item instanceof PickledTensor) tensors.set(pickledText(key), item);
      else visit(item, depth + 1);
    }
    if (tensors.size > best.size) best = tensors;
  };
  visit(value, 0);
  if (best.size === 0) {
    throw new CheckpointFormatError(
      `Expected a dictionary of tensors in ${file}, as state_dict() gives: found none`,
      { code: "checkpoint-unsupported", file },
    );
  }
  return best;
}

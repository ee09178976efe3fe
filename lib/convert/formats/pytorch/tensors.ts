/** Makes tensors that can be read of those that a pickle describes. */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import { type CheckpointTensor, OUTPUTS_FIRST, readAll, sizeOf } from "../checkpoint.ts";
import { arrayTensor, PickledArray } from "../numpy/vocabulary.ts";
import { type StoredTensor, storedTensor } from "../stored.ts";
import { dequantizedTensor, isRowMajor, stridedTensor } from "../tensors.ts";
import type { PlacedBytes } from "../zip.ts";
import { PickledObject } from "./pickled.ts";
import type { Leaf, State } from "./state.ts";
import type { NestedStorage, PickledTensor, Storage } from "./vocabulary.ts";

/** Where a storage's bytes are. */
export interface PlacedStorage extends PlacedBytes {
  /** In the checkpoint's file, to read it forwards. */
  readonly position: number;
  /** Whether the low byte comes first. */
  readonly isLittle: boolean;
}

/** Finds a storage's bytes, of which there are as many as its elements need. */
export type Locate = (storage: Storage) => Promise<PlacedStorage> | PlacedStorage;

/** What tensors are made with. */
interface Origin {
  /** What the pickle was read from; arrays are in it. */
  readonly pickle: ByteSource;
  find(storage: Storage | NestedStorage): Promise<PlacedStorage & { readonly storage: Storage }>;
  readonly file: string;
}

/** Makes the tensors of a state dictionary, in its order. */
export async function storedTensors(state: State, origin: Origin): Promise<StoredTensor[]> {
  const isQuantized = [...state.tensors.values()].some(hasQuantizer);
  const stored: StoredTensor[] = [];
  for (const [name, leaf] of state.tensors) {
    // A quantized layer's activations have them; its weights have their own.
    if (isQuantized && /(^|\.)(scale|zero_point)$/.test(name)) continue;
    if (hasQuantizer(leaf) && !isOfLayer(name, state)) {
      fail(origin, `Tensor ${name} of ${origin.file} is quantized, and its layer has no scale`);
    }
    if (leaf instanceof PickledObject) {
      fail(origin, `Tensor ${name} of ${origin.file} is made by ${leaf.name}, which is not known`);
    }
    const tensor = leaf instanceof PickledArray
      ? arrayTensor(name, leaf, origin.pickle, OUTPUTS_FIRST)
      : await tensorOf(name, leaf, origin);
    if (tensor !== undefined) stored.push(tensor);
  }
  return stored;
}

/** Quantized layers have a scale of their outputs. */
function isOfLayer(name: string, { tensors }: State): boolean {
  return tensors.has(name.replace(/[^.]*$/, "scale"));
}

function hasQuantizer(leaf: Leaf): boolean {
  return "quantizer" in leaf && leaf.quantizer !== undefined;
}

/**
 * Elements that a tensor may have beyond those of its storage, which it then has more than once: a number for
 * each channel that is the same for all.
 */
const MAX_EXPANDED = 1 << 16;

async function tensorOf(
  name: string,
  pickled: PickledTensor,
  origin: Origin,
): Promise<StoredTensor> {
  const { offset, shape, strides, quantizer } = pickled;
  const { storage, bytes, begin, position, isLittle } = await origin.find(pickled.storage);
  const { dtype, bytes: size } = pickled.type ?? storage.type;
  const place = position + size * offset;
  const left = Math.floor(storage.elements * storage.type.bytes / size) - offset;
  const elements = sizeOf(shape);
  const file = origin.file;
  if (elements > Math.max(left, MAX_EXPANDED)) {
    throw new CheckpointFormatError(
      `Tensor ${name} of ${file} has ${elements} elements of shape [${shape}] in a storage of ${left}: save it with contiguous()`,
      { code: "budget", file },
    );
  }
  try {
    const about = { name, layout: OUTPUTS_FIRST, position: place };
    const isFlat = isRowMajor(shape, strides);
    if (isFlat && elements > left) throw new RangeError(`[${shape}] is more than ${left} elements`);
    const flat = { ...about, shape: isFlat ? shape : [Math.max(0, left)] };
    const raw = storedTensor(bytes, flat, dtype, begin + size * offset, isLittle);
    const tensor = isFlat ? raw : stridedTensor(raw, shape, strides);
    if (quantizer === undefined) return { ...tensor, dtype };
    return { ...await dequantized(tensor, quantizer, origin), dtype: "F32" };
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new CheckpointFormatError(
      `Tensor ${name} of ${file} does not fit its storage: ${cause.message}`,
      { file, cause },
    );
  }
}

async function dequantized(
  tensor: CheckpointTensor,
  quantizer: NonNullable<PickledTensor["quantizer"]>,
  origin: Origin,
): Promise<CheckpointTensor> {
  if (!("axis" in quantizer)) {
    const { scale, zeroPoint } = quantizer;
    return dequantizedTensor(tensor, { scale: [scale], zeroPoint: [zeroPoint], axis: 0 });
  }
  const numbersOf = async (pickled: PickledTensor): Promise<Float32Array> =>
    await readAll(await tensorOf(`${tensor.name} (its scales)`, pickled, origin));
  const scale = await numbersOf(quantizer.scale);
  const zeroPoint = await numbersOf(quantizer.zeroPoint);
  return dequantizedTensor(tensor, { scale, zeroPoint, axis: quantizer.axis });
}

function fail({ file }: Origin, message: string): never {
  throw new CheckpointFormatError(message, { code: "checkpoint-unsupported", file });
}

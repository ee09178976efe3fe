/** What PyTorch writes into pickles: tensors, and the storages that they are views of. */

import { CheckpointFormatError } from "../../../errors.ts";
import { isSize, isSizes } from "../../../model/json.ts";
import { NUMPY } from "../numpy/vocabulary.ts";
import type { PickleVocabulary } from "./pickle.ts";
import {
  PickledBytes,
  PickledGlobal,
  PickledObject,
  pickledText,
  type PickledValue,
} from "./pickled.ts";

/** The type of a storage's or a tensor's elements. */
export interface Elements {
  /** By safetensors' names, where it has one. */
  readonly dtype: string;
  readonly bytes: number;
}

/** By PyTorch's names for tensors; those of storages are made of them. */
const DTYPES = {
  float32: { dtype: "F32", bytes: 4 },
  float64: { dtype: "F64", bytes: 8 },
  float16: { dtype: "F16", bytes: 2 },
  bfloat16: { dtype: "BF16", bytes: 2 },
  int8: { dtype: "I8", bytes: 1 },
  uint8: { dtype: "U8", bytes: 1 },
  int16: { dtype: "I16", bytes: 2 },
  uint16: { dtype: "U16", bytes: 2 },
  int32: { dtype: "I32", bytes: 4 },
  uint32: { dtype: "U32", bytes: 4 },
  int64: { dtype: "I64", bytes: 8 },
  uint64: { dtype: "U64", bytes: 8 },
  bool: { dtype: "BOOL", bytes: 1 },
  complex64: { dtype: "C64", bytes: 8 },
  complex128: { dtype: "C128", bytes: 16 },
  float8_e4m3fn: { dtype: "F8_E4M3", bytes: 1 },
  float8_e4m3fnuz: { dtype: "F8_E4M3FNUZ", bytes: 1 },
  float8_e5m2: { dtype: "F8_E5M2", bytes: 1 },
  float8_e5m2fnuz: { dtype: "F8_E5M2FNUZ", bytes: 1 },
  float8_e8m0fnu: { dtype: "F8_E8M0", bytes: 1 },
} as const satisfies Record<string, Elements>;

/** @param type Such as `"float32"`. */
export function elementsOf(type: string): Elements | undefined {
  return Object.hasOwn(DTYPES, type) ? DTYPES[type as keyof typeof DTYPES] : undefined;
}

const STORAGES: ReadonlyMap<string, Elements> = new Map(Object.entries({
  FloatStorage: DTYPES.float32,
  DoubleStorage: DTYPES.float64,
  HalfStorage: DTYPES.float16,
  BFloat16Storage: DTYPES.bfloat16,
  CharStorage: DTYPES.int8,
  ByteStorage: DTYPES.uint8,
  ShortStorage: DTYPES.int16,
  IntStorage: DTYPES.int32,
  LongStorage: DTYPES.int64,
  BoolStorage: DTYPES.bool,
  ComplexFloatStorage: DTYPES.complex64,
  ComplexDoubleStorage: DTYPES.complex128,
  QInt8Storage: DTYPES.int8,
  QUInt8Storage: DTYPES.uint8,
  QInt32Storage: DTYPES.int32,
  UntypedStorage: DTYPES.uint8,
}));

/** A storage that a pickle refers to; where it lies is known later. */
export class Storage {
  /** @param offset Elements before it, where it is a part of another one. */
  constructor(
    readonly key: string,
    readonly type: Elements,
    readonly elements: number,
    readonly offset: number = 0,
  ) {}
}

/** A storage in a file of its own, which the pickle holds as bytes. */
export class NestedStorage {
  constructor(readonly bytes: PickledBytes) {}
}

/** How integers stand for floats. */
export type PickledQuantizer =
  | { readonly scale: number; readonly zeroPoint: number }
  | { readonly scale: PickledTensor; readonly zeroPoint: PickledTensor; readonly axis: number };

/** A tensor as the pickle has it. */
export class PickledTensor {
  constructor(
    readonly storage: Storage | NestedStorage,
    /** In elements. */
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
    /** Of its elements, where the storage is of bytes. */
    readonly type?: Elements,
    readonly quantizer?: PickledQuantizer,
  ) {}
}

/** @param storages Gets every storage that is referred to, by its key. */
export function vocabulary(file: string, storages = new Map<string, Storage>()): PickleVocabulary {
  const fail = (message: string): never => {
    throw new CheckpointFormatError(`The pickle of ${file} is not valid: ${message}`, { file });
  };

  const tensor = (
    [storage, offset, shape, strides]: readonly PickledValue[],
    type?: Elements,
    quantizer?: PickledQuantizer,
  ): PickledTensor =>
    (storage instanceof Storage || storage instanceof NestedStorage) && isSize(offset) &&
      isSizes(shape) && isSizes(strides) && shape.length === strides.length
      ? new PickledTensor(storage, offset, shape, strides, type, quantizer)
      : fail("a tensor without storage, shape or strides");

  const rebuildTensor = (...args: PickledValue[]): PickledValue => {
    const isNegative = args[6] instanceof Map && args[6].get("neg") === true;
    return isNegative ? new PickledObject("a negation", args) : tensor(args);
  };

  const rebuildOfType = (...args: PickledValue[]): PickledValue => {
    const { name } = args[6] instanceof PickledGlobal ? args[6] : { name: "" };
    const type = elementsOf(name.replace(/^torch\./, "")) ??
      fail(`a tensor of ${name || "no type"}`);
    return tensor(args, type);
  };

  const rebuildQuantized = (...args: PickledValue[]): PickledValue => {
    const [scheme, scale, zeroPoint, axis] = Array.isArray(args[4]) ? args[4] : [];
    const name = scheme instanceof PickledGlobal ? scheme.name : "";
    if (name === "torch.per_tensor_affine" && isNumber(scale) && isNumber(zeroPoint)) {
      return tensor(args, undefined, { scale, zeroPoint });
    }
    const isOfChannels = name === "torch.per_channel_affine" && isSize(axis) &&
      scale instanceof PickledTensor && zeroPoint instanceof PickledTensor;
    return isOfChannels
      ? tensor(args, undefined, { scale, zeroPoint, axis })
      : new PickledObject(`a quantization ${name || "of no name"}`, args);
  };

  /** A class that is derived from tensors, of which the data alone count. */
  const rebuildDerived = (...[rebuild, type, args]: PickledValue[]): PickledValue => {
    const name = rebuild instanceof PickledGlobal ? rebuild.name : "";
    const given = Array.isArray(args) ? args : [];
    return Object.hasOwn(functions, name)
      ? functions[name]!(...given)
      : new PickledObject(type instanceof PickledGlobal ? type.name : name, given);
  };

  const first = (value: PickledValue): PickledValue => value ?? null;
  const functions: PickleVocabulary["functions"] = {
    ...NUMPY.functions,
    "torch._utils._rebuild_tensor": rebuildTensor,
    "torch._utils._rebuild_tensor_v2": rebuildTensor,
    "torch._utils._rebuild_tensor_v3": rebuildOfType,
    "torch._utils._rebuild_qtensor": rebuildQuantized,
    "torch._utils._rebuild_parameter": first,
    "torch._utils._rebuild_parameter_with_state": first,
    "torch._utils._rebuild_device_tensor_from_numpy": first,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": first,
    "torch._utils._rebuild_xla_tensor": first,
    "torch._tensor._rebuild_from_type": rebuildDerived,
    "torch._tensor._rebuild_from_type_v2": rebuildDerived,
    "torch.tensor._rebuild_from_type": rebuildDerived,
    "torch.nn.parameter.Parameter": first,
    "torch.autograd.variable.Variable": first,
    "torch.jit._pickle.build_intlist": first,
    "torch.jit._pickle.build_tensorlist": first,
    "torch.jit._pickle.restore_type_tag": first,
    "torch.storage._load_from_bytes": (bytes) =>
      bytes instanceof PickledBytes ? new NestedStorage(bytes) : fail("a storage without bytes"),
    "torch.Size": (sizes) => sizes ?? [],
  };

  const persistent = (id: PickledValue): PickledValue => {
    const [kind, type, key, , elements, view] = Array.isArray(id) ? id : [];
    // A class with its source text: a whole network, before PyTorch 1.6.
    if (pickledText(kind) === "module") return type ?? null;
    const name = type instanceof PickledGlobal ? type.name : "";
    const stored = STORAGES.get(/^torch\.(?:cuda\.|storage\.)?(\w+)$/.exec(name)?.[1] ?? "");
    if (pickledText(kind) !== "storage" || stored === undefined || !isSize(elements)) {
      return fail(`a persistent id that is not a storage${name && `: ${name}`}`);
    }
    const text = pickledText(key);
    const storage = storages.get(text) ?? new Storage(text, stored, elements);
    storages.set(text, storage);
    const [, offset, length] = Array.isArray(view) ? view : [];
    return isSize(offset) && isSize(length) && offset + length <= elements
      ? new Storage(text, stored, length, offset)
      : storage;
  };
  return { ...NUMPY, functions, persistent };
}

function isNumber(value: PickledValue | undefined): value is number {
  return typeof value === "number";
}

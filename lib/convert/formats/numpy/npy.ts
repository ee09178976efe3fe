/**
 * The `.npy` container of one array.
 *
 * @see {@link https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html}
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import { sizeOf, type WeightLayout } from "../checkpoint.ts";
import { type StoredTensor, storedTensor } from "../stored.ts";
import { rowMajorStrides, stridedTensor } from "../tensors.ts";

/** Element types by numpy's names, without the byte order; those of others keep their names. */
const DTYPES: ReadonlyMap<string, string> = new Map([
  ...[["f2", "F16"], ["f4", "F32"], ["f8", "F64"], ["b1", "BOOL"]] as const,
  ...[["i1", "I8"], ["i2", "I16"], ["i4", "I32"], ["i8", "I64"]] as const,
  ...[["u1", "U8"], ["u2", "U16"], ["u4", "U32"], ["u8", "U64"]] as const,
]);

/** What the header says. */
export interface NpyHeader {
  /** Such as `"<f4"`, or `"|O"` for pickled objects. */
  readonly descr: string;
  readonly isFortran: boolean;
  readonly shape: readonly number[];
  /** Offset in the file of the first element. */
  readonly dataOffset: number;
}

const MAGIC = "\x93NUMPY";

/** Reads the header of the array that begins at `offset`. */
export async function readNpyHeader(source: ByteSource, offset: number): Promise<NpyHeader> {
  const fail = (message: string): never => {
    const file = source.name, text = `Expected a numpy array in ${file}: ${message}`;
    throw new CheckpointFormatError(text, { file, offset });
  };
  const prefix = new Uint8Array(12);
  await source.read(offset, prefix);
  if (String.fromCharCode(...prefix.subarray(0, 6)) !== MAGIC) fail("its first bytes are others");
  const view = new DataView(prefix.buffer);
  const version = view.getUint8(6);
  if (version < 1 || version > 3) fail(`found version ${version}`);
  const [begin, length] = version === 1
    ? [10, view.getUint16(8, true)]
    : [12, view.getUint32(8, true)];
  if (length > 65536) fail(`its header has ${length} bytes`);
  const bytes = new Uint8Array(length);
  await source.read(offset + begin, bytes);
  const text = new TextDecoder().decode(bytes);
  const descr = /'descr':\s*'([^']*)'/.exec(text)?.[1] ?? fail(`found the header ${text}`);
  const shape = /'shape':\s*\(([\d,\sL]*)\)/.exec(text)?.[1] ?? fail(`found the header ${text}`);
  return {
    descr,
    isFortran: /'fortran_order':\s*True/.test(text),
    shape: (shape.match(/\d+/g) ?? []).map(Number),
    dataOffset: offset + begin + length,
  };
}

/** An array's elements, as `.npy` and pickles describe them. */
export interface NumpyArray extends NpyHeader {
  readonly name: string;
  /** Byte after the last that may be read. */
  readonly end: number;
}

/**
 * Makes a tensor of an array.
 *
 * @returns `undefined` if its elements are no numbers.
 * @throws {CheckpointFormatError} If it does not fit.
 */
export function numpyTensor(
  source: ByteSource,
  { name, descr, isFortran, shape, dataOffset, end }: NumpyArray,
  layout: WeightLayout,
): StoredTensor | undefined {
  const [order, type] = [descr.slice(0, 1), descr.slice(1)];
  if (!/^[biufcV]\d+$/.test(type)) return undefined;
  const dtype = DTYPES.get(type) ?? type;
  const length = sizeOf(shape);
  const bytes = length * Number(type.slice(1));
  if (!Number.isSafeInteger(bytes) || bytes > end - dataOffset) {
    throw new CheckpointFormatError(
      `Array ${name} of ${source.name} must have ${descr} elements of shape [${shape}] in ${
        end - dataOffset
      } bytes`,
      { file: source.name, offset: dataOffset },
    );
  }
  const isStrided = isFortran && shape.length > 1;
  const flat = { name, shape: isStrided ? [length] : shape, layout };
  const tensor = storedTensor(source, flat, dtype, dataOffset, order !== ">");
  if (!isStrided) return tensor;
  const strides = rowMajorStrides(shape.toReversed()).toReversed();
  return { ...stridedTensor(tensor, shape, strides), dtype };
}

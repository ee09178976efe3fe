/**
 * The `.npy` container of one array.
 *
 * @see {@link https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html}
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import { type CheckpointTensor, sizeOf, type WeightLayout } from "../checkpoint.ts";
import { type ElementType, rawTensor, rowMajorStrides, stridedTensor } from "../tensors.ts";

/** Element types by numpy's names, without the byte order. */
const DTYPES: ReadonlyMap<string, ElementType> = new Map([
  ["f2", "F16"],
  ["f4", "F32"],
  ["f8", "F64"],
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
 * @returns `undefined` if its elements are no floats.
 * @throws {CheckpointFormatError} If it does not fit.
 */
export function numpyTensor(
  source: ByteSource,
  { name, descr, isFortran, shape, dataOffset, end }: NumpyArray,
  layout: WeightLayout,
): CheckpointTensor | undefined {
  const dtype = DTYPES.get(descr.slice(1));
  if (dtype === undefined) return undefined;
  const length = sizeOf(shape);
  const bytes = length * Number(descr.slice(2));
  if (!Number.isSafeInteger(bytes) || bytes > end - dataOffset) {
    throw new CheckpointFormatError(
      `Array ${name} of ${source.name} must have ${descr} elements of shape [${shape}] in ${
        end - dataOffset
      } bytes`,
      { file: source.name, offset: dataOffset },
    );
  }
  const isLittle = descr[0] !== ">";
  if (!isFortran || shape.length < 2) {
    return rawTensor(source, { name, shape, layout }, dtype, dataOffset, isLittle);
  }
  const flat = rawTensor(source, { name, shape: [length], layout }, dtype, dataOffset, isLittle);
  return stridedTensor(flat, shape, rowMajorStrides(shape.toReversed()).toReversed());
}

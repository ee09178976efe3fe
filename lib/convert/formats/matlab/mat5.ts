/**
 * Reads `.mat` files of version 5, as MATLAB's `save` writes them up to 2 GB.
 *
 * @see {@link https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf}
 */

import type { Cleanup } from "../../../cleanup.ts";
import { type ByteSource, BytesSource } from "../../../io/byte_source.ts";
import type { Budget } from "../budget.ts";
import { OUTPUTS_FIRST, sizeOf } from "../checkpoint.ts";
import { Cursor } from "../cursor.ts";
import { inflate, unpack } from "../inflate.ts";
import { bytesOf, type ElementType, rawTensor } from "../tensors.ts";
import type { MatFields, MatValue } from "./value.ts";

const HEADER_BYTES = 128, TAG_BYTES = 8;
/** What is unpacked of a variable to see its name. */
const HEAD_BYTES = 4096;
const MATRIX = 14, COMPRESSED = 15;
/** Types of elements that are numbers. A matrix may be written with a smaller type than its own. */
const ELEMENTS: Readonly<Record<number, ElementType>> = {
  1: "I8",
  2: "U8",
  3: "I16",
  4: "U16",
  5: "I32",
  7: "F32",
  9: "F64",
};
/** Types of elements that are text. */
const ENCODINGS: Readonly<Record<number, string>> = {
  1: "utf-8",
  2: "utf-8",
  4: "utf-16",
  16: "utf-8",
  17: "utf-16",
};
/** Classes of matrices, in the lowest byte of their flags. */
const CELL = 1, STRUCT = 2, CHAR = 4, DOUBLE = 6, UINT64 = 15, OPAQUE = 17, CLASS = 0xff;
const OTHERS: Readonly<Record<number, string>> = {
  3: "object",
  5: "sparse matrix",
  16: "function handle",
  [OPAQUE]: "object",
};
const COMPLEX = 0x800;
/** More than anybody nests; names, sizes and texts are shorter, too. */
const MAX_DEPTH = 32, MAX_SMALL_BYTES = 1 << 16;

/** A variable that nobody asked for. */
const SKIPPED: MatValue = { kind: "other", type: "variable that is not read" };

/** What a matrix is. */
interface Header {
  /** Its class and more. */
  readonly flags: number;
  readonly shape: readonly number[];
  readonly name: string;
}

/** Where the contents of an element are. */
interface Element {
  readonly type: number;
  readonly begin: number;
  readonly length: number;
}

/**
 * Reads the variables of a file.
 *
 * @param names Of those that are needed; others are `other`.
 * @param opened Closes what is unpacked.
 */
export async function readMat5(
  source: ByteSource,
  names: readonly string[],
  budget: Budget,
  opened: Cleanup,
): Promise<MatFields> {
  const mark = new Uint8Array(2);
  await source.read(HEADER_BYTES - 2, mark);
  const isLittle = mark[0] === 0x49; // "IM"; "MI" is big-endian.
  const variables = new Map<string, MatValue>();
  const file = new MatrixReader(source, HEADER_BYTES, source.size!, isLittle, budget);
  while (!file.done) {
    const element = await file.element();
    const variable = element.type === COMPRESSED
      ? await openCompressed(source, element, isLittle, budget)
      : { head: file.within(element), open: () => file.within(element) };
    const { name } = await variable.head.header();
    variables.set(name, SKIPPED);
    if (!names.includes(name)) continue;
    const reader = await variable.open(opened);
    variables.set(name, await reader.value(await reader.header(), 0));
  }
  return variables;
}

/** Reads one element after the other. */
class MatrixReader {
  readonly #cursor: Cursor;

  constructor(
    private readonly source: ByteSource,
    begin: number,
    private readonly end: number,
    private readonly isLittle: boolean,
    private readonly budget: Budget,
  ) {
    this.#cursor = new Cursor(source, begin, end);
  }

  get done(): boolean {
    return this.#cursor.done;
  }

  /** Steps over an element. One of up to four bytes is within its own tag. */
  async element(): Promise<Element> {
    const at = this.#cursor.position;
    const { buffer, byteOffset } = await this.#cursor.bytes(TAG_BYTES);
    const tag = new DataView(buffer, byteOffset, TAG_BYTES);
    const word = tag.getUint32(0, this.isLittle);
    const isSmall = word >>> 16 > 0;
    const type = isSmall ? word & 0xffff : word;
    const length = isSmall ? word >>> 16 : tag.getUint32(4, this.isLittle);
    if (isSmall && length > 4) this.#cursor.fail(`an element of ${length} bytes is no small one`);
    if (!isSmall) {
      // Whole words, but for compressed ones, and the last may be cut short.
      const padded = type === COMPRESSED ? length : Math.ceil(length / 8) * 8;
      const left = this.end - this.#cursor.position;
      this.#cursor.skip(length <= left ? Math.min(padded, left) : length);
    }
    return { type, begin: isSmall ? at + 4 : at + 8, length };
  }

  /** Reads what is in an element. */
  within({ begin, length }: Element): MatrixReader {
    return new MatrixReader(this.source, begin, begin + length, this.isLittle, this.budget);
  }

  /** What comes before the contents of a matrix. */
  async header(): Promise<Header> {
    const [flags = 0] = await this.#integers(await this.element());
    const hasSizes = (flags & CLASS) !== OPAQUE;
    const shape = hasSizes ? await this.#integers(await this.element()) : [];
    return { flags, shape, name: await this.#text(await this.element()) };
  }

  /** The value that follows its header. */
  async value({ flags, shape, name }: Header, depth: number): Promise<MatValue> {
    this.budget.visit();
    if (depth > MAX_DEPTH) this.#cursor.fail(`values are nested more than ${MAX_DEPTH} deep`);
    const type = flags & CLASS, count = sizeOf(shape);
    if (!Number.isSafeInteger(count) || shape.some((size) => size < 0)) {
      this.#cursor.fail(`[${shape}] is no size of a matrix`);
    }
    if (type === CELL) return { kind: "cell", items: await this.#values(count, depth) };
    if (type === STRUCT) return await this.#struct(count, depth);
    if (type === CHAR) return { kind: "text", text: await this.#text(await this.element()) };
    if (type < DOUBLE || type > UINT64 || flags & COMPLEX) {
      const what = flags & COMPLEX ? "complex matrix" : OTHERS[type];
      return { kind: "other", type: what ?? `value of class ${type}` };
    }
    const element = await this.element();
    const dtype = ELEMENTS[element.type];
    if (dtype === undefined) return { kind: "other", type: `matrix of 64-bit integers` };
    if (element.length !== count * bytesOf(dtype)) {
      this.#cursor.fail(`a matrix [${shape}] of ${dtype} has ${element.length} bytes`);
    }
    const bytes = this.isLittle ? this.source : reversed(this.source, bytesOf(dtype));
    const about = { name, shape: shape.toReversed(), layout: OUTPUTS_FIRST };
    return { kind: "numbers", tensor: rawTensor(bytes, about, dtype, element.begin) };
  }

  async #struct(count: number, depth: number): Promise<MatValue> {
    const [length = 0] = await this.#integers(await this.element());
    const text = await this.#text(await this.element(), false);
    if (!(length > 0)) this.#cursor.fail(`names of fields have ${length} bytes`);
    const names = Array.from(
      { length: Math.floor(text.length / length) },
      (_, index) => text.slice(index * length, (index + 1) * length).replace(/\0[^]*/, ""),
    );
    const elements: MatFields[] = [];
    for (let i = 0; i < count && names.length > 0; i++) {
      const values = await this.#values(names.length, depth);
      elements.push(new Map(names.map((name, index) => [name, values[index]!])));
    }
    return { kind: "struct", elements };
  }

  async #values(count: number, depth: number): Promise<MatValue[]> {
    const values: MatValue[] = [];
    for (let i = 0; i < count; i++) {
      const element = await this.element();
      if (element.type !== MATRIX) this.#cursor.fail(`type ${element.type} is no value`);
      if (element.length === 0) {
        values.push({ kind: "cell", items: [] });
        continue;
      }
      const reader = this.within(element);
      values.push(await reader.value(await reader.header(), depth + 1));
    }
    return values;
  }

  async #integers({ begin, length }: Element): Promise<number[]> {
    const bytes = await this.#bytes(begin, length), view = new DataView(bytes.buffer);
    return Array.from({ length: length >> 2 }, (_, i) => view.getInt32(4 * i, this.isLittle));
  }

  async #text({ type, begin, length }: Element, isTrimmed = true): Promise<string> {
    const bytes = await this.#bytes(begin, length);
    const encoding = ENCODINGS[type] ?? "utf-8";
    const name = encoding === "utf-16" ? `utf-16${this.isLittle ? "le" : "be"}` : encoding;
    const text = new TextDecoder(name).decode(bytes);
    return isTrimmed ? text.replace(/\0+$/, "") : text;
  }

  async #bytes(begin: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (length > MAX_SMALL_BYTES) this.#cursor.fail(`a text of ${length} bytes is too long`);
    const bytes = new Uint8Array(length);
    await this.source.read(begin, bytes);
    return bytes;
  }
}

/** Unpacks the beginning of a variable, where its name is, and all of it when it is asked for. */
async function openCompressed(
  source: ByteSource,
  { begin, length }: Element,
  isLittle: boolean,
  budget: Budget,
): Promise<{ head: MatrixReader; open(opened: Cleanup): Promise<MatrixReader> }> {
  const name = `the variable at byte ${begin}`;
  const deflated = { source, begin, length, format: "deflate", name } as const;
  const readerOf = (bytes: ByteSource): MatrixReader =>
    new MatrixReader(bytes, TAG_BYTES, bytes.size!, isLittle, budget);
  const head = new Uint8Array(HEAD_BYTES);
  let filled = 0;
  for await (const part of inflate(deflated)) {
    head.set(part.subarray(0, HEAD_BYTES - filled), filled);
    filled = Math.min(HEAD_BYTES, filled + part.length);
    if (filled === HEAD_BYTES) break;
  }
  return {
    head: readerOf(new BytesSource(head, source.name)),
    async open(opened) {
      const size = TAG_BYTES + new DataView(head.buffer).getUint32(4, isLittle);
      budget.unpack(length, size);
      const unpacked = await unpack(deflated, size);
      return readerOf(opened.adopt(unpacked, () => unpacked.close()));
    },
  };
}

/** A file whose numbers have their high byte first, as one that has the low byte first. */
function reversed(source: ByteSource, bytes: number): ByteSource {
  return {
    name: source.name,
    size: source.size,
    async read(offset, into): Promise<void> {
      await source.read(offset, into);
      for (let at = 0; at + bytes <= into.length; at += bytes) {
        into.subarray(at, at + bytes).reverse();
      }
    },
    close: () => source.close(),
  };
}

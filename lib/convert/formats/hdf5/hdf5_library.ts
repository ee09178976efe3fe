/**
 * The HDF5 C library in WebAssembly, and what is asked of it: what a file holds, and parts of datasets.
 *
 * It parses what nobody has checked, so it runs on a thread of its own where it can (hdf5_thread.ts).
 */

import { halfFloat } from "../tensors.ts";
import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";

type H5wasm = typeof import("h5wasm");
type File = InstanceType<H5wasm["File"]>;
type Attribute = InstanceType<H5wasm["Attribute"]>;
type Group = InstanceType<H5wasm["Group"]>;
type Dataset = InstanceType<H5wasm["Dataset"]>;
type Reference = InstanceType<H5wasm["Reference"]>;

/** Fills `into` with the file's bytes from `position` on, before it returns. */
export type ReadNow = (position: number, into: Uint8Array) => void;

/** One dataset. */
export interface Hdf5Dataset {
  /** From the file's root on, which is `/`. */
  readonly path: string;
  readonly shape: readonly number[];
  /** What its elements are: `read` gives numbers, `targets` the paths that references lead to. */
  readonly kind: "float" | "integer" | "reference" | "other";
  /** Bytes of an element. */
  readonly bytes: number;
}

/** Attributes that are text or a list of texts, by their names. */
export type Hdf5Texts = Readonly<Record<string, string | readonly string[]>>;

/** What a file holds, as far as a checkpoint needs it. */
export interface Hdf5Contents {
  /** Paths of all groups below the root, sorted. */
  readonly groups: readonly string[];
  /** All datasets, sorted by their paths. */
  readonly datasets: readonly Hdf5Dataset[];
  /** The attributes that were asked for, by the path of the group or dataset that has them. */
  readonly texts: ReadonlyMap<string, Hdf5Texts>;
  /** Names of those that are texts of any length, and were not read. */
  readonly skipped: readonly string[];
}

/** A range of each axis of a dataset. */
export type Box = (readonly [begin: number, end: number])[];

/** Options of opening a file. */
export interface Hdf5Options {
  /** Names of attributes to read; those with a number behind are read too, as long lists are split so. */
  readonly attributes: readonly string[];
  /** Milliseconds that the library may take for one answer. Default: 20,000. */
  readonly limitMs?: number;
  /** Whether to do without a thread. Default: only where there are none. */
  readonly ownThread?: boolean;
}

/** One file, open in the library, wherever that runs. */
export interface Hdf5Session {
  contents(): Promise<Hdf5Contents>;
  read(path: string, box: Box): Promise<ArrayLike<number>>;
  targets(path: string): Promise<readonly string[]>;
  close(): void;
}

/** Far more groups and datasets, or references, than a network has. */
const MAX_OBJECTS = 20_000;
/** Of all attributes: one has up to 64 KiB as a rule, but descriptions of models can be of another kind. */
const MAX_TEXT_BYTES = 16 << 20;

/** The library's numbers of types. */
const TYPES = { integer: 0, float: 1, text: 3, opaque: 5, reference: 7 } as const;

/** What is used of the file system inside the library. */
interface MemoryFileSystem {
  writeFile(path: string, bytes: Uint8Array): void;
  unlink(path: string): void;
  lookupPath(path: string): { node: { usedBytes: number; stream_ops: Record<string, unknown> } };
}

let loading: Promise<H5wasm> | undefined;

/** Loads the library once, when the first file is opened: 4 MB that no other format needs. */
export function loadHdf5(): Promise<H5wasm> {
  return loading ??= (async () => {
    const h5wasm = await import("h5wasm");
    const module = await h5wasm.ready;
    // Otherwise the library prints what it finds wrong, and goes on.
    module.activate_throwing_error_handler();
    return h5wasm;
  })();
}

/** An open file. Whatever is wrong with it is thrown as the library's own errors. */
export class OpenHdf5 {
  static #count = 0;
  readonly #mounted: string;
  readonly #file: File;
  /** Paths by the references that lead there. */
  #paths: ReadonlyMap<string, string> | undefined;

  /**
   * @param size Bytes of the file.
   * @param read Reads them; the library cannot reach anything else.
   */
  constructor(private readonly h5wasm: H5wasm, size: number, read: ReadNow) {
    this.#mounted = `/${OpenHdf5.#count++}.h5`;
    mount(fileSystem(h5wasm), this.#mounted, size, read);
    try {
      this.#file = new h5wasm.File(this.#mounted, "r");
    } catch (error) {
      fileSystem(h5wasm).unlink(this.#mounted);
      throw error;
    }
  }

  /**
   * Lists what there is.
   *
   * @param names Attributes to read.
   * @param heap Whether texts of any length are read too. They lie in a heap, whose damage can send
   *   the library round in circles.
   */
  contents(names: readonly string[], heap: boolean): Hdf5Contents {
    const groups: string[] = [], datasets: Hdf5Dataset[] = [];
    const texts = new Map<string, Hdf5Texts>();
    const reader = new TextReader(names, heap);
    reader.read(this.#file, "/", texts);
    for (const name of this.#file.paths()) {
      const path = `/${name}`, found = this.#file.get(path);
      if (found instanceof this.h5wasm.Dataset) {
        const { shape, type, size } = found.metadata;
        const kind = kindOf(type, size);
        datasets.push({ path, shape: (shape ?? []).map(Number), kind, bytes: size });
      } else if (found instanceof this.h5wasm.Group) {
        groups.push(path);
      } else {
        continue;
      }
      if (groups.length + datasets.length > MAX_OBJECTS) {
        throw new Error(`it has over ${MAX_OBJECTS} groups and datasets`);
      }
      reader.read(found, path, texts);
    }
    return { groups, datasets, texts, skipped: [...reader.skipped] };
  }

  /** Reads a part of a dataset of floats or integers, in row-major order. */
  read(path: string, box: Box): ArrayLike<number> & ArrayBufferView {
    const dataset = this.#dataset(path);
    const { type, size, shape } = dataset.metadata;
    const kind = kindOf(type, size);
    if (kind !== "float" && kind !== "integer") {
      throw new Error(`${path} has other elements than numbers`);
    }
    const isHalf = kind === "float" && size === 2;
    const known = isHalf ? asIntegers(dataset) : dataset;
    // Of a dataset without axes the library reads no parts, and gives its one element as it is.
    const values = shape?.length === 0
      ? [known.value]
      : known.slice(box.map(([begin, end]) => [begin, end]));
    return isHalf
      ? (type === TYPES.float ? halves : upperHalves)(values as ArrayLike<number>)
      : asNumbers(values);
  }

  /** The paths that the references of a dataset lead to, in row-major order. */
  targets(path: string): string[] {
    const dataset = this.#dataset(path);
    const { type, total_size } = dataset.metadata;
    if (type !== TYPES.reference || total_size > MAX_OBJECTS) {
      throw new Error(`${path} has no references, or over ${MAX_OBJECTS}`);
    }
    const { value } = dataset;
    // The library finds the name of what a reference leads to by going through all of the file.
    this.#paths ??= new Map(
      this.#file.paths().flatMap((name): [string, string][] => {
        const found = this.#file.get(name);
        const isHere = found instanceof this.h5wasm.Dataset || found instanceof this.h5wasm.Group;
        return isHere ? [[String(found.create_reference().ref_data), `/${name}`]] : [];
      }),
    );
    return (Array.isArray(value) ? value : [value]).map((reference) =>
      this.#paths!.get(String((reference as Reference).ref_data)) ?? ""
    );
  }

  #dataset(path: string): Dataset {
    const dataset = this.#file.get(path);
    if (dataset instanceof this.h5wasm.Dataset) return dataset;
    throw new Error(`${path} is no dataset`);
  }

  close(): void {
    try {
      this.#file.close();
    } finally {
      fileSystem(this.h5wasm).unlink(this.#mounted);
    }
  }
}

/** Reads attributes that are text, up to a number of bytes together. */
class TextReader {
  readonly skipped = new Set<string>();
  #bytes = 0;

  constructor(private readonly names: readonly string[], private readonly heap: boolean) {}

  read({ attrs }: Group | Dataset, path: string, texts: Map<string, Hdf5Texts>): void {
    const found: Record<string, string | readonly string[]> = {};
    for (const name of Object.keys(attrs)) {
      if (!this.names.includes(name.replace(/\d+$/, ""))) continue;
      const text = this.#textOf(attrs[name]!);
      if (text !== undefined) found[name] = text;
    }
    if (Object.keys(found).length > 0) texts.set(path, found);
  }

  /** The value of an attribute if it is text that may be read. */
  #textOf(attribute: Attribute): string | string[] | undefined {
    const { type, vlen, size, total_size } = attribute.metadata;
    if (type !== TYPES.text) return undefined;
    if (vlen && !this.heap) {
      this.skipped.add(attribute.name.replace(/\d+$/, ""));
      return undefined;
    }
    this.#bytes += size * total_size;
    if (this.#bytes > MAX_TEXT_BYTES) {
      throw new Error(`its attributes have over ${MAX_TEXT_BYTES} bytes`);
    }
    const { value } = attribute;
    if (typeof value === "string") return value;
    return Array.isArray(value) ? value.map(String) : undefined;
  }
}

/** Two bytes of no type are bfloat16, as Keras 3 writes it with h5py, which has no name for it. */
function kindOf(type: number, size: number): Hdf5Dataset["kind"] {
  if (type === TYPES.float || (type === TYPES.opaque && size === 2)) return "float";
  return type === TYPES.integer ? "integer" : type === TYPES.reference ? "reference" : "other";
}

/** A dataset of floats of two bytes, which the library does not know, as one of integers. */
function asIntegers(dataset: Dataset): Dataset {
  const metadata = { ...dataset.metadata, type: TYPES.integer, signed: false };
  return Object.create(dataset, { metadata: { value: metadata } });
}

function halves(bits: ArrayLike<number>): Float32Array {
  return Float32Array.from(bits, halfFloat);
}

/** Bfloat16 is the upper half of a float32. */
function upperHalves(bits: ArrayLike<number>): Float32Array {
  return new Float32Array(Uint32Array.from(bits, (half) => half << 16).buffer);
}

/** What the library gives for numbers: arrays of their type, or a list of one. */
function asNumbers(values: unknown): ArrayLike<number> & ArrayBufferView {
  const isOther = Array.isArray(values) || values instanceof BigInt64Array ||
    values instanceof BigUint64Array;
  return isOther
    ? Float64Array.from(values as number[], Number)
    : values as ArrayLike<number> & ArrayBufferView;
}

/** The error of a file that cannot be read. */
export function damaged(
  { name }: ByteSource,
  message: string,
  code?: "budget",
): CheckpointFormatError {
  const text = `The HDF5 file ${name} is damaged: ${message}`;
  return new CheckpointFormatError(text, { code, file: name });
}

/**
 * What the library says was wrong, in one line: of its stack of errors the innermost, which is the last.
 */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const innermost = [...text.matchAll(/^ *#\d+:.*?\(\): (.*)$/gm)].at(-1)?.[1];
  return innermost ?? text.replace(/\n[^]*/, "");
}

/** Makes a file of the library's own file system read through `read`. */
function mount(fs: MemoryFileSystem, path: string, size: number, read: ReadNow): void {
  fs.writeFile(path, new Uint8Array(0));
  const { node } = fs.lookupPath(path);
  node.usedBytes = size;
  node.stream_ops = {
    ...node.stream_ops,
    read(_: unknown, buffer: Int8Array, offset: number, length: number, position: number): number {
      const count = Math.max(0, Math.min(length, size - position));
      read(position, new Uint8Array(buffer.buffer, buffer.byteOffset + offset, count));
      return count;
    },
  };
}

function fileSystem(h5wasm: H5wasm): MemoryFileSystem {
  return h5wasm.FS as unknown as MemoryFileSystem; // Emscripten's own types lack its nodes.
}

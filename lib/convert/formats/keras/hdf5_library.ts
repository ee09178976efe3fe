/**
 * The HDF5 C library in WebAssembly, and what is asked of it: what a file holds, and parts of datasets.
 *
 * It parses what nobody has checked, so it runs on a thread of its own where it can (hdf5_thread.ts).
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";

type H5wasm = typeof import("h5wasm");
type File = InstanceType<H5wasm["File"]>;
type Attribute = InstanceType<H5wasm["Attribute"]>;

/** Fills `into` with the file's bytes from `position` on, before it returns. */
export type ReadNow = (position: number, into: Uint8Array) => void;

/** One dataset. */
export interface Hdf5Dataset {
  readonly path: string;
  readonly shape: readonly number[];
  /** Bytes of an element; 0 if the elements are no floats. */
  readonly floatBytes: number;
}

/** What a file holds, as far as a checkpoint needs it. */
export interface Hdf5Contents {
  /** The first of the groups that were asked for that is there. */
  readonly root: string;
  /** The datasets below it. */
  readonly datasets: readonly Hdf5Dataset[];
  /** Attributes of the file and of `root` that are text or a list of texts. */
  readonly texts: Readonly<Record<string, string | readonly string[]>>;
}

/** A range of each axis of a dataset. */
export type Box = (readonly [begin: number, end: number])[];

/** Options of opening a file. */
export interface Hdf5Options {
  /** Groups of which the first that exists is listed. */
  readonly roots: readonly string[];
  /** Names of attributes to read. */
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
  close(): void;
}

/** Far more than a network has. */
const MAX_DATASETS = 10_000;
/** An attribute has up to 64 KiB as a rule; descriptions of models can be of another kind. */
const MAX_TEXT_BYTES = 16 << 20;

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
   * @param roots Groups of which the first that exists is listed.
   * @param names Attributes to read.
   * @param heap Whether texts of any length are read too. They lie in a heap, whose damage can send
   *   the library round in circles.
   */
  contents(roots: readonly string[], names: readonly string[], heap: boolean): Hdf5Contents {
    const root = roots.find((path) => this.#file.get(path) instanceof this.h5wasm.Group);
    if (root === undefined) throw new Error(`it has none of the groups ${roots.join(", ")}`);
    const group = this.#file.get(root) as InstanceType<H5wasm["Group"]>;
    const prefix = root === "/" ? "/" : `${root}/`;
    const datasets: Hdf5Dataset[] = [];
    for (const name of group.paths()) {
      const dataset = this.#file.get(prefix + name);
      if (!(dataset instanceof this.h5wasm.Dataset)) continue;
      const { shape, type, size } = dataset.metadata;
      const isFloat = type === 1 && (size === 2 || size === 4 || size === 8);
      const floatBytes = isFloat ? size : 0;
      datasets.push({ path: prefix + name, shape: (shape ?? []).map(Number), floatBytes });
      if (datasets.length > MAX_DATASETS) throw new Error(`over ${MAX_DATASETS} datasets`);
    }
    const texts: Record<string, string | string[]> = {};
    for (const { attrs } of [this.#file, group]) {
      for (const name of names) {
        const text = textOf(attrs[name], heap);
        if (text !== undefined) texts[name] = text;
      }
    }
    return { root, datasets, texts };
  }

  /** Reads a part of a dataset, in row-major order. */
  read(path: string, box: Box): ArrayLike<number> & ArrayBufferView {
    const dataset = this.#file.get(path);
    if (!(dataset instanceof this.h5wasm.Dataset)) throw new Error(`${path} is no dataset`);
    const values = dataset.slice(box.map(([begin, end]) => [begin, end]));
    if (!isNumbers(values)) throw new Error(`${path} has other elements than floats`);
    return values;
  }

  close(): void {
    try {
      this.#file.close();
    } finally {
      fileSystem(this.h5wasm).unlink(this.#mounted);
    }
  }
}

/** The value of an attribute if it is text that may be read; Keras writes it with a fixed length. */
function textOf(attribute: Attribute | undefined, heap: boolean): string | string[] | undefined {
  if (attribute === undefined) return undefined;
  const { type, vlen, size, total_size } = attribute.metadata;
  if (type !== 3 || (vlen && !heap) || size * total_size > MAX_TEXT_BYTES) return undefined;
  const { value } = attribute;
  if (typeof value === "string") return value;
  return Array.isArray(value) ? value.map(String) : undefined;
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

function isNumbers(values: unknown): values is ArrayLike<number> & ArrayBufferView {
  return ArrayBuffer.isView(values) && !(values instanceof BigInt64Array) &&
    !(values instanceof BigUint64Array) && !(values instanceof DataView);
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

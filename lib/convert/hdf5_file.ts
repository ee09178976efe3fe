/**
 * An HDF5 file, read in parts by the C library in WebAssembly.
 *
 * @module
 */

import { CheckpointFormatError } from "../errors.ts";
import type { ByteSource } from "../weights/byte_source.ts";

type H5wasm = typeof import("h5wasm");
type File = InstanceType<H5wasm["File"]>;
type Attribute = InstanceType<H5wasm["Attribute"]>;

/** An HDF5 attribute of the usual kind has up to 64 KiB; descriptions of models can be of another. */
const MAX_TEXT_BYTES = 16 << 20;

/** Loaded when the first file is opened: 4 MB that no other format needs. */
let library: Promise<H5wasm> | undefined;

async function loadLibrary(): Promise<H5wasm> {
  const h5wasm = await import("h5wasm");
  const module = await h5wasm.ready;
  // Otherwise the library prints what it finds wrong, and goes on.
  module.activate_throwing_error_handler();
  return h5wasm;
}

/** What is used of the file system inside the library. */
interface MemoryFileSystem {
  writeFile(path: string, bytes: Uint8Array): void;
  unlink(path: string): void;
  lookupPath(path: string): { node: MemoryFileNode };
}

interface MemoryFileNode {
  usedBytes: number;
  stream_ops: Record<string, unknown>;
}

let opened = 0;

/** One open file. */
export class Hdf5File {
  private constructor(
    readonly name: string,
    private readonly h5wasm: H5wasm,
    private readonly path: string,
    private readonly file: File,
  ) {}

  /**
   * Opens a file whose source answers at once.
   *
   * @throws {CheckpointFormatError} If it is damaged.
   */
  static async open(source: ByteSource): Promise<Hdf5File> {
    const h5wasm = await (library ??= loadLibrary());
    const path = `/${opened++}.h5`;
    mount(h5wasm, path, source);
    try {
      return new Hdf5File(source.name, h5wasm, path, new h5wasm.File(path, "r"));
    } catch (cause) {
      fileSystem(h5wasm).unlink(path);
      throw damaged(source.name, cause);
    }
  }

  /** Whether there is something under this path. */
  has(path: string): boolean {
    return this.#guard(() => this.file.get(path) !== null);
  }

  /** Paths of all datasets below a group. */
  datasets(root: string): string[] {
    return this.#guard(() => {
      const group = this.file.get(root);
      if (!(group instanceof this.h5wasm.Group)) return [];
      const prefix = root === "/" ? "/" : `${root}/`;
      return group.paths().map((path) => prefix + path).filter((path) =>
        this.file.get(path) instanceof this.h5wasm.Dataset
      );
    });
  }

  /** An attribute that is a list of strings; empty if there is none. */
  strings(path: string, name: string): string[] {
    return this.#guard(() => {
      const group = this.file.get(path);
      const value = group instanceof this.h5wasm.Group ? fixedText(group.attrs[name]) : undefined;
      return Array.isArray(value) ? value.map(String) : [];
    });
  }

  /** The shape of a dataset, and the bytes of an element; 0 if its elements are no floats. */
  describe(path: string): { shape: number[]; floatBytes: number } {
    return this.#guard(() => {
      const { shape, type, size } = this.#dataset(path).metadata;
      const isFloat = type === 1 && (size === 2 || size === 4 || size === 8);
      return { shape: (shape ?? []).map(Number), floatBytes: isFloat ? size : 0 };
    });
  }

  /** Reads a part of a dataset, given by a range of each axis, in row-major order. */
  read(path: string, box: (readonly [begin: number, end: number])[], into: Float32Array): void {
    this.#guard(() => {
      const values = this.#dataset(path).slice(box.map(([begin, end]) => [begin, end]));
      if (!isNumbers(values) || values.length !== into.length) {
        throw new Error(`${path} has other elements than expected`);
      }
      into.set(values);
    });
  }

  /** Closes the file. */
  close(): void {
    try {
      this.file.close();
    } catch {
      // What a damaged file leaves open in the library is small.
    }
    fileSystem(this.h5wasm).unlink(this.path);
  }

  #dataset(path: string): InstanceType<H5wasm["Dataset"]> {
    const dataset = this.file.get(path);
    if (dataset instanceof this.h5wasm.Dataset) return dataset;
    throw new Error(`${path} is no dataset`);
  }

  #guard<T>(use: () => T): T {
    try {
      return use();
    } catch (cause) {
      throw damaged(this.name, cause);
    }
  }
}

/**
 * The value of an attribute that is text of fixed length, as Keras writes it. Text of any length lies in
 * a heap, whose damage can send the library round in circles.
 */
function fixedText(attribute: Attribute | undefined): unknown {
  if (attribute === undefined) return undefined;
  const { type, vlen, size, total_size } = attribute.metadata;
  const isFixedText = type === 3 && !vlen && size * total_size <= MAX_TEXT_BYTES;
  return isFixedText ? attribute.value : undefined;
}

function isNumbers(values: unknown): values is ArrayLike<number> & { length: number } {
  return ArrayBuffer.isView(values) && !(values instanceof BigInt64Array) &&
    !(values instanceof BigUint64Array) && !(values instanceof DataView);
}

/** Makes a file of the library's own file system read from `source`. */
function mount(h5wasm: H5wasm, path: string, source: ByteSource): void {
  const fs = fileSystem(h5wasm);
  fs.writeFile(path, new Uint8Array(0));
  const { node } = fs.lookupPath(path);
  node.usedBytes = source.size!;
  node.stream_ops = {
    ...node.stream_ops,
    read(_: unknown, buffer: Int8Array, offset: number, length: number, position: number): number {
      const count = Math.max(0, Math.min(length, source.size! - position));
      const part = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, count);
      const reading = source.read(position, part);
      if (reading !== undefined) throw new Error("the source of an HDF5 file must answer at once");
      return count;
    },
  };
}

function fileSystem(h5wasm: H5wasm): MemoryFileSystem {
  return h5wasm.FS as unknown as MemoryFileSystem; // Emscripten's own types lack its nodes.
}

function damaged(file: string, cause: unknown): CheckpointFormatError {
  if (cause instanceof CheckpointFormatError) return cause;
  return new CheckpointFormatError(
    `The HDF5 file ${file} is damaged: ${cause instanceof Error ? cause.message : cause}`,
    { file, cause },
  );
}

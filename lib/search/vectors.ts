/** Directions as bytes, many of them in the memory of a kernel that compares one with all. */

import { fromBase64 } from "../encoding.ts";
import { KERNELS } from "./binary.ts";

type Multiply = (
  vector: number,
  rows: number,
  stride: number,
  count: number,
  products: number,
) => void;

/** Rows that are compared in one call of the kernel. */
const CALL = 1024;
const PAGE = 65_536, MAX_PAGES = 65_536;

/** Vectors of one length, in rows. Only their directions count. */
export class Vectors {
  /** Values of a vector. */
  readonly length: number;
  /** Bytes of a row, of which the last ones may be zeros. */
  readonly #stride: number;
  readonly #memory = new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES });
  readonly #multiply: Multiply;
  /** Where the vector that is compared, its products and the rows begin. */
  readonly #at: { readonly vector: number; readonly products: number; readonly rows: number };
  /** The square of each vector's length, an exact integer. */
  #squares: Float64Array<ArrayBuffer> = new Float64Array(0);

  constructor(length: number) {
    this.length = length;
    this.#stride = Math.ceil(length / 16) * 16;
    this.#at = { vector: 0, products: this.#stride, rows: this.#stride + 4 * CALL };
    const module = new WebAssembly.Module(fromBase64(KERNELS));
    const { exports } = new WebAssembly.Instance(module, { env: { memory: this.#memory } });
    this.#multiply = exports.multiply as Multiply; // What kernels/main.ts exports.
    this.#reserve(1);
  }

  /** A vector: a view, until a row is added. */
  row(index: number): Int8Array {
    const at = this.#at.rows + index * this.#stride;
    return new Int8Array(this.#memory.buffer, at, this.length);
  }

  /**
   * Writes a row.
   *
   * @throws {RangeError} If the vectors would be more than the 4 GiB that WebAssembly can address.
   */
  put(index: number, vector: Int8Array): void {
    this.#reserve(index + 1);
    this.row(index).set(vector);
    this.#squares[index] = squareOf(vector);
  }

  /** Copies a row to a lower place. */
  move(from: number, to: number): void {
    this.row(to).set(this.row(from));
    this.#squares[to] = this.#squares[from]!;
  }

  /** Cosines of a vector and the rows from `first` on: exactly 1 of equal ones, 0 of zeros. */
  compare(vector: Int8Array, first: number, cosines: Float64Array): void {
    const { vector: place, products, rows } = this.#at, stride = this.#stride;
    new Int8Array(this.#memory.buffer, place, this.length).set(vector);
    const found = new Int32Array(this.#memory.buffer, products, CALL), own = squareOf(vector);
    for (let done = 0; done < cosines.length; done += CALL) {
      const count = Math.min(CALL, cosines.length - done);
      this.#multiply(place, rows + (first + done) * stride, stride, count, products);
      for (let n = 0; n < count; n++) {
        // The root of a square is exact.
        const lengths = Math.sqrt(own * this.#squares[first + done + n]!);
        cosines[done + n] = lengths > 0 ? found[n]! / lengths : 0;
      }
    }
  }

  #reserve(count: number): void {
    if (count <= this.#squares.length) return;
    const room = Math.ceil(1.5 * count);
    const bytes = (rows: number): number => this.#at.rows + rows * this.#stride;
    const pages = (rows: number): number => Math.ceil(bytes(rows) / PAGE);
    if (pages(count) > MAX_PAGES) {
      throw new RangeError(`An index holds at most 4 GiB of vectors: ${count} are more`);
    }
    const missing = Math.min(MAX_PAGES, pages(room)) - this.#memory.buffer.byteLength / PAGE;
    if (missing > 0) this.#memory.grow(missing);
    const squares = new Float64Array(room);
    squares.set(this.#squares);
    this.#squares = squares;
  }
}

function squareOf(vector: Int8Array): number {
  let sum = 0;
  for (const value of vector) sum += value * value;
  return sum;
}

/** The direction of values in bytes, -127 … 127. Zeros stay zeros. */
export function directionOf(values: Float32Array | Float64Array): Int8Array<ArrayBuffer> {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return Int8Array.from(values, (value) => most > 0 ? Math.round(value / most * 127) : 0);
}

/** The pictures of an index: what is known of each, and their vectors, in memory. */

/** A picture of an index. */
export interface Picture {
  /** What it is called: no other of the index is. */
  readonly name: string;
  /** Pixels in a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** Bytes of its file. */
  readonly bytes: number;
  /** When its file was changed, in milliseconds since 1970, where that is known. */
  readonly modifiedMs?: number | undefined;
}

/** Pictures in the order in which they came, with a block of vectors each. */
export class Pictures {
  /** Values of a vector, and vectors of a picture. */
  readonly length: number;
  readonly parts: number;
  readonly #all: Picture[] = [];
  readonly #positions = new Map<string, number>();
  #vectors: Int8Array<ArrayBuffer>;
  /** The square of each vector's length: an exact integer. */
  #squares: Float64Array<ArrayBuffer>;

  constructor(length: number, parts: number, capacity: number = 64) {
    [this.length, this.parts] = [length, parts];
    this.#vectors = new Int8Array(capacity * parts * length);
    this.#squares = new Float64Array(capacity * parts);
  }

  get count(): number {
    return this.#all.length;
  }

  at(position: number): Picture {
    return this.#all[position]!;
  }

  positionOf(name: string): number | undefined {
    return this.#positions.get(name);
  }

  /** The vectors of all, `[count, parts, length]`; a view, until the next change. */
  get vectors(): Int8Array<ArrayBuffer> {
    return this.#vectors.subarray(0, this.count * this.parts * this.length);
  }

  /** The vectors of one, `[parts, length]`; a view. */
  vectorsOf(position: number): Int8Array {
    const size = this.parts * this.length;
    return this.#vectors.subarray(position * size, (position + 1) * size);
  }

  /** Adds a picture, or replaces the one of its name. */
  put(picture: Picture, vectors: Int8Array): void {
    const known = this.#positions.get(picture.name), position = known ?? this.count;
    if (known === undefined) this.#reserve(position + 1);
    this.#all[position] = picture;
    this.#positions.set(picture.name, position);
    this.#vectors.set(vectors, position * this.parts * this.length);
    this.#squares.set(squaresOf(vectors, this.length), position * this.parts);
  }

  /** Removes those that are not to stay. Returns how many. */
  keep(isKept: (picture: Picture) => boolean): number {
    const before = this.count, size = this.parts * this.length;
    let to = 0;
    this.#positions.clear();
    for (let from = 0; from < before; from++) {
      const picture = this.#all[from]!;
      if (!isKept(picture)) continue;
      if (to !== from) {
        this.#all[to] = picture;
        this.#vectors.copyWithin(to * size, from * size, (from + 1) * size);
        this.#squares.copyWithin(to * this.parts, from * this.parts, (from + 1) * this.parts);
      }
      this.#positions.set(picture.name, to++);
    }
    this.#all.length = to;
    return before - to;
  }

  /**
   * How alike a picture and those at some positions are, 0…1: the largest cosine of a vector of all of one
   * and any vector of the other.
   *
   * @param vectors `[parts, length]`
   * @param similarities Gets them, those from `first` on.
   */
  compare(vectors: Int8Array, first: number, similarities: Float64Array): void {
    const { parts, length } = this, all = this.#vectors, squares = this.#squares;
    const own = squaresOf(vectors, length);
    for (let n = 0; n < similarities.length; n++) {
      const row = (first + n) * parts;
      let best = 0;
      for (let part = 0; part < parts; part++) {
        const product = dot(vectors, 0, all, (row + part) * length, length);
        best = Math.max(best, cosine(product, own[0]!, squares[row + part]!));
        if (part === 0) continue;
        const other = dot(vectors, part * length, all, row * length, length);
        best = Math.max(best, cosine(other, own[part]!, squares[row]!));
      }
      similarities[n] = best;
    }
  }

  #reserve(count: number): void {
    if (count * this.parts <= this.#squares.length) return;
    const grown = Math.ceil(1.5 * count) * this.parts;
    const vectors = new Int8Array(grown * this.length), factors = new Float64Array(grown);
    vectors.set(this.#vectors);
    factors.set(this.#squares);
    [this.#vectors, this.#squares] = [vectors, factors];
  }
}

function squaresOf(vectors: Int8Array, length: number): Float64Array {
  return Float64Array.from(
    { length: vectors.length / length },
    (_, row) => dot(vectors, row * length, vectors, row * length, length),
  );
}

/** Exactly 1 of two equal vectors, as the root of a square that is exact is exact; 0 of zeros. */
function cosine(product: number, squareA: number, squareB: number): number {
  return product > 0 ? product / Math.sqrt(squareA * squareB) : 0;
}

/** The exact inner product of two rows. */
function dot(a: Int8Array, atA: number, b: Int8Array, atB: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum = (sum + Math.imul(a[atA + i]!, b[atB + i]!)) | 0;
  return sum;
}

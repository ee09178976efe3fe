/**
 * The GPU memory of one engine: tensors of 16-byte vectors, in buffers or in textures.
 *
 * A vector is four 32-bit words. A texture holds vectors row by row; adapters differ in which of
 * the two they read faster, and no result depends on it.
 */

import {
  allocateTensor,
  type Backend,
  forgetWords,
  freeTensor,
  type MemoryKind,
  resourceOf,
  type Tensor,
  TEXTURE_WIDTH,
} from "./tfjs.ts";

/** Words of a vector. */
export const VECTOR_WORDS = 4;
const VECTOR_BYTES = 16;

/**
 * Results that are kept for later runs, of a few sizes: logits, embeddings. Larger ones are not
 * worth their memory.
 */
const KEPT_BUFFERS = 8;
const KEPT_BYTES = 2 ** 17;

/** Bytes that a tensor takes: textures have whole rows. */
export function allocatedBytes(vectors: number, kind: MemoryKind): number {
  return VECTOR_BYTES *
    (kind === "buffer" ? vectors : Math.ceil(vectors / TEXTURE_WIDTH) * TEXTURE_WIDTH);
}

/** Vectors that were asked for when a tensor was allocated. */
export function vectorsOf({ shape }: Tensor): number {
  const [words = 0] = shape;
  return words / VECTOR_WORDS;
}

/** Allocates tensors and frees them, all at once in the end. */
export class Memory {
  readonly #backend: Backend;
  readonly #tensors = new Map<Tensor, number>();
  /** The buffers that were recycled, the oldest first. */
  readonly #spare: Tensor[] = [];

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Bytes allocated now. */
  get bytes(): number {
    return [...this.#tensors.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Allocates vectors; what is in them is not defined. */
  allocate(vectors: number, kind: MemoryKind): Tensor {
    const at = kind === "buffer"
      ? this.#spare.findIndex((tensor) => vectorsOf(tensor) === vectors)
      : -1;
    const [spare] = at < 0 ? [] : this.#spare.splice(at, 1);
    if (spare !== undefined) return spare;
    const tensor = allocateTensor(this.#backend, vectors, kind);
    this.#tensors.set(tensor, allocatedBytes(vectors, kind));
    return tensor;
  }

  /** Writes whole vectors from `first` on. The words are copied before this returns. */
  write(tensor: Tensor, words: Int32Array<ArrayBuffer>, first: number = 0): void {
    const { queue } = this.#backend;
    const resource = resourceOf(this.#backend, tensor);
    if (resource instanceof GPUTexture) writeTexels(queue, resource, words, first);
    else queue.writeBuffer(resource, first * VECTOR_BYTES, words);
  }

  /** Frees a tensor, if it was not freed before. */
  free(tensor: Tensor): void {
    if (this.#tensors.delete(tensor)) freeTensor(this.#backend, tensor);
  }

  /** Takes back a buffer that was read. A small one is kept for the next allocation of its size. */
  recycle(tensor: Tensor): void {
    const bytes = this.#tensors.get(tensor);
    if (bytes === undefined) return;
    if (bytes > KEPT_BYTES) return this.free(tensor);
    forgetWords(this.#backend, tensor);
    this.#spare.push(tensor);
    if (this.#spare.length > KEPT_BUFFERS) this.free(this.#spare.shift()!);
  }

  /** Frees all tensors. */
  [Symbol.dispose](): void {
    for (const tensor of [...this.#tensors.keys()]) this.free(tensor);
  }
}

/** A run of texels is the end of a row, whole rows, and the beginning of a row. */
function writeTexels(
  queue: GPUQueue,
  texture: GPUTexture,
  words: Int32Array<ArrayBuffer>,
  first: number,
): void {
  const end = first + words.length / VECTOR_WORDS;
  for (let at = first; at < end;) {
    const x = at % TEXTURE_WIDTH;
    const left = end - at;
    const rows = x === 0 ? Math.floor(left / TEXTURE_WIDTH) : 0;
    const width = rows > 0 ? TEXTURE_WIDTH : Math.min(left, TEXTURE_WIDTH - x);
    const from = (at - first) * VECTOR_WORDS;
    queue.writeTexture(
      { texture, origin: [x, Math.floor(at / TEXTURE_WIDTH)] },
      words.subarray(from, from + width * Math.max(rows, 1) * VECTOR_WORDS),
      { bytesPerRow: width * VECTOR_BYTES },
      [width, Math.max(rows, 1)],
    );
    at += width * Math.max(rows, 1);
  }
}

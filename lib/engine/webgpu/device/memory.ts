/**
 * The GPU memory of one engine: tensors of 16-byte vectors, in buffers or in textures.
 *
 * A vector is four 32-bit words. A texture holds vectors row by row; adapters differ in which of the two
 * they read faster, and no result depends on it.
 *
 * @module
 */

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";

/** Where vectors lie. */
export type MemoryKind = "buffer" | "texture";

/** Texels of a texture's row: a power of two, and 128 MiB are then as high as a texture may be. */
export const TEXTURE_WIDTH = 1024;

/** Words of a vector. */
export const VECTOR_WORDS = 4;
const VECTOR_BYTES = 16;

/** Results that are kept for later runs, of a few sizes: logits, embeddings. Larger ones are not worth their memory. */
const KEPT_BUFFERS = 8;
const KEPT_BYTES = 2 ** 17;

/** Says where a tensor's vectors lie. */
export function memoryKind(backend: WebGPUBackend, { dataId }: TensorInfo): MemoryKind {
  return backend.tensorMap.get(dataId).resource instanceof GPUTexture ? "texture" : "buffer";
}

/** Bytes that a tensor takes: textures have whole rows. */
export function allocatedBytes(vectors: number, kind: MemoryKind): number {
  return VECTOR_BYTES *
    (kind === "buffer" ? vectors : Math.ceil(vectors / TEXTURE_WIDTH) * TEXTURE_WIDTH);
}

/** Allocates tensors and frees them, all at once in the end. */
export class Memory {
  readonly #backend: WebGPUBackend;
  readonly #tensors = new Map<TensorInfo, number>();
  /** The buffers that were recycled, the oldest first. */
  readonly #spare: TensorInfo[] = [];

  constructor(backend: WebGPUBackend) {
    this.#backend = backend;
  }

  /** Bytes allocated now. */
  get bytes(): number {
    return [...this.#tensors.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Allocates vectors; what is in them is not defined. */
  allocate(vectors: number, kind: MemoryKind): TensorInfo {
    const spare = kind === "buffer"
      ? this.#spare.findIndex(({ shape }) => shape[0] === vectors * VECTOR_WORDS)
      : -1;
    if (spare >= 0) return this.#spare.splice(spare, 1)[0];
    const tensor = this.#backend.makeTensorInfo([vectors * VECTOR_WORDS], "int32");
    if (kind === "buffer") {
      this.#backend.uploadToGPU(tensor.dataId);
    } else {
      const data = this.#backend.tensorMap.get(tensor.dataId);
      data.resource = this.#backend.device.createTexture({
        size: [TEXTURE_WIDTH, Math.ceil(vectors / TEXTURE_WIDTH)],
        format: "rgba32uint",
        usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.STORAGE_BINDING |
          GPUTextureUsage.COPY_DST,
      });
      // tfjs keeps textures of one format only in its pool; this one is freed here.
      data.external = true;
    }
    this.#tensors.set(tensor, allocatedBytes(vectors, kind));
    return tensor;
  }

  /** Writes whole vectors from `first` on. The words are copied before this returns. */
  write(tensor: TensorInfo, words: Int32Array<ArrayBuffer>, first: number = 0): void {
    const { resource } = this.#backend.tensorMap.get(tensor.dataId);
    if (resource instanceof GPUTexture) {
      writeTexels(this.#backend.queue, resource, words, first);
    } else {
      this.#backend.queue.writeBuffer(resource as GPUBuffer, first * VECTOR_BYTES, words);
    }
  }

  /** Frees a tensor; its memory goes back to the device, not to tfjs's pool. */
  free(tensor: TensorInfo): void {
    if (!this.#tensors.delete(tensor)) return;
    const data = this.#backend.tensorMap.get(tensor.dataId);
    if (data.resource instanceof GPUTexture) data.resource.destroy();
    else this.#backend.bufferManager.releaseBuffer(data.resource as GPUBuffer, false);
    data.resource = undefined;
    this.#backend.disposeData(tensor.dataId, true);
  }

  /** Takes back a buffer that was read. A small one is kept for the next allocation of its size. */
  recycle(tensor: TensorInfo): void {
    const bytes = this.#tensors.get(tensor);
    if (bytes === undefined) return;
    if (bytes > KEPT_BYTES) return this.free(tensor);
    // tfjs would give what it read before.
    this.#backend.tensorMap.get(tensor.dataId).values = undefined!;
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

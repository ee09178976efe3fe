/**
 * Tensors whose buffers the engine allocates, fills and destroys itself.
 *
 * @module
 */

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";

/** Allocates a tensor of int32 words, all 0 or left over. */
export function allocate(backend: WebGPUBackend, words: number): TensorInfo {
  const tensor = backend.makeTensorInfo([words], "int32");
  backend.uploadToGPU(tensor.dataId);
  return tensor;
}

/** Writes words into a tensor, `offset` in bytes. They are copied before this returns. */
export function writeWords(
  backend: WebGPUBackend,
  tensor: TensorInfo,
  words: Int32Array<ArrayBuffer>,
  offset: number = 0,
): void {
  backend.queue.writeBuffer(bufferOf(backend, tensor), offset, words);
}

/** Destroys tensors and their buffers, rather than leaving them in tfjs's pool. */
export function destroy(backend: WebGPUBackend, tensors: Iterable<TensorInfo>): void {
  for (const { dataId } of tensors) {
    const data = backend.tensorMap.get(dataId);
    if (data.resource) backend.bufferManager.releaseBuffer(data.resource as GPUBuffer, false);
    data.resource = undefined;
    backend.disposeData(dataId);
  }
}

function bufferOf(backend: WebGPUBackend, tensor: TensorInfo): GPUBuffer {
  return backend.tensorMap.get(tensor.dataId).resource as GPUBuffer;
}

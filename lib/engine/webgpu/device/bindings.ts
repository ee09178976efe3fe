/**
 * Keeps what tfjs makes anew for each dispatch: uniform buffers, texture views and bind groups.
 *
 * A run of a network is the same dispatches as the run before, on the same tensors. What stands for them in JavaScript is a
 * few bytes, so nothing hurries to collect it, while each holds kilobytes outside of the heap: a process would grow by some
 * hundred megabytes before it shrinks.
 *
 * @module
 */

import { env, type TensorInfo } from "@tensorflow/tfjs-core";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";

/** Dispatches that are kept for one output; its tensor is that of many layers. */
const KEPT_PER_OUTPUT = 1024;

interface Bound {
  readonly group: GPUBindGroup;
  readonly uniforms: GPUBuffer;
}

type Resource = GPUBuffer | GPUTexture;

/** The parts of tfjs's backend that record a dispatch. They are its own, so the version is pinned. */
interface Internals {
  readonly device: GPUDevice;
  readonly queue: GPUQueue;
  /** Set while programs are timed. */
  readonly activeTimers: unknown;
  readonly commandEncoder: GPUCommandEncoder;
  readonly commandQueueOwnedIds: WeakSet<TensorInfo["dataId"]>;
  readonly tensorMap: { get(id: TensorInfo["dataId"]): { resource: Resource } };
  computePassEncoder: GPUComputePassEncoder | null;
  dispatchCountInPass: number;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
  recordAndSubmit: Record;
}

interface CompiledProgram {
  readonly shaderKey: string;
  readonly pipeline: GPUComputePipeline;
  readonly dispatch: readonly [number, number, number];
}

type Record = (
  program: CompiledProgram,
  output: TensorInfo,
  inputs: readonly TensorInfo[],
  uniforms: readonly { readonly data: readonly number[] }[],
) => void;

/**
 * Lets a backend record dispatches with what it made for the same ones before. For programs whose uniforms are int32 values
 * after the strides of a one-dimensional output, as those of `kernel.ts` are.
 */
export function keepBindings(backend: WebGPUBackend): WebGPUBackend {
  // tfjs declares these members private.
  const internals = backend as unknown as Internals;
  const original = internals.recordAndSubmit.bind(backend);
  const kept = new WeakMap<Resource, Map<string, Bound>>();
  const identify = identities();
  internals.recordAndSubmit = (program, output, inputs, uniforms) => {
    // A timed program gets a pass of its own.
    if (internals.activeTimers != null) return original(program, output, inputs, uniforms);
    const resources = [output, ...inputs].map(({ dataId }) =>
      internals.tensorMap.get(dataId).resource
    );
    const values = uniforms.map(({ data }) => data[0]);
    const key = [program.shaderKey, ...resources.map(identify), ...values].join();
    let ofOutput = kept.get(resources[0]);
    if (ofOutput === undefined) kept.set(resources[0], ofOutput = new Map());
    let bound = ofOutput.get(key);
    if (bound === undefined) {
      if (ofOutput.size === KEPT_PER_OUTPUT) ofOutput.clear();
      ofOutput.set(key, bound = bind(internals.device, program, resources, values));
    }
    // tfjs asks this before it reuses or frees a tensor's memory.
    for (const { dataId } of [output, ...inputs]) internals.commandQueueOwnedIds.add(dataId);
    dispatch(internals, program, bound.group);
  };
  return backend;
}

function bind(
  device: GPUDevice,
  { pipeline }: CompiledProgram,
  resources: readonly Resource[],
  values: readonly number[],
): Bound {
  // The stride of a dimension is 1.
  const words = Int32Array.of(1, ...values);
  const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.UNIFORM;
  const uniforms = device.createBuffer({ size: words.byteLength, usage });
  device.queue.writeBuffer(uniforms, 0, words);
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [...resources, uniforms].map((resource, binding) => ({
      binding,
      resource: resource instanceof GPUTexture ? resource.createView() : { buffer: resource },
    })),
  });
  return { group, uniforms };
}

function dispatch(internals: Internals, program: CompiledProgram, group: GPUBindGroup): void {
  internals.ensureCommandEncoderReady();
  const pass = internals.computePassEncoder ??= internals.commandEncoder.beginComputePass();
  pass.setPipeline(program.pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(...program.dispatch);
  internals.dispatchCountInPass++;
  if (internals.dispatchCountInPass >= env().getNumber("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE")) {
    internals.endComputePassEncoder();
    internals.submitQueue();
  }
}

/** Numbers objects, without holding them. */
function identities(): (object: object) => number {
  const numbers = new WeakMap<object, number>();
  let last = 0;
  return (object) => {
    let number = numbers.get(object);
    if (number === undefined) numbers.set(object, number = ++last);
    return number;
  };
}

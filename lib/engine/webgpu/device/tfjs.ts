/**
 * tfjs owns the buffers, the pipelines and the readback. All that the engine asks of it is here,
 * and with it what is borrowed from inside: members and conventions that are no part of its
 * interface, for which its version is pinned. Each says what it is for.
 */

import {
  env,
  findBackendFactory,
  getKernel,
  getKernelsForBackend,
  type NamedAttrMap,
  type NamedTensorInfoMap,
  registerBackend,
  registerKernel,
  removeBackend,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";

/**
 * The name under which the engine's backend and kernels are registered: one that is free, as a process may
 * have two versions of this package on one tfjs, and none may run the other's kernels.
 */
export const BACKEND_NAME: string = freeName();

function freeName(): string {
  let name = "vgg16";
  for (let n = 2; getKernelsForBackend(name).length > 0; n++) name = `vgg16-${n}`;
  return name;
}

/** What stands for a tensor on the GPU. */
export type Tensor = TensorInfo;

/** tfjs on one device. */
export type Backend = WebGPUBackend;

/** Where a tensor's 16-byte vectors lie. */
export type MemoryKind = "buffer" | "texture";

/** Texels of a texture's row: a power of two, and 128 MiB are then as high as a texture may be. */
export const TEXTURE_WIDTH = 1024;

/** One dispatch of a generated program. */
export interface Dispatch {
  /** Names the program; everything that `code` was generated from must be in it. */
  readonly name: string;
  /** Helper functions and `fn main()`. */
  readonly code: () => string;
  /** int32 values, `parameters.<name>` in the code. */
  readonly parameters: Readonly<Record<string, number>>;
  readonly workgroupSize: number;
  readonly workgroups: readonly [number, number, number];
}

/** One call of a kernel. */
export interface Step {
  /** The kernel's name: `"convolution"`, `"winograd-filters"`, … */
  readonly kernel: string;
  readonly dispatch: Dispatch;
  /** In the order of their bindings. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** What it computes goes there. */
  readonly output: Tensor;
}

type Resource = GPUBuffer | GPUTexture;

/** Makes a device the backend on which kernels run, in the place of the one before. */
export function openBackend(device: GPUDevice, info: GPUAdapterInfo): Backend {
  const backend = new WebGPUBackend(device, info);
  keepBindings(backend);
  unregisterBackend();
  registerBackend(BACKEND_NAME, () => backend);
  return backend;
}

/** Forgets the backend. */
export function unregisterBackend(): void {
  if (findBackendFactory(BACKEND_NAME)) removeBackend(BACKEND_NAME);
}

/** Allocates vectors of four words; what is in them is not defined. */
export function allocateTensor(backend: Backend, vectors: number, kind: MemoryKind): Tensor {
  const tensor = backend.makeTensorInfo([vectors * 4], "int32");
  if (kind === "buffer") {
    backend.uploadToGPU(tensor.dataId);
    return tensor;
  }
  // tfjs has no tensors in textures: this one is made here, and given to the tensor.
  const data = backend.tensorMap.get(tensor.dataId);
  data.resource = backend.device.createTexture({
    size: [TEXTURE_WIDTH, Math.ceil(vectors / TEXTURE_WIDTH)],
    format: "rgba32uint",
    usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.STORAGE_BINDING |
      GPUTextureUsage.COPY_DST,
  });
  // Its pool keeps textures of one format only: `freeTensor` destroys this one.
  data.external = true;
  return tensor;
}

/** Frees a tensor; its memory goes back to the device, not to the pool that tfjs keeps. */
export function freeTensor(backend: Backend, { dataId }: Tensor): void {
  const data = backend.tensorMap.get(dataId);
  if (data.resource instanceof GPUTexture) data.resource.destroy();
  else backend.bufferManager.releaseBuffer(data.resource as GPUBuffer, false);
  // Or `disposeData` would put it into the pool.
  data.resource = undefined;
  backend.disposeData(dataId, true);
}

/** A tensor's buffer or texture. */
export function resourceOf(backend: Backend, { dataId }: Tensor): Resource {
  return backend.tensorMap.get(dataId).resource as Resource;
}

/** Says where a tensor's vectors lie. */
export function memoryKind(backend: Backend, tensor: Tensor): MemoryKind {
  return resourceOf(backend, tensor) instanceof GPUTexture ? "texture" : "buffer";
}

/** Reads a tensor in a buffer. */
export async function readWords(backend: Backend, { dataId }: Tensor): Promise<Int32Array> {
  // The type was given to `makeTensorInfo`.
  return await backend.read(dataId) as Int32Array;
}

/** Lets a tensor be read again: tfjs keeps what it has read, and would give that. */
export function forgetWords(backend: Backend, { dataId }: Tensor): void {
  backend.tensorMap.get(dataId).values = undefined!;
}

/** Registers a kernel with tfjs, by whose registry {@linkcode runStep} finds it. */
export function registerStep(kernel: string): void {
  registerKernel({
    kernelName: kernel,
    backendName: BACKEND_NAME,
    // What comes through is what `runStep` put in.
    kernelFunc: ({ attrs, backend }) => record(backend as Backend, attrs as unknown as Step),
  });
}

/**
 * Records a step. The call goes to the backend that it is given, not to the one that is current in
 * tfjs, so that a program's own use of tfjs is left alone.
 */
export function runStep(backend: Backend, step: Step): void {
  getKernel(step.kernel, BACKEND_NAME).kernelFunc({
    inputs: step.inputs as NamedTensorInfoMap,
    attrs: step as unknown as NamedAttrMap,
    backend,
  });
}

/** `PixelsOpType.FROM_PIXELS`, which tfjs does not export. */
const FROM_PIXELS = 0;

function record(backend: Backend, { dispatch, inputs, output }: Step): Tensor {
  const { name, parameters, workgroupSize, workgroups } = dispatch;
  const tensors = Object.values(inputs);
  const kinds = [...tensors, output].map((tensor) => memoryKind(backend, tensor));
  const shaderKey = [name, ...kinds].join(" ");
  const program = {
    // tfjs labels shaders and pipelines with the name of the class that programs of its own have.
    constructor: { name: shaderKey },
    // Only programs of this type, its FromPixels, declare their own bindings, which textures need.
    pixelsOpType: FROM_PIXELS,
    dispatch: [...workgroups] as [number, number, number],
    // With three dimensions, tfjs calls `main()` without a flat index.
    dispatchLayout: { x: [0], y: [1], z: [2] },
    outputShape: output.shape,
    outputComponent: 4,
    variableNames: Object.keys(inputs),
    workgroupSize: [workgroupSize, 1, 1] as [number, number, number],
    shaderKey,
    getUserCode: () => programCode(dispatch, Object.keys(inputs), kinds),
  };
  const uniforms = Object.values(parameters).map((value) => ({ type: "int32", data: [value] }));
  return backend.runWebGPUProgram(program, tensors, "int32", uniforms, output);
}

/**
 * A program's WGSL, to which tfjs adds built-in values (`localIndex`, `globalId`, `workgroupId`,
 * `numWorkgroups`) and the entry point. Inputs are read by `load_<input>(index)` and the output is
 * written by `store(index, value)`, a `vec4<u32>` each; `kinds` says where the inputs and, last,
 * the output lie.
 */
export function programCode(
  { code, parameters }: Dispatch,
  inputs: readonly string[],
  kinds: readonly MemoryKind[],
): string {
  const texel = (index: string): string =>
    `vec2<i32>(${index} & ${TEXTURE_WIDTH - 1}, ${index} >> ${Math.log2(TEXTURE_WIDTH)}u)`;
  const loads = inputs.map((name, i) =>
    kinds[i] === "buffer"
      ? `
@group(0) @binding(${i + 1}) var<storage, read> ${name}: array<vec4<u32>>;
fn load_${name}(index: i32) -> vec4<u32> { return ${name}[index]; }`
      : `
@group(0) @binding(${i + 1}) var ${name}: texture_2d<u32>;
fn load_${name}(index: i32) -> vec4<u32> { return textureLoad(${name}, ${texel("index")}, 0); }`
  );
  // tfjs declares the buffer `result`, and puts the strides of the output before the parameters.
  return `${loads.join("")}
${
    kinds[inputs.length] === "buffer"
      ? "fn store(index: i32, value: vec4<u32>) { result[index] = bitcast<vec4<i32>>(value); }"
      : `@group(0) @binding(0) var texels: texture_storage_2d<rgba32uint, write>;
fn store(index: i32, value: vec4<u32>) { textureStore(texels, ${texel("index")}, value); }`
  }
struct Parameters { strides: i32, ${
    Object.keys(parameters).map((name) => `${name}: i32, `).join("")
  }};
@group(0) @binding(${inputs.length + 1}) var<uniform> parameters: Parameters;
${code()}`;
}

/**
 * Compiles the programs of steps, one of which may take too long: then all that are not ready are forgotten, as
 * are those that the device refuses. It may go on with them. tfjs's own way waits for all programs that there
 * are, and gives them out by their places, which are others once something came or went meanwhile.
 *
 * @param limitMs Default: as long as it takes.
 * @returns Whether all were ready in time.
 * @throws Whatever the device says of one that it refuses.
 */
export async function compileWithin(
  backend: Backend,
  steps: readonly Step[],
  limitMs: number = Infinity,
): Promise<boolean> {
  const { pipelineCache: cache } = backend as unknown as Internals;
  const deadline = performance.now() + limitMs;
  beginCompiling(backend, steps);
  const waiting = Object.entries(cache).flatMap(([key, pipeline]) =>
    pipeline instanceof Promise ? [{ key, pipeline }] : []
  );
  const late = Promise.withResolvers<void>();
  // No timer can wait for ever.
  const timer = limitMs < Infinity ? setTimeout(late.resolve, limitMs) : undefined;
  try {
    const ready = Promise.all(waiting.map(async ({ key, pipeline }) => {
      const compiled = await pipeline;
      if (cache[key] === pipeline) cache[key] = compiled;
    }));
    await Promise.race([ready, late.promise]);
  } finally {
    clearTimeout(timer);
    for (const { key, pipeline } of waiting) if (cache[key] === pipeline) delete cache[key];
  }
  // Some devices let nobody run until they have compiled.
  return performance.now() < deadline;
}

function beginCompiling(backend: Backend, steps: readonly Step[]): void {
  // A flag of the whole process: nobody may wait before it is set back.
  env().set("WEBGPU_ENGINE_COMPILE_ONLY", true);
  try {
    for (const step of steps) runStep(backend, step);
  } finally {
    env().set("WEBGPU_ENGINE_COMPILE_ONLY", false);
  }
}

/**
 * The milliseconds that the device spends on steps: by its own timestamps where it has them, and
 * otherwise until all is done.
 */
export async function timeSteps(backend: Backend, steps: readonly Step[]): Promise<number> {
  const { device } = backend;
  const run = (): void => steps.forEach((step) => runStep(backend, step));
  if (device.features.has("timestamp-query")) {
    const { kernelMs } = await backend.time(run);
    // An object with an error is what tfjs gives for backends that cannot time.
    return kernelMs as number;
  }
  const start = performance.now();
  run();
  await submitSteps(backend);
  return performance.now() - start;
}

/** Hands the recorded steps to the device, and waits until they are done. */
export function submitSteps(backend: Backend): Promise<void> {
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.submitQueue();
  return backend.device.queue.onSubmittedWorkDone();
}

/** The private members of tfjs's backend that compile a program and record a dispatch. */
interface Internals {
  /** Programs by their keys, also those that are being compiled. */
  readonly pipelineCache: Record<string, GPUComputePipeline | Promise<GPUComputePipeline>>;
  readonly device: GPUDevice;
  /** Set while programs are timed. */
  readonly activeTimers: unknown;
  readonly commandEncoder: GPUCommandEncoder;
  readonly commandQueueOwnedIds: WeakSet<Tensor["dataId"]>;
  computePassEncoder: GPUComputePassEncoder | null;
  dispatchCountInPass: number;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
  recordAndSubmit(
    program: CompiledProgram,
    output: Tensor,
    inputs: readonly Tensor[],
    uniforms: readonly { readonly data: readonly number[] }[],
  ): void;
}

interface CompiledProgram {
  readonly shaderKey: string;
  readonly pipeline: GPUComputePipeline;
  readonly dispatch: readonly [number, number, number];
}

interface Bound {
  readonly bindGroup: GPUBindGroup;
  readonly uniforms: GPUBuffer;
}

/** Dispatches that are kept for one output; its tensor is that of many layers. */
const KEPT_PER_OUTPUT = 1024;

/**
 * Keeps what tfjs makes anew for each dispatch: uniform buffers, texture views and bind groups.
 *
 * A run of a network is the same dispatches as the run before, on the same tensors. What stands for
 * them in JavaScript is a few bytes, so nothing hurries to collect it, while each holds kilobytes
 * outside of the heap: a process would grow by some hundred megabytes before it shrinks.
 */
function keepBindings(backend: Backend): void {
  const internals = backend as unknown as Internals;
  const original = internals.recordAndSubmit.bind(backend);
  const kept = new WeakMap<Resource, Map<string, Bound>>();
  const identify = identities();
  internals.recordAndSubmit = (program, output, inputs, uniforms) => {
    // A timed program gets a pass of its own.
    if (internals.activeTimers != null) return original(program, output, inputs, uniforms);
    const written = resourceOf(backend, output);
    const resources = [written, ...inputs.map((tensor) => resourceOf(backend, tensor))];
    const values = uniforms.map(({ data: [value = 0] }) => value);
    const key = [program.shaderKey, ...resources.map(identify), ...values].join();
    let ofOutput = kept.get(written);
    if (ofOutput === undefined) kept.set(written, ofOutput = new Map());
    let bound = ofOutput.get(key);
    if (bound === undefined) {
      if (ofOutput.size === KEPT_PER_OUTPUT) ofOutput.clear();
      ofOutput.set(key, bound = bind(internals.device, program, resources, values));
    }
    // tfjs asks this before it reuses or frees a tensor's memory.
    for (const { dataId } of [output, ...inputs]) internals.commandQueueOwnedIds.add(dataId);
    dispatchBound(internals, program, bound.bindGroup);
  };
}

function bind(
  device: GPUDevice,
  { pipeline }: CompiledProgram,
  resources: readonly Resource[],
  values: readonly number[],
): Bound {
  // The strides of an output of one dimension are 1.
  const words = Int32Array.of(1, ...values);
  const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.UNIFORM;
  const uniforms = device.createBuffer({ size: words.byteLength, usage });
  device.queue.writeBuffer(uniforms, 0, words);
  const bindGroup = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [...resources, uniforms].map((resource, binding) => ({
      binding,
      resource: resource instanceof GPUTexture ? resource.createView() : { buffer: resource },
    })),
  });
  return { bindGroup, uniforms };
}

function dispatchBound(
  internals: Internals,
  program: CompiledProgram,
  bindGroup: GPUBindGroup,
): void {
  internals.ensureCommandEncoderReady();
  const pass = internals.computePassEncoder ??= internals.commandEncoder.beginComputePass();
  pass.setPipeline(program.pipeline);
  pass.setBindGroup(0, bindGroup);
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

/**
 * A kernel: a small WGSL program, what it is generated from, and its registration with tfjs.
 *
 * Inputs and outputs are tensors of vectors ({@linkcode Memory}). A program reads them by
 * `load_<input>(index)` and writes by `store(index, value)`, a `vec4<u32>` each, wherever they lie.
 *
 * @module
 */

import {
  getKernel,
  type NamedAttrMap,
  type NamedTensorInfoMap,
  registerKernel,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { type MemoryKind, memoryKind, TEXTURE_WIDTH } from "../device/memory.ts";

/** The name under which the engine's backend and kernels are registered with tfjs. */
export const BACKEND_NAME = "vgg16";

/** What one dispatch of a generated program needs. */
export interface Dispatch {
  /** Names the program; everything that `code` was generated from must be in it. */
  readonly key: string;
  /** Helper functions and `fn main()`. */
  readonly code: () => string;
  /** int32 values, `parameters.<name>` in the code. */
  readonly parameters: Readonly<Record<string, number>>;
  readonly workgroupSize: number;
  readonly workgroups: readonly [number, number, number];
}

/** Calls a kernel on a backend. The result goes into `output`. */
export type Kernel<Inputs, Attributes> = (
  backend: WebGPUBackend,
  inputs: Inputs,
  attributes: Attributes,
  output: TensorInfo,
) => void;

/**
 * Registers a kernel with tfjs, and returns a typed way to call it on a backend.
 *
 * The call goes to the backend that it is given, not to the one that is current in tfjs, so that a
 * program's own use of tfjs is left alone.
 */
export function defineKernel<Inputs extends Readonly<Record<string, TensorInfo>>, Attributes>(
  name: string,
  plan: (attributes: Attributes) => Dispatch,
): Kernel<Inputs, Attributes> {
  registerKernel({
    kernelName: name,
    backendName: BACKEND_NAME,
    // What tfjs passes through is what the call below has put in.
    kernelFunc: ({ inputs, attrs, backend }) => {
      const { attributes, output } = attrs as unknown as Call<Attributes>;
      return dispatch(backend as WebGPUBackend, inputs as Inputs, plan(attributes), output);
    },
  });
  return (backend, inputs, attributes, output) => {
    const call: Call<Attributes> = { attributes, output };
    getKernel(name, BACKEND_NAME).kernelFunc({
      inputs: inputs as unknown as NamedTensorInfoMap,
      attrs: call as unknown as NamedAttrMap,
      backend,
    });
  };
}

interface Call<Attributes> {
  readonly attributes: Attributes;
  readonly output: TensorInfo;
}

/** `PixelsOpType.FROM_PIXELS`, which tfjs does not export. */
const FROM_PIXELS = 0;

function dispatch(
  backend: WebGPUBackend,
  inputs: Readonly<Record<string, TensorInfo>>,
  { key, code, parameters, workgroupSize, workgroups }: Dispatch,
  output: TensorInfo,
): TensorInfo {
  const names = Object.keys(inputs);
  const tensors = Object.values(inputs);
  const kinds = tensors.map((tensor) => memoryKind(backend, tensor));
  const outputKind = memoryKind(backend, output);
  const program = {
    // tfjs lets programs of this type declare their own bindings, which textures need: its FromPixels.
    pixelsOpType: FROM_PIXELS,
    dispatch: [...workgroups] as [number, number, number],
    // Three dimensions: tfjs then calls `main()` without a flat index.
    dispatchLayout: { x: [0], y: [1], z: [2] },
    outputShape: output.shape,
    outputComponent: 4,
    variableNames: names,
    workgroupSize: [workgroupSize, 1, 1] as [number, number, number],
    shaderKey: [key, ...kinds, outputKind].join(),
    getUserCode: () => declarations(names, kinds, outputKind, Object.keys(parameters)) + code(),
  };
  return backend.runWebGPUProgram(
    program,
    tensors,
    "int32",
    Object.values(parameters).map((value) => ({ type: "int32", data: [value] })),
    output,
  );
}

function declarations(
  names: readonly string[],
  kinds: readonly MemoryKind[],
  outputKind: MemoryKind,
  parameters: readonly string[],
): string {
  const texel = (index: string): string =>
    `vec2<i32>(${index} & ${TEXTURE_WIDTH - 1}, ${index} >> ${Math.log2(TEXTURE_WIDTH)}u)`;
  const inputs = names.map((name, i) =>
    kinds[i] === "buffer"
      ? `
@group(0) @binding(${i + 1}) var<storage, read> ${name}: array<vec4<u32>>;
fn load_${name}(index: i32) -> vec4<u32> { return ${name}[index]; }`
      : `
@group(0) @binding(${i + 1}) var ${name}: texture_2d<u32>;
fn load_${name}(index: i32) -> vec4<u32> { return textureLoad(${name}, ${texel("index")}, 0); }`
  );
  // tfjs declares `result`, and puts the strides of the output before the parameters.
  return `${inputs.join("")}
${
    outputKind === "buffer"
      ? "fn store(index: i32, value: vec4<u32>) { result[index] = bitcast<vec4<i32>>(value); }"
      : `@group(0) @binding(0) var texels: texture_storage_2d<rgba32uint, write>;
fn store(index: i32, value: vec4<u32>) { textureStore(texels, ${texel("index")}, value); }`
  }
struct Parameters { strides: i32, ${parameters.map((name) => `${name}: i32, `).join("")}};
@group(0) @binding(${names.length + 1}) var<uniform> parameters: Parameters;
`;
}

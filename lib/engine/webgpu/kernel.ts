/**
 * A kernel: a small WGSL program, what it is generated from, and its registration with tfjs.
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

/** The name under which the engine's backend and kernels are registered with tfjs. */
export const BACKEND_NAME = "vgg16";

/** What one dispatch of a generated program needs. */
export interface Dispatch {
  /** Names the program; everything that `code` was generated from must be in it. */
  readonly key: string;
  /** The body: helper functions and `fn main()`. */
  readonly code: string;
  /** Storage inputs, as WGSL names them, and the components of their element type. */
  readonly inputs: readonly { name: string; tensor: TensorInfo; components: 1 | 2 | 4 }[];
  /** int32 values, `uniforms.<name>` in the code. */
  readonly uniforms: Readonly<Record<string, number>>;
  readonly workgroupSize: readonly [number, number, number];
  readonly workgroups: readonly [number, number, number];
  /** int32 words that `result` has. */
  readonly outputWords: number;
  /** Components of `result`'s element type. */
  readonly outputComponents?: 1 | 4;
}

/**
 * Calls a kernel on a backend. The result goes into `output`, which may be larger, or else into a new
 * tensor.
 */
export type Kernel<Inputs, Attributes> = (
  backend: WebGPUBackend,
  inputs: Inputs,
  attributes: Attributes,
  output?: TensorInfo,
) => TensorInfo;

/**
 * Registers a kernel with tfjs, and returns a typed way to call it on a backend.
 *
 * The call goes to the backend that it is given, not to the one that is current in tfjs, so that a
 * program's own use of tfjs is left alone.
 */
export function defineKernel<Inputs extends object, Attributes extends object>(
  name: string,
  plan: (inputs: Inputs, attributes: Attributes) => Dispatch,
): Kernel<Inputs, Attributes> {
  registerKernel({
    kernelName: name,
    backendName: BACKEND_NAME,
    // What tfjs passes through is what the call below has put in.
    kernelFunc: ({ inputs, attrs, backend }) => {
      const { attributes, output } = attrs as unknown as Call<Attributes>;
      return dispatch(backend as WebGPUBackend, plan(inputs as Inputs, attributes), output);
    },
  });
  return (backend, inputs, attributes, output) => {
    const call: Call<Attributes> = { attributes, output };
    return getKernel(name, BACKEND_NAME).kernelFunc({
      inputs: inputs as NamedTensorInfoMap,
      attrs: call as unknown as NamedAttrMap,
      backend,
    }) as TensorInfo;
  };
}

interface Call<Attributes> {
  readonly attributes: Attributes;
  readonly output: TensorInfo | undefined;
}

function dispatch(
  backend: WebGPUBackend,
  plan: Dispatch,
  output: TensorInfo | undefined,
): TensorInfo {
  const uniforms = Object.entries(plan.uniforms);
  const program = {
    dispatch: [...plan.workgroups] as [number, number, number],
    // Three dimensions: tfjs then calls `main()` without a flat index.
    dispatchLayout: { x: [0], y: [1], z: [2] },
    outputShape: [plan.outputWords],
    outputComponent: plan.outputComponents ?? 1,
    variableNames: plan.inputs.map(({ name }) => name),
    variableComponents: plan.inputs.map(({ components }) => components),
    uniforms: uniforms.map(([name]) => `${name} : i32, `).join(""),
    workgroupSize: [...plan.workgroupSize] as [number, number, number],
    shaderKey: plan.key,
    getUserCode: () => plan.code,
  };
  return backend.runWebGPUProgram(
    program,
    plan.inputs.map(({ tensor }) => tensor),
    "int32",
    uniforms.map(([, value]) => ({ type: "int32", data: [value] })),
    output,
  );
}

/**
 * What the WebGPU adapter can do at most, and how far from it each layer of VGG16 is, in one run.
 *
 * `deno run --allow-all bench/webgpu_peak.ts [--precision float]`
 *
 * @module
 */

import { parseArgs } from "node:util";
import type { LayerProfile, Precision } from "../lib/engine/engine.ts";
import { createWebgpuEngine } from "../lib/engine/webgpu/engine.ts";
import { layersOf } from "../lib/model/architecture.ts";
import { median } from "./measure.ts";
import { randomImages, randomVgg16, VGG16 } from "./vgg16.ts";

const GROUPS = 512;
const LANES = 64;
const WORDS = 1 << 20;
const RUNS = 5;
const PROFILES = 7;

/** A resource that a shader reads or writes, and how. */
interface Access {
  readonly declare: string;
  readonly resource: (device: GPUDevice) => GPUBindingResource;
  /** WGSL that comes first. */
  readonly prepare?: string;
  /** WGSL of an access to vector `index`. */
  readonly access: (index: string) => string;
}

function buffer(device: GPUDevice, size: number, usage: number): GPUBuffer {
  return device.createBuffer({ size, usage: usage | GPUBufferUsage.COPY_DST });
}

function texture(device: GPUDevice, usage: number): GPUTextureView {
  return device.createTexture({ size: [1024, 64], format: "rgba32uint", usage }).createView();
}

const storage = (device: GPUDevice): GPUBindingResource => ({
  buffer: buffer(device, WORDS * 4, GPUBufferUsage.STORAGE),
});
const texel = (index: string): string => `vec2<u32>((${index}) & 1023u, ((${index}) >> 10u) & 63u)`;
const BUFFER: Access = {
  declare: "@group(0) @binding(1) var<storage, read> x: array<vec4<u32>>;",
  resource: storage,
  access: (index) => `x[(${index}) & 65535u]`,
};

/** Ways to read a vector of 16 bytes, in order of their names in the output. */
const READS: Readonly<Record<string, Access>> = {
  "from a buffer": BUFFER,
  "from a texture": {
    declare: "@group(0) @binding(1) var x: texture_2d<u32>;",
    resource: (device) => texture(device, GPUTextureUsage.TEXTURE_BINDING),
    access: (index) => `textureLoad(x, ${texel(index)}, 0)`,
  },
  "from a uniform buffer": {
    declare: "@group(0) @binding(1) var<uniform> x: array<vec4<u32>, 1024>;",
    resource: (device) => ({ buffer: buffer(device, 1 << 14, GPUBufferUsage.UNIFORM) }),
    access: (index) => `x[(${index}) & 1023u]`,
  },
  "from workgroup memory": {
    declare: `${BUFFER.declare}\nvar<workgroup> staged: array<vec4<u32>, 512>;`,
    resource: storage,
    prepare: "staged[lane & 511u] = x[lane & 511u]; workgroupBarrier();",
    access: (index) => `staged[(${index}) & 511u]`,
  },
};

/** Ways to write one. */
const WRITES: Readonly<Record<string, Access>> = {
  "to a buffer": {
    declare: "@group(0) @binding(1) var<storage, read_write> x: array<vec4<u32>>;",
    resource: storage,
    access: (index) => `x[(${index}) & 65535u] = vec4<u32>(lane);`,
  },
  "to a texture": {
    declare: "@group(0) @binding(1) var x: texture_storage_2d<rgba32uint, write>;",
    resource: (device) => texture(device, GPUTextureUsage.STORAGE_BINDING),
    access: (index) => `textureStore(x, ${texel(index)}, vec4<u32>(lane));`,
  },
};

/** The least milliseconds that submitted commands take. */
async function least(
  device: GPUDevice,
  encode: (encoder: GPUCommandEncoder) => void,
): Promise<number> {
  let best = Infinity;
  for (let run = 0; run <= RUNS; run++) {
    const encoder = device.createCommandEncoder();
    encode(encoder);
    const start = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    if (run > 0) best = Math.min(best, performance.now() - start);
  }
  return best;
}

/** The least milliseconds of a shader whose lanes all run `body`. */
async function shader(
  device: GPUDevice,
  body: string,
  { declare, resource }: Access,
): Promise<number> {
  const module = device.createShaderModule({
    code: `@group(0) @binding(0) var<storage, read_write> result: array<vec4<u32>>;
${declare}
@compute @workgroup_size(${LANES}) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let lane = id.x;
  ${body}
}`,
  });
  const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module } });
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [storage(device), resource(device)].map((resource, binding) => ({
      binding,
      resource,
    })),
  });
  return await least(device, (encoder) => {
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(GROUPS);
    pass.end();
  });
}

function times(count: number, line: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => line(i)).join("\n");
}

/** Billions of operations per second: chains of multiply-adds on twelve accumulators. */
async function arithmetic(device: GPUDevice, type: "f32" | "i32", dot: boolean): Promise<number> {
  const [chains, unrolled, rounds] = [12, 8, 256];
  const step = (i: number): string => {
    const next = `a${(i + 1) % chains}`;
    return dot ? `a${i} += dot4I8Packed(b, u32(${next}));` : `a${i} = a${i} + factor * ${next};`;
  };
  const sum = Array.from({ length: chains }, (_, i) => `a${i}`).join(" + ");
  const body = `let b = x[lane & 1023u].x;
let factor = ${type}(b);
${times(chains, (i) => `var a${i} = ${type}(lane + ${i}u);`)}
for (var turn = 0; turn < ${rounds}; turn++) { ${times(unrolled, () => times(chains, step))} }
result[lane] = vec4<u32>(u32(${sum}));`;
  const ms = await shader(device, body, BUFFER);
  return chains * unrolled * rounds * GROUPS * LANES * (dot ? 8 : 2) / ms / 1e6;
}

/** Billions of vectors per second that lanes read from, or write to, what the caches hold. */
async function vectors(device: GPUDevice, kind: Access, reads: boolean): Promise<number> {
  const [unrolled, rounds] = [8, 32];
  const line = (i: number): string => {
    const access = kind.access(`(turn * ${unrolled}u + ${i}u) * 64u + (lane & 63u)`);
    return reads ? `sum ^= ${access};` : access;
  };
  const body = `${kind.prepare ?? ""} var sum = vec4<u32>();
for (var turn = 0u; turn < ${rounds}u; turn++) { ${times(unrolled, line)} }
result[lane] = sum;`;
  return unrolled * rounds * GROUPS * LANES / await shader(device, body, kind) / 1e6;
}

function row(what: string, value: number, unit: string): void {
  console.log(`${what.padEnd(40)} ${value.toFixed(2).padStart(8)} ${unit}`);
}

/** Prints what the adapter can do; returns the most operations a second, in billions. */
async function printPeak(precision: Precision): Promise<number> {
  const adapter = await navigator.gpu.requestAdapter();
  if (adapter === null) throw new Error("There is no GPU adapter");
  const device = await adapter.requestDevice();
  console.log(adapter.info.description);
  const float = await arithmetic(device, "f32", false);
  const integer = await arithmetic(device, "i32", false);
  const dot = await arithmetic(device, "i32", true);
  row("f32 multiply-add in registers", float, "GFLOP/s");
  row("i32 multiply-add in registers", integer, "GOP/s");
  row("dot4I8Packed in registers", dot, "GOP/s");
  const bytes = 1 << 26;
  const [from, to] = [GPUBufferUsage.COPY_SRC, 0].map((usage) => buffer(device, bytes, usage));
  const ms = await least(device, (encoder) => encoder.copyBufferToBuffer(from, 0, to, 0, bytes));
  row("copy, read and written", 2 * bytes / ms / 1e6, "GB/s");
  for (const [name, kind] of Object.entries(READS)) {
    row(`16 bytes ${name}`, await vectors(device, kind, true), "G/s");
  }
  for (const [name, kind] of Object.entries(WRITES)) {
    row(`16 bytes ${name}`, await vectors(device, kind, false), "G/s");
  }
  device.destroy();
  return precision === "float" ? float : Math.max(integer, dot);
}

/** Prints each layer's median time, its operations as they are defined, and their share of the peak. */
async function printLayers(precision: Precision, peak: number): Promise<void> {
  await using engine = await createWebgpuEngine(randomVgg16(), { precision, tune: "off" });
  const batch = randomImages(1);
  const profiles: LayerProfile[][] = [];
  for (let i = 0; i < PROFILES; i++) profiles.push(await engine.profile!(batch));
  console.log(`\nlayer, ${precision}        ms    GOP/s  of the peak   weights, GB/s`);
  let total = 0;
  for (const [i, { layer, operations, candidate }] of profiles[0].entries()) {
    const ms = median(profiles.map((profile) => profile[i].ms));
    const { filterSize, inChannels, outChannels } = layersOf(VGG16)[i];
    const weights = filterSize[0] * filterSize[1] * inChannels * outChannels;
    const gops = operations / ms / 1e6;
    total += ms;
    console.log(
      layer.padEnd(10) + ms.toFixed(2).padStart(10) + gops.toFixed(1).padStart(9) +
        `${(gops / peak * 100).toFixed(0)} %`.padStart(11) +
        (weights / ms / 1e6).toFixed(2).padStart(12) + `     ${candidate}`,
    );
  }
  console.log(`all       ${total.toFixed(2).padStart(10)}`);
}

const { precision = "int8" } = parseArgs({ options: { precision: { type: "string" } } }).values;
if (precision !== "int8" && precision !== "float") {
  throw new RangeError(`--precision must be int8 or float: found ${precision}`);
}
await printLayers(precision, await printPeak(precision));

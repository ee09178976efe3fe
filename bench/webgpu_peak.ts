/**
 * What the WebGPU adapter can do at most: multiply-adds in registers, and bytes through memory.
 *
 * `deno run --allow-all bench/webgpu_peak.ts` prints one line for each, and how the kernels' ways of reading compare.
 *
 * @module
 */

const adapter = await navigator.gpu.requestAdapter();
if (adapter === null) throw new Error("There is no GPU adapter");
const device = await adapter.requestDevice();

const GROUPS = 512;
const LANES = 64;
const WORDS = 1 << 20;
const RUNS = 5;

const out = storage(WORDS * 4);
const input = storage(WORDS * 4);
const texture = device.createTexture({
  size: [1024, 64],
  format: "rgba32uint",
  usage: GPUTextureUsage.TEXTURE_BINDING,
});

function storage(size: number): GPUBuffer {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  return device.createBuffer({ size, usage });
}

/** The least milliseconds that submitted commands take. */
async function least(encode: (encoder: GPUCommandEncoder) => void): Promise<number> {
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

async function shader(
  body: string,
  resource: GPUBindingResource,
  declare: string,
): Promise<number> {
  const module = device.createShaderModule({
    code: `@group(0) @binding(0) var<storage, read_write> result: array<vec4<u32>>;
@group(0) @binding(1) ${declare}
@compute @workgroup_size(${LANES}) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let lane = id.x;
  ${body}
}`,
  });
  const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module } });
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer: out } }, { binding: 1, resource }],
  });
  return await least((encoder) => {
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

const BUFFER = "var<storage, read> x: array<vec4<u32>>;";

/** Billions of operations per second: chains of multiply-adds on twelve accumulators. */
async function arithmetic(type: "f32" | "i32", dot: boolean): Promise<number> {
  const [chains, unrolled, passes] = [12, 8, 256];
  const step = (i: number): string => {
    const next = `a${(i + 1) % chains}`;
    return dot
      ? `a${i} += dot4I8Packed(b, u32(${next}));`
      : `a${i} = a${i} + ${type}(b) * ${next};`;
  };
  const body = `let b = x[lane & 1023u].x;
${times(chains, (i) => `var a${i} = ${type}(lane + ${i}u);`)}
for (var pass = 0; pass < ${passes}; pass++) { ${times(unrolled, () => times(chains, step))} }
result[lane] = vec4<u32>(u32(${times(chains, (i) => `a${i}`).replaceAll("\n", " + ")}));`;
  const ms = await shader(body, { buffer: input }, BUFFER);
  return chains * unrolled * passes * GROUPS * LANES * (dot ? 8 : 2) / ms / 1e6;
}

/** Billions of vectors per second that lanes read, from what the caches hold. */
async function loads(
  load: (index: string) => string,
  resource: GPUBindingResource,
  declare: string,
) {
  const [unrolled, passes] = [8, 32];
  const body = `var sum = vec4<u32>();
for (var pass = 0u; pass < ${passes}u; pass++) {
  ${times(unrolled, (i) => `sum ^= ${load(`(pass * ${unrolled}u + ${i}u) * 64u + (lane & 63u)`)};`)}
}
result[lane] = sum;`;
  return unrolled * passes * GROUPS * LANES / await shader(body, resource, declare) / 1e6;
}

const copyMs = await least((encoder) => encoder.copyBufferToBuffer(input, 0, out, 0, WORDS * 4));
const row = (what: string, value: number, unit: string): void =>
  console.log(`${what.padEnd(40)} ${value.toFixed(1).padStart(8)} ${unit}`);
console.log(adapter.info.description);
row("f32 multiply-add in registers", await arithmetic("f32", false), "GFLOP/s");
row("i32 multiply-add in registers", await arithmetic("i32", false), "GOP/s");
row("dot4I8Packed in registers", await arithmetic("i32", true), "GOP/s");
row("copy, read and written", 2 * WORDS * 4 / copyMs / 1e6, "GB/s");
row(
  "16-byte vectors from a buffer",
  await loads((index) => `x[(${index}) & 65535u]`, { buffer: input }, BUFFER),
  "G/s",
);
row(
  "16-byte vectors from a texture",
  await loads(
    (index) => `textureLoad(x, vec2<u32>((${index}) & 1023u, ((${index}) >> 10u) & 63u), 0)`,
    texture.createView(),
    "var x: texture_2d<u32>;",
  ),
  "G/s",
);
device.destroy();

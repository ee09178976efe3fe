/** On how many threads, on which backend and with which tiles a network runs. */

import type { ChosenMutant } from "../../tools/chosen_mutants.ts";

const EXECUTOR = { file: "lib/engine/wasm/executor.ts", test: "tests/engine/wasm/threads_test.ts" };
const CREATE = { file: "lib/engine/create.ts", test: "tests/engine/webgpu/recovery_test.ts" };
const DEVICE = {
  file: "lib/engine/webgpu/device/device.ts",
  test: "tests/engine/webgpu/device_test.ts",
  filter: "software adapter",
};
const TUNE = { test: "tests/engine/webgpu/tune_test.ts" };

export const MUTANTS: readonly ChosenMutant[] = [
  {
    ...EXECUTOR,
    name: '"auto" is always one thread',
    before:
      "return Math.min(ENGINE_OPTIONS.threads.max, globalThis.navigator?.hardwareConcurrency ?? 1);",
    after: "return 1;",
    filter: "as many threads",
  },
  {
    ...EXECUTOR,
    name: '"auto" takes threads for a network for which one is enough',
    before: "if (networkOperations(program) < THREADS_FROM) return 1;",
    after: "",
    filter: "as many threads",
  },
  {
    ...EXECUTOR,
    name: "threads are taken where memory cannot be shared",
    before: "if (!memory.shared) return 1;",
    after: "",
    filter: "as many threads",
  },
  {
    ...CREATE,
    name: '"auto" does not go on in WebAssembly where WebGPU cannot run',
    before:
      "if (error instanceof BackendUnavailableError) return await createWasm(model, options);",
    after: "",
    filter: "auto",
  },
  {
    ...CREATE,
    name: '"auto" takes a software adapter',
    before: "adapter === undefined || adapter.isFallback",
    after: "adapter === undefined",
    filter: "auto",
  },
  {
    ...CREATE,
    name: '"auto" has no substitute for a GPU that is lost',
    before: "return await createWebgpu(model, options, substitute);",
    after: "return await createWebgpu(model, options);",
    filter: "auto",
  },
  {
    ...TUNE,
    file: "lib/engine/webgpu/tuning/tune.ts",
    name: "times of one precision count for the other",
    before: '[gpu.description, gpu.driver, precision].join(" | ")',
    after: '[gpu.description, gpu.driver].join(" | ")',
    filter: "an adapter, a driver",
  },
  {
    ...TUNE,
    file: "lib/engine/webgpu/tuning/tune.ts",
    name: "times of one driver count for another",
    before: '[gpu.description, gpu.driver, precision].join(" | ")',
    after: '[gpu.description, precision].join(" | ")',
    filter: "an adapter, a driver",
  },
  {
    file: "lib/engine/webgpu/device/adapter.ts",
    name: "times by Vulkan count for OpenGL",
    before: "driver, own, subgroups]",
    after: "driver]",
    test: "tests/engine/webgpu/adapter_test.ts",
  },
  {
    ...TUNE,
    file: "lib/engine/webgpu/tuning/tile.ts",
    name: "a candidate is tried however long its program is",
    before: "(isWinograd(tile) || loadsOf(tile, filterSize) <= MOST_LOADS[precision])",
    after: "true",
    filter: "too long for compilers",
  },
  {
    ...TUNE,
    file: "lib/engine/webgpu/device/tfjs.ts",
    name: "what is not compiled in time stays with tfjs, half made",
    before: "if (cache[key] === pipeline) delete cache[key];",
    after: "void pipeline;",
    filter: "compiled in time",
  },
  {
    file: "lib/engine/webgpu/tuning/tune_cache.ts",
    name: "times of other kernels count",
    before: "file?.version === VERSION && isRecord(file.adapters)",
    after: "isRecord(file?.adapters)",
    test: "tests/engine/webgpu/tune_cache_test.ts",
  },
  {
    file: "lib/engine/webgpu/tuning/tune_cache.ts",
    name: "times of other adapters are thrown away",
    before: "adapters: { ...adapters, [adapter]: times }",
    after: "adapters: { [adapter]: times }",
    test: "tests/engine/webgpu/tune_cache_test.ts",
  },
  {
    file: "lib/engine/webgpu/tuning/tune_cache.ts",
    name: "a candidate that was refused is the fastest",
    before: "ms === Infinity ? Number.MAX_VALUE : ms",
    after: "ms",
    test: "tests/engine/webgpu/tune_cache_test.ts",
  },
  {
    file: "lib/engine/webgpu/device/tfjs.ts",
    name: "two versions in a process run each other's kernels",
    before: "getKernelsForBackend(name).length > 0",
    after: "false",
    test: "tests/engine/webgpu/tfjs_test.ts",
    filter: "another version of this package",
  },
  {
    file: "lib/engine/webgpu/resident/load.ts",
    name: "a load that ends early leaves its pipelines to others",
    before: "await allEnded([compilePipelines",
    after: "await Promise.all([compilePipelines",
    test: "tests/engine/webgpu/load_test.ts",
  },
  {
    file: "lib/engine/webgpu/device/compile.ts",
    name: "a refused pipeline is an error that nobody knows",
    before: "!(error instanceof GPUPipelineError)",
    after: "true",
    test: "tests/engine/webgpu/load_test.ts",
  },
  {
    ...DEVICE,
    name: "who takes no software adapter answers for who does",
    before: "if (isOthers) continue;",
    after: "",
  },
  {
    ...DEVICE,
    name: "who takes a software adapter answers for who does not",
    before: "if (gpu.isFallback && !software) throw onlySoftware();",
    after: "",
  },
];

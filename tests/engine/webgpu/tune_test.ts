/**
 * The WebGPU engine's choice of tiles, and its profile.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { networkOperations } from "../../../lib/engine/geometry.ts";
import { compileProgram } from "../../../lib/engine/program.ts";
import { acquireGpu, releaseGpu } from "../../../lib/engine/webgpu/device/device.ts";
import { createWebgpuEngine } from "../../../lib/engine/webgpu/engine.ts";
import { planLayers } from "../../../lib/engine/webgpu/resident/plan.ts";
import {
  canCompute,
  candidateName,
  CANDIDATES,
  canTry,
  defaultTuning,
  DENSE_TILES,
} from "../../../lib/engine/webgpu/tuning/tile.ts";
import { tune } from "../../../lib/engine/webgpu/tuning/tune.ts";
import type { Progress } from "../../../lib/progress.ts";
import { assertSame, averageCases, engineCases } from "../../support/engine_cases.ts";
import { randomBatch, randomModel } from "../../support/random_model.ts";
import { referenceActivations } from "../../support/reference.ts";
import { gpuTest } from "../../support/webgpu.ts";

const { model, weights, batch } = engineCases()[0];
const program = compileProgram(model);
const expected = referenceActivations(program, weights, batch);

interface CacheFile {
  readonly version: number;
  readonly adapters: Record<string, Record<string, Record<string, number>>>;
}

/** A cache directory that is removed in the end, and the file in it. */
async function temporaryCache() {
  const dir = await Deno.makeTempDir();
  const path = join(dir, "webgpu_tuning.json");
  const read = async (): Promise<CacheFile> => JSON.parse(await Deno.readTextFile(path));
  return {
    dir,
    path,
    read,
    /** Of the only adapter. */
    times: async () => Object.values((await read()).adapters)[0],
    write: (file: CacheFile) => Deno.writeTextFile(path, JSON.stringify(file)),
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

/**
 * The workloads that are timed: of the convolutions but the first, and of the costliest dense
 * layer.
 */
function workloadNames(): string[] {
  const names = planLayers(program, "int8", batch).map(({ kernel, layer, input, output, pool }) =>
    kernel === "dense"
      ? `dense ${layer.filterSize.join("x")} ${input.channels}-${layer.outChannels}`
      : `${layer.filterSize.join("x")} ${input.channels}-${layer.outChannels} ` +
        `${output.height}x${output.width}${pool ? " pool" : ""}`
  );
  const dense = names.filter((name) => name.startsWith("dense"))[0];
  return [...new Set(names.slice(1).filter((name) => !name.startsWith("dense"))), dense];
}

gpuTest("loads time candidates and keep their times, and no result depends on it", async () => {
  await using cache = await temporaryCache();
  // Damaged caches are made anew.
  await Deno.writeTextFile(cache.path, "{");
  for (let load = 0; load < 2; load++) {
    await using engine = await createWebgpuEngine(model, { cacheDir: cache.dir });
    assertSame(await engine.run(batch), expected);
  }
  const names = [
    ...CANDIDATES.map(candidateName),
    ...(["buffer", "texture"] as const).flatMap((memory) =>
      [...DENSE_TILES, defaultTuning(memory === "texture").dense].map((tile) =>
        candidateName({ memory, tile })
      )
    ),
  ];
  const tried = Object.values(await cache.times()).flatMap((times) => Object.keys(times));
  assert(tried.length > 0);
  for (const name of tried) assert(names.includes(name), name);
});

gpuTest("networks that differ only in their pooling are timed apart", async () => {
  await using cache = await temporaryCache();
  const { architecture } = averageCases()[0].model;
  const dense: string[][] = [];
  for (const pooling of ["average", "flatten"] as const) {
    const { model, weights } = randomModel({ ...architecture, pooling }, 5);
    const { input: { height, width, channels } } = architecture;
    const batch = randomBatch(1, height, width, channels);
    const expected = referenceActivations(compileProgram(model), weights, batch);
    const gpu = await acquireGpu();
    try {
      // A load alone may have no time for all of them on a busy machine.
      await tune(gpu, compileProgram(model), "int8", cache.dir, { budgetMs: Infinity });
    } finally {
      await releaseGpu();
    }
    await using engine = await createWebgpuEngine(model, { cacheDir: cache.dir });
    assertSame(await engine.run(batch), expected);
    dense.push(Object.keys(await cache.times()).filter((name) => name.startsWith("dense")));
    const candidates = (await engine.profile(batch)).map(({ candidate }) => candidate);
    assertEquals(candidates.some((name) => name.endsWith(" average")), pooling === "average");
  }
  assertEquals(dense, [["dense 1x1 32-10"], ["dense 1x1 32-10", "dense 2x3 32-10"]]);
});

gpuTest("choosing tiles tells how far it is, and an abort keeps what was timed", async () => {
  await using cache = await temporaryCache();
  const gpu = await acquireGpu();
  try {
    const told: Progress[] = [];
    const onProgress = (progress: Progress) => void told.push(progress);
    await tune(gpu, program, "int8", cache.dir, { budgetMs: 200, onProgress });
    assertEquals(told.map(({ done }) => done).toSorted((a, b) => a - b), told.map((p) => p.done));
    const last = told.at(-1)!;
    assertEquals([last.stage, last.unit, last.total], ["tune", "trials", last.done]);

    const abort = new AbortController(), reason = new Error("mine");
    const error = await assertRejects(() =>
      tune(gpu, program, "int8", cache.dir, {
        signal: abort.signal,
        onProgress: () => abort.abort(reason),
      })
    );
    assertEquals(error, reason);
    const times = Object.values(await cache.times());
    assertEquals(times.reduce((sum, names) => sum + Object.keys(names).length, 0), last.done + 1);
  } finally {
    await releaseGpu();
  }
});

gpuTest("times are those of an adapter, a driver and a precision", async () => {
  await using cache = await temporaryCache();
  const gpu = await acquireGpu();
  const other = Object.create(gpu, { driver: { value: "another driver" } });
  try {
    const keys: string[] = [];
    for (const [of, precision] of [[gpu, "int8"], [gpu, "float"], [other, "int8"]] as const) {
      await tune(of, program, precision, cache.dir, { budgetMs: 200 });
      keys.push([of.description, of.driver, precision].join(" | "));
      assertEquals(Object.keys((await cache.read()).adapters), keys);
    }
  } finally {
    await releaseGpu();
  }
});

gpuTest("what one load has no time for is tried by the next", async () => {
  await using cache = await temporaryCache();
  const gpu = await acquireGpu();
  try {
    let known = 0;
    for (let load = 0; load < 3; load++) {
      const before = load === 0 ? {} : await cache.times();
      // Time for one trial, or a few.
      await tune(gpu, program, "int8", cache.dir, { budgetMs: 200 });
      const times = await cache.times();
      const count = Object.values(times).reduce((sum, names) => sum + Object.keys(names).length, 0);
      assert(count > known, `${count} after ${known}`);
      known = count;
      for (const [workload, names] of Object.entries(before)) {
        assertEquals(times[workload], { ...times[workload], ...names });
      }
    }
  } finally {
    await releaseGpu();
  }
});

gpuTest(
  "the fastest tiles are taken, in the memory that is the fastest for all layers",
  async () => {
    await using cache = await temporaryCache();
    const gpu = await acquireGpu();
    try {
      await tune(gpu, program, "int8", cache.dir, { budgetMs: 200 });
      const adapter = Object.keys((await cache.read()).adapters)[0];
      for (const memory of ["buffer", "texture"] as const) {
        const usable = CANDIDATES.filter((candidate) =>
          candidate.memory === memory &&
          program.layers.every((layer) => canCompute(candidate.tile, { layer, pool: true }))
        );
        const fast = candidateName(usable[1]);
        const dense = candidateName({ memory, tile: DENSE_TILES[3] });
        const times: Record<string, Record<string, number>> = {};
        for (const workload of workloadNames()) {
          times[workload] = workload.startsWith("dense")
            ? { [dense]: 1, [candidateName({ memory, tile: DENSE_TILES[1] })]: 2 }
            : { [candidateName(usable[0])]: 2, [fast]: 1 };
          // In the other memory a layer is faster, but not all of them.
          const other = memory === "buffer" ? "texture" : "buffer";
          const candidate = CANDIDATES.find((candidate) => candidate.memory === other)!;
          const first = Object.keys(times).length === 1;
          times[workload][
            workload.startsWith("dense")
              ? candidateName({ memory: other, tile: DENSE_TILES[0] })
              : candidateName(candidate)
          ] = first ? 0.5 : 50;
        }
        await cache.write({
          version: (await cache.read()).version,
          adapters: { [adapter]: times },
        });
        const tuning = await tune(gpu, program, "int8", cache.dir, { budgetMs: 0 });
        assertEquals(tuning.memory, memory);
        assertEquals(tuning.dense, DENSE_TILES[3]);
        const chosen = Object.values(tuning.convolutions).map((tile) =>
          candidateName({ memory, tile })
        );
        assertEquals(new Set(chosen), new Set([fast]));
        await using engine = await createWebgpuEngine(model, { tuning });
        assertSame(await engine.run(batch), expected);
        const profile = await engine.profile!(batch);
        assert(profile.some(({ candidate }) => candidate === fast));
      }
    } finally {
      await releaseGpu();
    }
  },
);

/** Names that were timed, but those that were refused. */
async function timedNames(cache: { times(): Promise<Record<string, Record<string, number>>> }) {
  const all = Object.values(await cache.times()).flatMap((names) => Object.entries(names));
  const names = (isTimed: boolean): string[] => [
    ...new Set(all.flatMap(([name, ms]) => (ms < Number.MAX_VALUE) === isTimed ? [name] : [])),
  ];
  return { timed: names(true), refused: names(false) };
}

gpuTest(
  "a candidate that is not compiled in time is left out, and can be compiled later",
  async () => {
    await using cache = await temporaryCache();
    const gpu = await acquireGpu();
    const { createComputePipelineAsync } = GPUDevice.prototype;
    const isSlow = (label: string | undefined): boolean =>
      /^convolution .*staged/.test(label ?? "");
    GPUDevice.prototype.createComputePipelineAsync = function (descriptor) {
      return isSlow(descriptor.label)
        ? new Promise(() => {})
        : createComputePipelineAsync.call(this, descriptor);
    };
    try {
      // The default of a GPU is staged: it comes first.
      const like = Object.create(gpu, { isFallback: { value: false } });
      await tune(like, program, "int8", cache.dir, { compileLimitMs: 300, budgetMs: 200 });
      const { timed, refused } = await timedNames(cache);
      assertEquals([timed, refused], [[], ["buffer 2x4x8 8x8 tap staged"]]);
    } finally {
      GPUDevice.prototype.createComputePipelineAsync = createComputePipelineAsync;
    }
    try {
      await using engine = await createWebgpuEngine(model, { tuning: defaultTuning(false) });
      assertSame(await engine.run(batch), expected);
    } finally {
      await releaseGpu();
    }
  },
);

Deno.test("programs that are too long for compilers are no candidates", () => {
  const layer = { filterSize: [3, 3] } as const;
  const long = (precision: "int8" | "float"): string[] =>
    CANDIDATES.filter(({ tile }) => !canTry(tile, { layer, pool: false, precision }))
      .map(candidateName);
  assertEquals(long("int8"), []);
  assertEquals(long("float"), ["texture 2x4x8 8x8 row"]);
});

gpuTest("every candidate gives the same bits", async () => {
  // While somebody has a share of the device, what was compiled stays.
  await acquireGpu();
  for (const [i, candidate] of CANDIDATES.entries()) {
    const { memory, tile } = candidate;
    const layers = planLayers(program, "int8", batch).filter((planned) =>
      canCompute(tile, planned)
    );
    const tuning = {
      memory,
      convolutions: Object.fromEntries(layers.map(({ layer }) => [layer.name, tile])),
      dense: DENSE_TILES[i % DENSE_TILES.length],
    };
    await using engine = await createWebgpuEngine(model, { tuning });
    assertSame(await engine.run(batch), expected);
  }
  await releaseGpu();
});

gpuTest('tune: "off" tries nothing', async () => {
  await using cache = await temporaryCache();
  await using engine = await createWebgpuEngine(model, { cacheDir: cache.dir, tune: "off" });
  assertSame(await engine.run(batch), expected);
  assertEquals(await Array.fromAsync(Deno.readDir(cache.dir)), []);
});

gpuTest("a profile has a row for each layer", async () => {
  await using engine = await createWebgpuEngine(model);
  const profile = await engine.profile!(batch);
  assertEquals(profile.map(({ layer }) => layer), model.parameters.map(({ name }) => name));
  for (const { ms } of profile) assert(ms >= 0);
  const operations = profile.reduce((sum, { operations }) => sum + operations, 0);
  assertEquals(operations, networkOperations(program));
});

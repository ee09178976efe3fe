/**
 * The WebGPU engine's choice of tiles, and its profile.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { compileProgram } from "../lib/engine/program.ts";
import { createWebgpuEngine } from "../lib/engine/webgpu/engine.ts";
import { planLayers } from "../lib/engine/webgpu/plan.ts";
import { operationsOf } from "../lib/engine/webgpu/profile.ts";
import { candidateName, CANDIDATES } from "../lib/engine/webgpu/tile.ts";
import { assertSame, engineCases } from "./engine_cases.ts";
import { randomModel } from "./random_model.ts";
import { referenceActivations } from "./reference.ts";
import { gpuTest } from "./webgpu.ts";

const { model, weights, batch } = engineCases()[0];
const expected = referenceActivations(compileProgram(model), weights, batch);

gpuTest("a load times candidates and keeps its choice, and no result depends on it", async () => {
  const cacheDir = await Deno.makeTempDir();
  const path = join(cacheDir, "webgpu_tuning.json");
  try {
    // Damaged caches are made anew.
    await Deno.writeTextFile(path, "{");
    for (let load = 0; load < 2; load++) {
      await using engine = await createWebgpuEngine(model, { cacheDir });
      assertSame(await engine.run(batch), expected);
    }
    const [choices] = Object.values(JSON.parse(await Deno.readTextFile(path)));
    const names = CANDIDATES.map(candidateName);
    const chosen = Object.entries(choices as Record<string, string>);
    assert(chosen.length > 0);
    for (const [shape, name] of chosen) assert(names.includes(name), `${shape}: ${name}`);
  } finally {
    await Deno.remove(cacheDir, { recursive: true });
  }
});

gpuTest("a choice in the cache is taken", async () => {
  const cacheDir = await Deno.makeTempDir();
  const path = join(cacheDir, "webgpu_tuning.json");
  try {
    await using first = await createWebgpuEngine(model, { cacheDir });
    const cache = JSON.parse(await Deno.readTextFile(path));
    const name = candidateName(CANDIDATES[0]);
    for (const choices of Object.values<Record<string, string>>(cache)) {
      for (const shape of Object.keys(choices)) choices[shape] = name;
    }
    await Deno.writeTextFile(path, JSON.stringify(cache));
    await using second = await createWebgpuEngine(model, { cacheDir });
    const profile = await second.profile!(batch);
    assert(profile.some(({ candidate }) => candidate === name));
    assertSame(await first.run(batch), await second.run(batch));
  } finally {
    await Deno.remove(cacheDir, { recursive: true });
  }
});

gpuTest('tune: "off" tries nothing', async () => {
  const cacheDir = await Deno.makeTempDir();
  try {
    await using engine = await createWebgpuEngine(model, { cacheDir, tune: "off" });
    assertSame(await engine.run(batch), expected);
    assertEquals(await Array.fromAsync(Deno.readDir(cacheDir)), []);
  } finally {
    await Deno.remove(cacheDir, { recursive: true });
  }
});

gpuTest("a profile has a row for each layer", async () => {
  await using engine = await createWebgpuEngine(model);
  const profile = await engine.profile!(batch);
  assertEquals(profile.map(({ layer }) => layer), model.parameters.map(({ name }) => name));
  for (const { ms, operations } of profile) assert(ms >= 0 && operations > 0);
});

Deno.test("VGG16 at 224x224 has 30.9 billion operations", () => {
  const { model } = randomModel({
    configuration: "D",
    input: { height: 32, width: 32, channels: 3 },
    convolutions: [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512],
    dense: [],
  });
  const data = new Uint8Array(224 * 224 * 3);
  const convolutions = planLayers(
    compileProgram(model),
    "int8",
    { data, count: 1, height: 224, width: 224 },
  ).reduce((sum, step) => sum + operationsOf(step), 0);
  const dense = 2 * (25088 * 4096 + 4096 * 4096 + 4096 * 1000);
  // Products of Simonyan and Zisserman's table 1, counted by hand; 15.5 billion multiplications and additions.
  assertEquals(convolutions + dense, 30_940_528_640);
});

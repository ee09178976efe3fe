import type { Engine } from "../../../lib/engine/engine.ts";
import { createWasmEngine } from "../../../lib/engine/wasm/engine.ts";
import { createWebgpuEngine } from "../../../lib/engine/webgpu/engine.ts";
import { defaultTuning } from "../../../lib/engine/webgpu/tuning/tile.ts";
import { random } from "../../support/random_model.ts";
import { checkCalls, randomCalls, smallModel } from "../../support/same_answer.ts";
import { gpuTest } from "../../support/webgpu.ts";

const CASES = [
  { precision: "int8", isSoftware: false, seed: 11 },
  { precision: "int8", isSoftware: true, seed: 12 },
  { precision: "float", isSoftware: false, seed: 13 },
  { precision: "float", isSoftware: true, seed: 14 },
] as const;

for (const { precision, isSoftware, seed } of CASES) {
  const memory = isSoftware ? "textures" : "buffers";
  gpuTest(`WebGPU answers the same, whatever it ran before: ${precision}, ${memory}`, async () => {
    const next = random(seed);
    const model = smallModel(next, seed);
    const options = { precision, tune: "off", tuning: defaultTuning(isSoftware) } as const;
    await using old = await createWebgpuEngine(model, options);
    // int8 has the same bits on WebAssembly. tfjs gives buffers of earlier runs to later ones, also to
    // a fresh engine's: what is read without being written differs by what ran before.
    const fresh = (): Promise<Engine> =>
      precision === "int8"
        ? createWasmEngine(model, { threads: 1 })
        : createWebgpuEngine(model, options);
    await checkCalls(randomCalls(model, 6, 150, next), old, fresh);
  });
}

import { assertEquals } from "@std/assert";
import { compileProgram, type Program } from "../lib/engine/program.ts";
import { createWebgpuEngine } from "../lib/engine/webgpu/engine.ts";
import type { Architecture, Configuration } from "../lib/vgg/architecture.ts";
import { randomBatch, randomModel } from "./random_model.ts";
import { referenceActivations } from "./reference.ts";
import { gpuTest } from "./webgpu.ts";

const CONVOLUTIONS: Record<Configuration, number> = { A: 8, B: 10, C: 13, D: 13, E: 16 };

function smallVgg(configuration: Configuration, channels: 1 | 3): Architecture {
  // Neither multiples of 16 nor of each other.
  const widths = [12, 16, 20, 36, 40, 64];
  return {
    configuration,
    input: { height: 32, width: 32, channels },
    convolutions: Array.from({ length: CONVOLUTIONS[configuration] }, (_, i) => widths[i % 6]),
    dense: [33, 20, 10],
  };
}

for (const configuration of Object.keys(CONVOLUTIONS) as Configuration[]) {
  for (const channels of [1, 3] as const) {
    gpuTest(
      `WebGPU gives the reference's bits: VGG ${configuration}, ${channels} channels`,
      async () => {
        const { model, weights } = randomModel(smallVgg(configuration, channels), 3);
        const program = compileProgram(model);
        await using engine = await createWebgpuEngine(model);
        for (const [count, height, width] of [[1, 32, 32], [3, 32, 32], [2, 37, 70]]) {
          const batch = randomBatch(count, height, width, channels);
          assertEquals(
            await engine.run(batch),
            referenceActivations(program, weights, batch),
          );
        }
      },
    );
  }
}

gpuTest("WebGPU gives the reference's activations of every layer", async () => {
  const { model, weights } = randomModel(smallVgg("C", 3), 5);
  const program = compileProgram(model);
  await using engine = await createWebgpuEngine(model);
  const batch = randomBatch(2, 45, 34, 3);
  for (const { name, pool } of program.layers) {
    for (const layer of pool === undefined ? [name] : [name, pool]) {
      assertEquals(
        await engine.run(batch, { layer }),
        referenceActivations(program, weights, batch, layer),
      );
    }
  }
});

gpuTest("WebGPU gives the reference's accumulators of every layer", async () => {
  const { model, weights } = randomModel(smallVgg("D", 3), 9);
  const compiled = compileProgram(model);
  const batch = randomBatch(1, 33, 32, 3);
  for (const { name } of compiled.layers) {
    const program = exposeAccumulators(compiled, name);
    await using engine = await createWebgpuEngine(model, { program });
    const got = await engine.run(batch, { layer: name });
    assertEquals(got.data, referenceActivations(program, weights, batch, name).data);
  }
});

/** With a multiplier of 1, no bias and no ReLU, a layer's values are its accumulators. */
function exposeAccumulators(program: Program, name: string): Program {
  return {
    ...program,
    layers: program.layers.map((layer) =>
      layer.name !== name ? layer : {
        ...layer,
        multiplier: layer.multiplier.map(() => 2 ** 30),
        bias: layer.bias.map(() => 0),
        biasExponent: -4096,
        relu: false,
      }
    ),
  };
}

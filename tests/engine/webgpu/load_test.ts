/** Loads that fail, beside engines on the same device. */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async/delay";
import { BackendUnavailableError } from "../../../lib/errors.ts";
import { compileProgram } from "../../../lib/engine/program.ts";
import { acquireGpu, releaseGpu } from "../../../lib/engine/webgpu/device/device.ts";
import { createWebgpuEngine } from "../../../lib/engine/webgpu/engine.ts";
import type { Architecture } from "../../../lib/model/architecture.ts";
import type { Model } from "../../../lib/model/model.ts";
import { nextTurn } from "../../../lib/threads/turn.ts";
import { assertSame } from "../../support/engine_cases.ts";
import { randomBatch, randomModel } from "../../support/random_model.ts";
import { referenceActivations } from "../../support/reference.ts";
import { gpuTest } from "../../support/webgpu.ts";

const architecture: Architecture = {
  configuration: "A",
  input: { height: 32, width: 32, channels: 3 },
  convolutions: Array(8).fill(16),
  dense: [16, 16, 10],
};
const { model, weights } = randomModel(architecture, 11);
const batch = randomBatch(3, 32, 32, 3);
const expected = referenceActivations(compileProgram(model), weights, batch);

/** Does something while a device compiles otherwise. */
async function compiling(
  device: GPUDevice,
  compile: typeof device.createComputePipelineAsync,
  work: () => Promise<void>,
): Promise<void> {
  const own = device.createComputePipelineAsync;
  device.createComputePipelineAsync = compile;
  try {
    await work();
  } finally {
    device.createComputePipelineAsync = own;
  }
}

gpuTest("a load that ends early has the device until nothing compiles any more", async () => {
  const { device } = await acquireGpu(), lost = new Error("the weights are gone");
  const failing: Model = {
    ...model,
    weights: () => {
      throw lost;
    },
  };
  // As in browsers, which compile in the background.
  const gate = Promise.withResolvers<void>(), own = device.createComputePipelineAsync;
  try {
    await using engine = await createWebgpuEngine(model);
    const gated = async (descriptor: GPUComputePipelineDescriptor): Promise<GPUComputePipeline> => {
      await gate.promise;
      return await own.call(device, descriptor);
    };
    await compiling(device, gated, async () => {
      const loading = createWebgpuEngine(failing, { precision: "float" });
      const refused = assertRejects(() => loading, Error, lost.message);
      await nextTurn(); // It has the device.
      // Its pipelines for three images are new, and behind those of the load.
      const running = engine.run(batch);
      const both = [refused.then(() => "load"), running.then(() => "run")];
      // A second is enough for either, if it does not wait.
      assertEquals(await Promise.race([...both, delay(1000).then(() => "neither")]), "neither");
      gate.resolve();
      await refused;
      assertSame(await running, expected);
    });
    assertSame(await engine.run(batch), expected);
  } finally {
    await releaseGpu();
  }
});

gpuTest(
  "a pipeline that the device refuses is a named error, and spoils no other load",
  async () => {
    const { device } = await acquireGpu();
    const refuse = (): Promise<never> =>
      Promise.reject(new GPUPipelineError("too large", { reason: "validation" }));
    try {
      await using engine = await createWebgpuEngine(model);
      await compiling(device, refuse, async () => {
        const load = () => createWebgpuEngine(model, { precision: "float" });
        const error = await assertRejects(load, BackendUnavailableError);
        assertStringIncludes(error.message, "a program was refused: too large");
      });
      await using other = await createWebgpuEngine(model);
      assertSame(await other.run(batch), expected);
      await using float = await createWebgpuEngine(model, { precision: "float" });
      assertEquals((await float.run(batch)).data.length, expected.data.length);
      assertSame(await engine.run(batch), expected);
    } finally {
      await releaseGpu();
    }
  },
);

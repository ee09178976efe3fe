/**
 * The WebGPU engine's dealings with its device: answers, limits, losses, errors, memory.
 *
 * @module
 */

import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { memory, setBackend } from "@tensorflow/tfjs-core";
import { BackendUnavailableError } from "../../../lib/errors.ts";
import { compileProgram, type Program } from "../../../lib/engine/program.ts";
import {
  acquireGpu,
  checked,
  currentGpu,
  type Gpu,
  releaseGpu,
} from "../../../lib/engine/webgpu/device/device.ts";
import { BACKEND_NAME } from "../../../lib/engine/webgpu/device/tfjs.ts";
import { createWebgpuEngine } from "../../../lib/engine/webgpu/engine.ts";
import { imagesPerRun, planOneImage, preflight } from "../../../lib/engine/webgpu/resident/plan.ts";
import {
  answerBatch,
  answerModel,
  type AnswerName,
  ANSWERS,
  checkAnswers,
} from "../../../lib/engine/webgpu/resident/known_answers.ts";
import { defaultTuning } from "../../../lib/engine/webgpu/tuning/tile.ts";
import { type Architecture, layersOf } from "../../../lib/model/architecture.ts";
import { breakable } from "../../support/breakable_gpu.ts";
import { assertSame } from "../../support/engine_cases.ts";
import { floatEngine } from "../../support/float_engine.ts";
import { randomBatch, randomModel } from "../../support/random_model.ts";
import { referenceActivations } from "../../support/reference.ts";
import { defaultLimits, gpuTest } from "../../support/webgpu.ts";
import { isCovered } from "../../support/covered.ts";

const SMALL: Architecture = {
  configuration: "A",
  input: { height: 32, width: 32, channels: 3 },
  convolutions: [16, 16, 16, 16, 16, 16, 16, 16],
  dense: [16, 16, 10],
};
const VGG16: Architecture = {
  configuration: "D",
  input: { height: 224, width: 224, channels: 3 },
  convolutions: [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512],
  dense: [4096, 4096, 1000],
};
/** The defaults of the WebGPU specification, which every device has. */
const DEFAULT_LIMITS = {
  maxStorageBufferBindingSize: 128 * 2 ** 20,
  maxBufferSize: 256 * 2 ** 20,
  maxTextureDimension2D: 8192,
};
const { model, weights } = randomModel(SMALL, 11);
const batch = randomBatch(1, 32, 32, 3);
const expected = referenceActivations(compileProgram(model), weights, batch);

/** Counts calls of a device's methods from now on. */
function countCalls(
  device: GPUDevice,
  names: readonly ("createBindGroup" | "createBuffer" | "createTexture")[],
): () => number {
  let count = 0;
  for (const name of names) {
    const original = device[name].bind(device) as (descriptor: unknown) => unknown;
    Object.assign(device, {
      [name]: (descriptor: unknown) => {
        count++;
        return original(descriptor);
      },
    });
  }
  return () => count;
}

/** Does something with the device that the engines share. */
async function withGpu(use: (gpu: Gpu) => void | Promise<void>): Promise<void> {
  const gpu = await acquireGpu();
  try {
    await use(gpu);
  } finally {
    await releaseGpu();
  }
}

/** The constants of a network of this shape. */
function programOf(architecture: Architecture): Program {
  const parameters = layersOf(architecture).map(({ name, outChannels }) => ({
    name,
    scale: new Float32Array(outChannels).fill(1),
    bias: new Float32Array(outChannels),
  }));
  return compileProgram({ architecture, preprocessing: model.preprocessing, parameters });
}

for (const name of Object.keys(ANSWERS) as AnswerName[]) {
  Deno.test(`the known answers of ${name} are the reference's`, async () => {
    const model = answerModel(name);
    const weights = new Map<string, Int8Array>();
    for await (const { layer, data } of model.weights()) weights.set(layer, data.slice());
    const batch = answerBatch(model);
    const { data } = referenceActivations(compileProgram(model), weights, batch);
    assertEquals([...data], ANSWERS[name].values);
    const float = await floatEngine(model, weights).run(batch);
    // The table has seven digits.
    float.data.forEach((value, i) => assertAlmostEquals(value, ANSWERS[name].float[i], 1e-5));
  });
}

/** What a driver would do wrong, and a network that has to notice. */
const WRONG: Record<string, [code: string, wrong: string, architecture: Architecture]> = {
  "rounds down": ["+ (product.x >> 31u)", "", SMALL],
  "forgets a part of an average": [
    "part += 4",
    "part += 8",
    { ...SMALL, pooling: "average" },
  ],
};

for (const [what, [code, wrong, architecture]] of Object.entries(WRONG)) {
  gpuTest(`the known-answer test refuses a device that ${what}`, () =>
    withGpu(async (gpu) => {
      const tuning = defaultTuning(gpu.isFallback);
      await checkAnswers(gpu, architecture, "int8", tuning);
      await checkAnswers(gpu, architecture, "float", tuning);
      const { backend } = gpu;
      const run = backend.runWebGPUProgram;
      backend.runWebGPUProgram = (program, ...rest) => {
        const right = program.getUserCode();
        program.getUserCode = () => right.replace(code, wrong);
        program.shaderKey += "-wrong";
        return run.call(backend, program, ...rest);
      };
      try {
        await assertRejects(
          () => checkAnswers(gpu, architecture, "int8", tuning),
          BackendUnavailableError,
          "gives wrong answers",
        );
      } finally {
        backend.runWebGPUProgram = run;
      }
    }));
}

for (const memory of ["buffer", "texture"] as const) {
  for (const precision of ["int8", "float"] as const) {
    Deno.test(`VGG16 fits a device with WebGPU's default limits: ${memory}, ${precision}`, () => {
      const program = programOf(VGG16);
      preflight(program, precision, DEFAULT_LIMITS, memory);
      const plan = planOneImage(program, precision);
      assert(imagesPerRun(plan, precision, DEFAULT_LIMITS, memory) >= 8);
    });
  }
}

Deno.test("the preflight names everything that does not fit", () => {
  const wide = {
    ...VGG16,
    input: { height: 256, width: 256, channels: 3 },
    dense: [8192, 20480, 10],
  };
  const error = assertThrows(
    () => preflight(programOf(wide), "int8", DEFAULT_LIMITS, "buffer"),
    BackendUnavailableError,
  );
  assertEquals(
    error.reason,
    "the model does not fit the device, which allows 128 MiB for a buffer: the weights of fc6 take 256 MiB; " +
      'the weights of fc7 take 160 MiB. Use a smaller model, or backend "wasm"',
  );
});

gpuTest("a device that is lost while a model is loaded is a named error", async () => {
  const fragile = {
    ...model,
    async *weights() {
      for await (const piece of model.weights()) {
        yield piece;
        await withGpu(({ device }) => device.destroy());
      }
    },
  };
  const error = await assertRejects(
    () => createWebgpuEngine(fragile),
    BackendUnavailableError,
    "the device was lost while the model was loaded",
  );
  assert(error.code === "backend-lost" && error.retryable);
  // What the next one gets is not the lost one.
  await using engine = await createWebgpuEngine(model);
  assertSame(await engine.run(batch), expected);
});

gpuTest(
  "who takes no software adapter answers for nobody who does, nor the other way round",
  async () => {
    using gpu = breakable();
    gpu.isFallback = true;
    const refuses = (asked: Promise<Gpu>) =>
      assertRejects(() => asked, BackendUnavailableError, "only a software adapter");
    for (const isFirst of [true, false]) {
      // Both ask before either is answered.
      const before = isFirst ? currentGpu(false) : undefined;
      const taken = acquireGpu();
      await Promise.all([refuses(before ?? currentGpu(false)), taken]);
      assert((await taken).isFallback);
      await releaseGpu();
    }
  },
);

gpuTest("calls that the device refuses are named errors", async () => {
  using _limits = defaultLimits();
  await withGpu(async ({ device }) => {
    const usage = GPUBufferUsage.STORAGE;
    for (const buffer of [{ size: 16, usage: 0 }, { size: 2 ** 28 + 4, usage }]) {
      await assertRejects(
        () => checked(device, () => device.createBuffer(buffer)),
        BackendUnavailableError,
        "a call was not valid",
      );
    }
    // The device goes on.
    await checked(device, () => device.createBuffer({ size: 16, usage }));
  });
});

/** Has a device say that it has no memory, where it is asked, until it is given back. */
function exhaust(device: GPUDevice): Disposable {
  const { pushErrorScope, popErrorScope } = device, filters: GPUErrorFilter[] = [];
  device.pushErrorScope = function (filter) {
    filters.push(filter);
    return pushErrorScope.call(this, filter);
  };
  device.popErrorScope = async function () {
    const filter = filters.pop(), error = await popErrorScope.call(this);
    return filter === "out-of-memory" ? new GPUOutOfMemoryError("there is none") : error;
  };
  return {
    [Symbol.dispose]: () => Object.assign(device, { pushErrorScope, popErrorScope }),
  };
}

// bench/out_of_memory.ts does so with a process that has little memory, as far as that can be had.
gpuTest(
  "running out of memory is a named error, leaves nothing behind, and the engine goes on",
  async () => {
    const { device, backend } = await acquireGpu();
    const message = "The webgpu backend is not available: the device ran out of memory. " +
      'Use smaller batches, close what else uses the GPU, or use backend "wasm" (there is none)';
    try {
      const before = backend.numDataIds();
      {
        using _full = exhaust(device);
        await assertRejects(
          () => checked(device, () => device.createBuffer({ size: 16, usage: 0x80 })),
          BackendUnavailableError,
          message,
        );
        await assertRejects(() => createWebgpuEngine(model), BackendUnavailableError, message);
      }
      assertEquals(backend.numDataIds(), before);
      await using engine = await createWebgpuEngine(model);
      {
        using _full = exhaust(device);
        await assertRejects(() => engine.run(batch), BackendUnavailableError, message);
      }
      assertSame(await engine.run(batch), expected);
    } finally {
      await releaseGpu();
    }
  },
);

gpuTest("two engines share a device and do not disturb each other", async () => {
  const others = randomModel(
    { ...SMALL, configuration: "C", convolutions: Array(13).fill(16) },
    12,
  );
  const program = compileProgram(others.model);
  await using first = await createWebgpuEngine(model);
  const [second, results] = await Promise.all([
    createWebgpuEngine(others.model),
    Promise.all(Array.from({ length: 4 }, () => first.run(batch))),
  ]);
  const [one, two] = await Promise.all([first.run(batch), second.run(batch)]);
  for (const result of [...results, one]) assertSame(result, expected);
  assertSame(two, referenceActivations(program, others.weights, batch));
  await second[Symbol.asyncDispose]();
  assertSame(await first.run(batch), expected);
});

/**
 * Bytes by which a process may grow in 1,000 runs, without a collection of garbage being asked for:
 * V8 enlarges its young generation by up to 32 MB, and keeps some ten KB of encoders a run until it
 * collects. Bind groups and texture views made anew in each run were 100 MB.
 */
const GROWTH_BYTES = 48e6;

gpuTest(
  "1,000 runs leave tensors, GPU memory and the process's memory where they were",
  () =>
    withGpu(async ({ backend, device }) => {
      await using engine = await createWebgpuEngine(model);
      await setBackend(BACKEND_NAME);
      const made = countCalls(device, ["createBindGroup", "createBuffer", "createTexture"]);
      const run = async (times: number) => {
        for (let i = 0; i < times; i++) await engine.run(batch);
        return {
          tensors: memory().numTensors,
          data: backend.numDataIds(),
          gpu: backend.memory(),
          engine: engine.bytesResident,
          made: made(),
        };
      };
      const before = await run(200);
      const { rss } = Deno.memoryUsage();
      assertEquals(await run(1000), before);
      const grown = Deno.memoryUsage().rss - rss;
      if (isCovered) console.log("The process's memory is not judged: its coverage takes some");
      else assert(grown < GROWTH_BYTES, `${grown} bytes more`);
    }),
);

gpuTest(
  "what dispatches are bound to is made anew for another size, and only once",
  () =>
    withGpu(async ({ device }) => {
      await using engine = await createWebgpuEngine(model);
      const made = countCalls(device, ["createBindGroup"]);
      const large = randomBatch(2, 64, 48, 3);
      const [small, other] = [
        expected,
        referenceActivations(compileProgram(model), weights, large),
      ];
      const counts: number[] = [];
      for (let i = 0; i < 3; i++) {
        assertSame(await engine.run(batch), small);
        assertSame(await engine.run(large), other);
        counts.push(made());
      }
      // Tensors grow in the first round, so the second makes some anew.
      assert(counts[0] > 0);
      assertEquals(counts[2], counts[1]);
    }),
);

gpuTest(
  "a signal ends a run between layers, and leaves nothing behind",
  () =>
    withGpu(async ({ backend, device: { queue } }) => {
      // Some 8e9 operations: more than are handed to a device at once.
      const wide = randomModel({ ...SMALL, convolutions: Array(8).fill(32) }).model;
      const large = randomBatch(1, 1024, 1024, 3);
      await using engine = await createWebgpuEngine(wide);
      const client = new AbortController();
      const whole = await engine.run(large, { layer: "pool5" });
      assertSame(await engine.run(large, { layer: "pool5", signal: client.signal }), whole);

      const { onSubmittedWorkDone } = queue;
      const { runWebGPUProgram } = backend;
      let steps = 0;
      backend.runWebGPUProgram = (...args) => {
        steps++;
        return runWebGPUProgram.apply(backend, args);
      };
      queue.onSubmittedWorkDone = () => {
        client.abort(new SyntaxError("gone"));
        return onSubmittedWorkDone.call(queue);
      };
      try {
        const before = backend.numDataIds();
        const run = engine.run(large, { layer: "pool5", signal: client.signal });
        await assertRejects(() => run, SyntaxError, "gone");
        const begun = steps;
        assertEquals(backend.numDataIds(), before);
        assertSame(await engine.run(large, { layer: "pool5" }), whole);
        assert(begun > 0 && begun < steps - begun, `${begun} of ${steps - begun}`);
      } finally {
        queue.onSubmittedWorkDone = onSubmittedWorkDone;
        backend.runWebGPUProgram = runWebGPUProgram;
      }
    }),
);

gpuTest(
  "disposal frees everything",
  () =>
    withGpu(async ({ backend }) => {
      const before = backend.numDataIds();
      const engine = await createWebgpuEngine(model);
      await engine.run(batch);
      await engine[Symbol.asyncDispose]();
      assertEquals(backend.numDataIds(), before);
    }),
);

gpuTest(
  "disposal waits for what was asked before, and the last engine's ends the device",
  async () => {
    const engine = await createWebgpuEngine(model);
    let device: GPUDevice | undefined;
    await withGpu((gpu) => void (device = gpu.device));
    const running = [engine.run(batch), engine.run(batch)];
    await engine[Symbol.asyncDispose]();
    for (const result of await Promise.all(running)) assertSame(result, expected);
    assertEquals((await device!.lost).reason, "destroyed");
  },
);

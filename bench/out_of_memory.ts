/**
 * Takes nearly all of a device's memory, then loads and runs a model, and again when there is more: for a process with little
 * memory, which Linux counts for a software adapter. Prints what happened, a line each. It is no test, since what is left of the
 * memory depends on the driver; `tests/engine/webgpu/device_test.ts` injects the error.
 *
 *     sh -c 'ulimit -d 1200000; exec deno run --no-lock --allow-all bench/out_of_memory.ts'
 *
 * @module
 */

import { randomImages, randomVgg16, VGG16 } from "./vgg16.ts";
import { acquireGpu, checked, releaseGpu } from "../lib/engine/webgpu/device/device.ts";
import { createWebgpuEngine } from "../lib/engine/webgpu/engine.ts";

const BALLAST_BYTES = 80 * 2 ** 20;

/** Thin convolutions, and the dense layers of VGG16: fc6 alone takes 103 MB. */
const architecture = { ...VGG16, convolutions: VGG16.convolutions.map((c, i) => i < 10 ? 16 : c) };
const model = randomVgg16(architecture);
const { device, backend } = await acquireGpu();
const ballast: GPUBuffer[] = [];

/** Takes memory until there is no more, and says how that was told. */
async function fill(): Promise<string> {
  for (;;) {
    try {
      const size = BALLAST_BYTES;
      const usage = GPUBufferUsage.STORAGE;
      ballast.push(await checked(device, () => device.createBuffer({ size, usage })));
    } catch (error) {
      return told(error);
    }
  }
}

function told(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

console.log(await fill());
const before = backend.numDataIds();
console.log(await createWebgpuEngine(model, { tune: "off" }).then(() => "loaded", told));
console.log(`${backend.numDataIds() - before} tensors left`);
ballast.forEach((buffer) => buffer.destroy());
await using engine = await createWebgpuEngine(model, { tune: "off" });
await fill();
const run = (images: number): Promise<string> =>
  engine.run(randomImages(images, architecture)).then(({ shape }) => `ran ${shape[0]}`, told);
console.log(await run(40));
console.log(await run(1));
await releaseGpu();

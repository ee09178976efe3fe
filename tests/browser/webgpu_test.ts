/**
 * WebGPU's second implementation: Chromium's Dawn and Tint, on SwiftShader, give the reference's bits
 * as Deno's wgpu and naga do.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import {
  BROWSER,
  bundled,
  type Files,
  programPage,
  projectFile,
  SOFTWARE_WEBGPU,
  withPage,
} from "../support/browser.ts";
import { devTest } from "../support/dev_packages.ts";
import { engineCases } from "../support/engine_cases.ts";
import { EXPECTED } from "../support/logits_hash.ts";

const NEEDS = { file: import.meta.url, ...BROWSER };
const MODEL = "vgg16-cifar10";

/** Cases that have VGG16's layers, 1x1 filters, batches and an average, as each kind of adapter computes them. */
const CASES = {
  texture: ["C, with 1x1 convolutions, a batch", "D, odd numbers of channels", "A, one logit"],
  buffer: ["D, odd numbers of channels", "A, the average, one dense layer, a batch"],
} as const;

devTest("Chromium's WebGPU gives the reference's bits on every layer", NEEDS, async (packages) => {
  const files = programPage(await bundled("tests/browser/engine_program.ts"));
  const names = engineCases().map(({ name }) => name);
  await withPage(packages, { files, switches: SOFTWARE_WEBGPU }, async ({ call }) => {
    for (const [memory, cases] of Object.entries(CASES)) {
      for (const name of cases) await call("check", names.indexOf(name), memory);
    }
  });
});

async function files(): Promise<Files> {
  return {
    ...programPage(await bundled("tests/browser/program.ts")),
    [`${MODEL}.wasm`]: await projectFile(`weights/cifar10/${MODEL}.wasm`),
  };
}

devTest(
  "Chromium classifies on WebGPU, and by itself not on a software adapter",
  NEEDS,
  async (packages) => {
    const served = { files: await files(), switches: SOFTWARE_WEBGPU };
    await withPage(packages, served, async ({ call, origin }) => {
      const model = `${origin}/${MODEL}.wasm`;
      for (const [asked, backend] of [["webgpu", "webgpu"], ["auto", "wasm"]]) {
        const found = await call("hash", { backend: asked, model });
        assertEquals(found, { ...found, backend, ...EXPECTED[MODEL] });
      }
    });
  },
);

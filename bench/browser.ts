/**
 * How long the default model takes in Chromium: on one thread, on threads, on WebGPU's software adapter.
 *
 *     deno task bench:browser
 *
 * @module
 */

import {
  bundled,
  ISOLATED,
  programPage,
  projectFile,
  SOFTWARE_WEBGPU,
  withPage,
} from "../tests/support/browser.ts";

const MODEL = "vgg16-imagenet200.wasm";
// By a variable, so that nothing is downloaded for other tasks.
const PLAYWRIGHT = "npm:playwright-core@1.65.1";
const packages = { "playwright-core": await import(PLAYWRIGHT) };

const CASES = [
  { name: "WebAssembly, one thread", options: { backend: "wasm" } },
  { name: "WebAssembly, threads", options: { backend: "wasm" }, headers: ISOLATED },
  { name: "WebGPU on SwiftShader", options: { backend: "webgpu" }, switches: SOFTWARE_WEBGPU },
];

const files = {
  ...programPage(await bundled("tests/browser/program.ts")),
  [MODEL]: await projectFile(`weights/${MODEL}`),
};
console.log("case                      load ms   classify ms   renderer's peak MB");
for (const { name, options, ...served } of CASES) {
  await withPage(packages, { files, ...served }, async ({ page, origin, call }) => {
    const model = `${origin}/${MODEL}`;
    const { load, classify } = await call("time", { ...options, model });
    const session = await page.context().browser().newBrowserCDPSession();
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    const peaks = processInfo.map(({ type, id }: { type: string; id: number }) =>
      type === "renderer" ? peakOf(id) : 0
    );
    const row = [load.toFixed(0).padStart(7), classify.toFixed(0).padStart(11)];
    console.log(name.padEnd(25), ...row, Math.max(...peaks).toFixed(0).padStart(18));
  });
}

/** The most MB that a process had, on Linux. */
function peakOf(id: number): number {
  const status = Deno.readTextFileSync(`/proc/${id}/status`);
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

/**
 * The library in Chromium: bundled without any plugin, it gives the bits that it gives everywhere.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import {
  BROWSER,
  bundled,
  type Files,
  ISOLATED,
  programPage,
  projectFile,
  withPage,
} from "../support/browser.ts";
import { devTest } from "../support/dev_packages.ts";
import { EXPECTED } from "../support/logits_hash.ts";

const NEEDS = { file: import.meta.url, ...BROWSER };
const MODEL = "vgg16-imagenet200";

/** The program, and the model beside it: where that lies in the project there is nothing. */
async function files(): Promise<Files> {
  return {
    ...programPage(await bundled("tests/browser/program.ts")),
    [`${MODEL}.wasm`]: await projectFile(`weights/${MODEL}.wasm`),
  };
}

devTest("Chromium classifies pictures of every format", NEEDS, async (packages) => {
  await withPage(packages, { files: await files() }, async ({ call, missing }) => {
    const found = await call("hash", { backend: "wasm", threads: 2 });
    assertEquals(found, { ...EXPECTED[MODEL], backend: "wasm", threads: 1, workers: 0 });
    assertEquals(missing, [`weights/${MODEL}.wasm`]);
  });
});

devTest("an isolated page in Chromium computes on threads", NEEDS, async (packages) => {
  const served = { files: await files(), headers: ISOLATED };
  await withPage(packages, served, async ({ call }) => {
    const found = await call("hash", { backend: "wasm", threads: 2 });
    assertEquals(found, { ...EXPECTED[MODEL], backend: "wasm", threads: 2, workers: 2 });
  });
});

devTest(
  "Chromium decodes behind the page if its thread's code is there",
  NEEDS,
  async (packages) => {
    const thread = "background_thread.js", code = await bundled("lib/image/background_thread.ts");
    for (const workers of [1, 0]) {
      const served = { ...await files(), ...workers === 1 ? { [thread]: code } : {} };
      await withPage(packages, { files: served }, async ({ call, missing }) => {
        const found = await call("classifyBehind", "tests/data/photos/cat.png");
        assertEquals(found, { label: "tabby cat", workers });
        assertEquals(missing.includes(thread), workers === 0);
      });
    }
  },
);

devTest("who asks a thread in Chromium learns that it has failed", NEEDS, async (packages) => {
  await withPage(packages, { files: await files() }, async ({ call }) => {
    const failure = "A thread failed: Uncaught Error: lost";
    assertEquals(await call("failures"), [failure, failure]);
  });
});

devTest("a thread in Chromium reaches nothing outside of it", NEEDS, async (packages) => {
  const outside = ["fetch", "XMLHttpRequest", "WebSocket", "EventSource", "WebTransport"]
    .concat("indexedDB", "caches", "importScripts", "Worker", "BroadcastChannel", "postMessage")
    .concat("navigator.gpu", "navigator.storage", "navigator.locks", "location", "self", "Function")
    .concat("setTimeout.constructor", "isNaN.constructor");
  const inside = ["WebAssembly", "crypto", "performance", "navigator.hardwareConcurrency"];
  await withPage(packages, { files: await files() }, async ({ call }) => {
    assertEquals(await call("reach", [...outside, ...inside]), inside);
  });
});

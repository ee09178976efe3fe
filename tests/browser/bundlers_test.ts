/**
 * The package as npm has it, bundled by esbuild and Vite without any plugin, in Chromium.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { BROWSER, filesOf, withPage } from "../support/browser.ts";
import { devTest } from "../support/dev_packages.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const BUILD = "tools/build_npm.ts";
/** Where the app has the packages. */
const PACKAGES = "packages";

const MODEL = "vgg16-imagenet200";
/** A program as people have one. */
const APP: Readonly<Record<string, string>> = {
  "package.json": JSON.stringify({
    private: true,
    type: "module",
    dependencies: { "@edge/vgg16": `file:${PACKAGES}/@edge/vgg16` },
    devDependencies: { esbuild: "0.28.2", vite7: "npm:vite@7.3.8", vite8: "npm:vite@8.4.0" },
  }),
  "index.html": `<!doctype html><title>Test</title><link rel="icon" href="data:,">
    <script type="module" src="/main.js"></script>`,
  "main.js": 'globalThis.program = import("./program.js");',
  "program.js": `import { loadClassifier } from "@edge/vgg16";
    export async function label(path) {
      const classifier = await loadClassifier({ backend: "wasm" });
      const response = await fetch(path);
      const [best] = await classifier.classify(await response.blob());
      await classifier.close();
      return best.label;
    }`,
};

const VITE = "bin/vite.js build --logLevel warn --outDir out";

/** What a person types. Where a bundler does not bring the model by itself, it is put beside the code. */
const BUNDLERS = {
  "esbuild": {
    command: "node_modules/.bin/esbuild main.js --bundle --splitting --format=esm --outdir=out",
    beside: ["index.html", `node_modules/@edge/vgg16/weights/${MODEL}.wasm`],
  },
  "Vite 8": { command: `node node_modules/vite8/${VITE}`, beside: [] },
  "Vite 7": { command: `node node_modules/vite7/${VITE}`, beside: [] },
} as const;

async function sh(cwd: string, command: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("sh", { args: ["-c", command], cwd })
    .output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  if (!success) throw new Error(`${command}: ${text}`);
  return text;
}

const NAME = "esbuild and Vite bundle the package without plugins";
const NEEDS = {
  file: import.meta.url,
  ...BROWSER,
  programs: { ...BROWSER.programs, node: "nodejs", npm: "npm" },
};

devTest(NAME, NEEDS, bundleAll);

async function bundleAll(packages: Readonly<Record<string, unknown>>): Promise<void> {
  const app = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    await sh(ROOT, `deno run --no-lock --allow-all ${BUILD} ${join(app, PACKAGES)}`);
    for (const [name, text] of Object.entries(APP)) await Deno.writeTextFile(join(app, name), text);
    await sh(app, "npm install --install-links --no-audit --no-fund --silent");
    for (const [name, { command, beside }] of Object.entries(BUNDLERS)) {
      await sh(app, "rm -rf out");
      const said = await sh(app, command);
      // What they say of what they could not do by themselves; Vite also says that the HDF5 library is large.
      assert(!/\[warning\]|doesn't exist|externalized|resolve/i.test(said), `${name}: ${said}`);
      for (const path of beside) await sh(app, `cp ${path} out/`);
      await withPage(packages, { files: await filesOf(join(app, "out")) }, async ({ call }) => {
        assertEquals(await call("label", "/tests/data/photos/cat.png"), "tabby cat", name);
      });
    }
  } finally {
    await Deno.remove(app, { recursive: true });
  }
}

/**
 * The example's page, as people use it, at the size of a phone.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import {
  BROWSER,
  type Files,
  filesOf,
  ISOLATED,
  projectFile,
  withPage,
} from "../support/browser.ts";
import { devTest } from "../support/dev_packages.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const PHOTOS = `${ROOT}tests/data/photos`;
const README = await Deno.readTextFile(`${ROOT}examples/browser/README.md`);
const NEEDS = {
  file: import.meta.url,
  ...BROWSER,
  packages: ["playwright-core", "axe-core"],
} as const;
/** A phone's width. Set `TESTS_SCREENSHOTS` to a folder to see the page. */
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 };
const SCREENSHOTS = Deno.env.get("TESTS_SCREENSHOTS");

/** What the README's commands put there. */
async function files(): Promise<Files> {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    const [, command] = /^deno (bundle .*)$/m.exec(README)!;
    const args = command!.replace("examples/browser/vgg16", folder).split(" ");
    const { success } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT }).output();
    assert(success, command);
    const model = "vgg16-imagenet200.wasm", bundle = Object.entries(await filesOf(folder));
    return {
      ...await filesOf(`${ROOT}examples/browser`),
      ...Object.fromEntries(bundle.map(([path, bytes]) => [`vgg16/${path}`, bytes])),
      [model]: await projectFile(`weights/${model}`),
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const colorScheme of ["light", "dark"]) {
  devTest(`examples/browser classifies on the device: ${colorScheme}`, NEEDS, async (packages) => {
    const options = { files: await files(), headers: ISOLATED, context: { ...PHONE, colorScheme } };
    await withPage(packages, options, async ({ page, missing }) => {
      const seen = async (name: string, text: RegExp | string): Promise<void> => {
        await page.getByText(text).first().waitFor({ timeout: 60_000 });
        if (SCREENSHOTS) {
          await page.screenshot({ path: `${SCREENSHOTS}/${colorScheme}-${name}.png` });
        }
        // deno-lint-ignore no-explicit-any -- the package is not downloaded for the type check
        await page.evaluate((packages["axe-core"] as any).default.source);
        const { violations } = await page.evaluate("axe.run()");
        assertEquals(violations.map(({ id }: { id: string }) => id), [], name);
      };
      await seen("ready", "Ready.");
      await page.getByLabel("Choose a picture").setInputFiles(`${PHOTOS}/cat.png`);
      await seen("cat", "It looks like: tabby cat");
      await seen("details", /^\d+ ms on \d+ threads of this device\. Sure from \d\d\.\d % on\.$/);
      await page.getByLabel("Choose a picture").setInputFiles(
        `${ROOT}tests/fixtures/images/photos/hubble.jpg`,
      );
      await seen("unsure", /^Not sure\. Most likely: /);
      await page.getByLabel("Choose a picture").setInputFiles(`${ROOT}LICENSE`);
      await seen("none", /^Expected JPEG, PNG/);
      assertEquals(await page.getByAltText("Your picture").isVisible(), false);
      const width = await page.evaluate("document.documentElement.scrollWidth");
      assertEquals([width, missing], [PHONE.viewport.width, []]);
    });
  });
}

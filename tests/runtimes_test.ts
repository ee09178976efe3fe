/** The package on every runtime that it is for: what a program prints on each, held to the checkout's own numbers. */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import config from "../deno.json" with { type: "json" };
import { devTest } from "./support/dev_packages.ts";
import { EXPECTED } from "./support/logits_hash.ts";
import { npmProject } from "./support/npm_project.ts";
import { CAN_ASK_GPU } from "./support/webgpu.ts";

const ROOT = fromFileUrl(new URL("../", import.meta.url)).replace(/\/$/, "");
const FILES = ["tests/support/runtime_program.ts", "tests/support/logits_hash.ts"];
const NEEDS = { file: fromFileUrl(import.meta.url), programs: { npx: "npm" } };

const REFUSED = "BackendUnavailableError: The webgpu backend is not available: " +
  "this runtime's WGSL has no packed_4x8_integer_dot_product, which Deno's has from 2.7 on";
/**
 * The oldest that README promises, the one that edge platforms have, and the one that this is written with; and what
 * each says of WebGPU, where there is an adapter.
 */
const DENOS = { "deno@2.1.14": REFUSED, "deno@2.5.6": REFUSED, "deno@2.9.6": "same" };
/** Bun is here, and the two Nodes that get repairs. */
const OTHERS = ["node@22", "node@24", "bun@1.4.5"];

const { hash, labels } = EXPECTED["vgg16-imagenet200"]!;
const PRINTED = {
  ...{ hash, labels, byPath: "tabby cat", threads: 2, small: "espresso" },
  ...{ served: ["tabby cat", 200, true], decodes: [true, labels], webgpu: "not asked" },
};

async function run(
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
): Promise<unknown> {
  const { success, stdout, stderr } = await new Deno.Command("npx", {
    args: ["--yes", ...args],
    cwd,
    env: { NO_COLOR: "1", ...env },
  }).output();
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!success) throw new Error(`${args.join(" ")}:\n${out}${errors}`);
  return JSON.parse(out!);
}

Deno.test("the oldest runtimes that are tested are those that deno.json names", () => {
  const oldest = (runtime: string): string =>
    [...Object.keys(DENOS), ...OTHERS].find((name) => name.startsWith(`${runtime}@`))!;
  for (const [runtime, range] of Object.entries(config.engines)) {
    const version = /^>=(\d+(\.\d+)?)/.exec(range)![1]!;
    assert(`${oldest(runtime)}.`.startsWith(`${runtime}@${version}.`), `${runtime} ${range}`);
  }
});

devTest("one program prints the same on each runtime", NEEDS, async (_, t) => {
  await using project = await npmProject();
  for (const file of FILES) {
    await Deno.copyFile(join(ROOT, file), join(project.folder, file.replace(/.*\//, "")));
  }
  for (const [runtime, webgpu] of Object.entries(DENOS)) {
    const name = `${runtime}${CAN_ASK_GPU ? "" : ", not its WebGPU [skipped: no GPU adapter]"}`;
    await t.step(name, async () => {
      const folder = await Deno.makeTempDir();
      try {
        for (const file of FILES) {
          await Deno.copyFile(join(ROOT, file), join(folder, file.replace(/.*\//, "")));
        }
        const flags = ["--no-lock", "--no-check", "--allow-all", `--config=${ROOT}/deno.json`];
        const thread = `file://${ROOT}/lib/threads/thread.ts`;
        const args = [runtime, "run", ...flags, "runtime_program.ts", ROOT, thread];
        const printed = await run(args, folder, CAN_ASK_GPU ? { WITH_WEBGPU: "1" } : {});
        assertEquals(printed, CAN_ASK_GPU ? { ...PRINTED, webgpu } : PRINTED);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    });
  }
  for (const runtime of OTHERS) {
    await t.step(runtime, async () => {
      const thread = join(project.packageFolder(config.name), "lib/threads/thread.js");
      const printed = await run(
        [runtime, "runtime_program.ts", ROOT, `file://${thread}`],
        project.folder,
      );
      assertEquals(printed, PRINTED);
    });
  }
});

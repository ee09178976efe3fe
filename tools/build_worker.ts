/**
 * Makes what a Worker of Cloudflare's is made of, for `examples/worker/`: `deno task build:worker`. With `--check`
 * it writes nothing, and exits with 1 if the committed `mod.js` or its types differ.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";
import { model } from "@edge/vgg16-small";
import { writeModules } from "@edge/vgg16/worker";

const EXAMPLE = new URL("../examples/worker/", import.meta.url);
const FOLDER = new URL("modules/", EXAMPLE);

/**
 * Writes the compiled modules, the small model and the bundle of the example.
 *
 * @param folder Where they go; the bundle is `worker.js`.
 */
export async function buildWorker(folder: string): Promise<void> {
  await writeModules(folder, model);
  const flags = ["--no-lock", "--quiet", "--platform", "browser", "--external", "*.wasm"];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", ...flags, "--output", `${folder}/worker.js`, "worker.ts"],
    cwd: EXAMPLE,
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

if (import.meta.main) {
  if (!Deno.args.includes("--check")) await buildWorker(fromFileUrl(FOLDER));
  else {
    const folder = await Deno.makeTempDir();
    await writeModules(folder, model);
    for (const name of ["mod.js", "mod.d.ts"]) {
      const made = await Deno.readTextFile(`${folder}/${name}`);
      if (made === await Deno.readTextFile(new URL(name, FOLDER)).catch(() => "")) continue;
      console.error(`examples/worker/modules/${name} is another: deno task build:worker`);
      Deno.exitCode = 1;
    }
    await Deno.remove(folder, { recursive: true });
  }
}

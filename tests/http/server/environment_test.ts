import { assertEquals } from "@std/assert";

const MODULE = new URL("../../../lib/http/server/environment.ts", import.meta.url).href;
const CODE = `const { canListVariables, readSettings } = await import("${MODULE}");
let found;
try { found = readSettings(); } catch (error) { found = error.message; }
console.log(JSON.stringify([canListVariables(), found]));`;

/** What a process with some permissions reads from an environment. */
async function readWith(permissions: string[], env: Record<string, string>): Promise<unknown> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, CODE);
  const config = new URL("../../../deno.json", import.meta.url).pathname;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--no-check",
      "--config",
      config,
      "--allow-import",
      ...permissions,
      file,
    ],
    env,
  }).output();
  await Deno.remove(file);
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test("the environment is read as far as it may be, without asking", async () => {
  const env = { VGG16_MAX_QUEUE: "20", VGG16_MAX_QEUE: "21" };
  const typo = "There is no environment variable VGG16_MAX_QEUE: did you mean VGG16_MAX_QUEUE?";
  assertEquals(await readWith(["--allow-env"], env), [true, typo]);
  assertEquals(await readWith(["--allow-env=VGG16_*"], env), [false, { maxQueue: 20 }]);
  assertEquals(await readWith([], env), [false, {}]);
});

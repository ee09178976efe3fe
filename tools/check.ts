/**
 * Everything that CI checks but for the tests: `deno task check` runs all `check:…` tasks of `deno.json`,
 * as many at a time as there are cores, and shows the output of those that fail.
 *
 * @module
 */

const { tasks } = JSON.parse(Deno.readTextFileSync(new URL("../deno.json", import.meta.url)));
const waiting = Object.keys(tasks).filter((name) => name.startsWith("check:"));
let failed = 0;

async function check(name: string): Promise<void> {
  const start = performance.now();
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", name],
    cwd: new URL("../", import.meta.url),
  }).output();
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${name}: ${success ? "ok" : "FAILED"}, ${seconds} s`);
  if (success) return;
  failed++;
  for (const bytes of [stdout, stderr]) console.log(new TextDecoder().decode(bytes).trimEnd());
}

async function work(): Promise<void> {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await check(name);
}

await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, work));
Deno.exitCode = failed === 0 ? 0 : 1;

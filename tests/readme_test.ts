import { assertEquals } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";
import { devTest } from "./support/dev_packages.ts";
import { blocksOf, commandsOf, shownBelow } from "./support/markdown.ts";
import { importMap, registry } from "./support/registry.ts";
import { freePort, until } from "./support/serve_process.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
const BLOCKS = blocksOf(Deno.readTextFileSync(join(ROOT, "README.md")));

/** Times differ from run to run; nothing else does. */
function withoutTimes(text: string): string {
  return text.replaceAll(/\d+\.\d ms/g, "0.0 ms").trimEnd();
}

async function outputOf(command: string, cwd: string): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", command],
    cwd,
    env: { PATH: `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}`, NO_COLOR: "1" },
  }).output();
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals(code, 0, `${command}: ${errors}`);
  return out;
}

/** Runs the commands of a block, a server in the background, and holds each to what is shown below it. */
async function runCommands(text: string, cwd: string): Promise<void> {
  const port = freePort();
  const commands = commandsOf(
    text.replaceAll("npx -y deno@2.9.6", "deno").replaceAll("8000", `${port}`),
  );
  await using servers = new AsyncDisposableStack();
  for (const { command, shown } of commands) {
    if (command === "deno task test") continue; // Runs this test.
    if (command.startsWith("deno serve")) {
      servers.use(await startServer(command.split(" ").slice(1), port));
      continue;
    }
    const out = await outputOf(command, cwd);
    assertEquals(withoutTimes(out), withoutTimes(shown), command);
  }
}

async function startServer(args: string[], port: number): Promise<AsyncDisposable> {
  const options = { args, cwd: ROOT, stdout: "null", stderr: "null" } as const;
  const server = new Deno.Command(Deno.execPath(), options).spawn();
  const answer = (): Promise<Response> => fetch(`http://127.0.0.1:${port}/readyz`);
  await until(() => answer().then(async (it) => (await it.body?.cancel(), true), () => false));
  return server;
}

for (const { kind, text } of BLOCKS) {
  const [first] = text.split("\n");
  if (kind === "ts") {
    Deno.test(`README's program prints what it says: ${first}`, async () => {
      const file = await Deno.makeTempFile();
      await Deno.writeTextFile(file, text);
      try {
        const shown = shownBelow(text.split("\n"), "// ");
        assertEquals(
          (await outputOf(
            `deno run --check --no-prompt --allow-read=lib,tests - < ${file}`,
            ROOT,
          )).trimEnd(),
          shown,
        );
      } finally {
        await Deno.remove(file);
      }
    });
  }
  if (kind === "sh") {
    const name = `README's commands print what it says: ${first}`;
    const test = (): Promise<void> => runCommands(text, ROOT);
    if (!text.includes("curl ")) Deno.test(name, test);
    else devTest(name, { file: import.meta.url, programs: { curl: "curl" } }, test);
  }
}

Deno.test("README's program outside of a checkout needs the permissions that stand there", async () => {
  const program = BLOCKS.find(({ text }) => text.startsWith("// main.ts"))!;
  const command = BLOCKS.find(({ kind }) => kind === "sh main.ts")!.text;
  const folder = await Deno.makeTempDir();
  await using server = registry();
  const host = `127.0.0.1:${server.addr.port}`;
  try {
    await Deno.writeTextFile(`${folder}/main.ts`, program.text);
    await Deno.writeTextFile(
      `${folder}/deno.json`,
      await importMap({ "@edge/vgg16": `http://${host}/mod.ts` }),
    );
    await Deno.copyFile(join(ROOT, "tests/data/photos/cat.png"), `${folder}/cat.png`);
    // From JSR an import needs no permission. The port may have been another test's.
    const flags = `--no-prompt --reload=http://${host} --allow-import=${host}`;
    await runCommands(
      command.replace("deno run", `deno run ${flags}`),
      folder,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

import { assert, assertEquals, assertMatch } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";
import { parse } from "@std/yaml";
import { devTest } from "./support/dev_packages.ts";
import { importMap, registry } from "./support/registry.ts";
import { freePort, until } from "./support/serve_process.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
const README = Deno.readTextFileSync(join(ROOT, "README.md"));

/** A block of code in a document: what stands behind its fence, and its lines. */
interface Block {
  readonly kind: string;
  readonly text: string;
}

function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```(.+)\n([^]*?)^```$/gm)].map(([, kind, text]) => ({
    kind,
    text,
  }));
}

/** The comments that stand below code: what it prints. */
function shownBelow(lines: readonly string[], mark: string): string {
  return lines.filter((line) => line.startsWith(mark)).map((line) => line.slice(mark.length)).join(
    "\n",
  );
}

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
  const commands = text
    .replaceAll("npx -y deno@2.9.6", "deno")
    .replaceAll("8000", `${freePort()}`)
    .split(/^(?=[^#])/m);
  const servers: Deno.ChildProcess[] = [];
  try {
    for (const [command, ...shown] of commands.map((lines) => lines.trimEnd().split("\n"))) {
      if (command === "deno task test") continue; // Runs this test.
      const [program, verb, ...args] = command.split(" ");
      if (verb === "serve") {
        const options: Deno.CommandOptions = {
          args: [verb, ...args],
          cwd: ROOT,
          stdout: "null",
          stderr: "null",
        };
        assertEquals(program, "deno");
        servers.push(new Deno.Command(Deno.execPath(), options).spawn());
        const port = args[args.indexOf("--port") + 1];
        await until(() =>
          fetch(`http://127.0.0.1:${port}/readyz`).then((r) => r.text()).then(
            () => true,
            () => false,
          )
        );
        continue;
      }
      const out = await outputOf(command, cwd);
      assertEquals(withoutTimes(out), withoutTimes(shownBelow(shown, "# ")), command);
    }
  } finally {
    for (const server of servers) server.kill();
    await Promise.all(servers.map(({ status }) => status));
  }
}

for (const { kind, text } of blocksOf(README)) {
  const [first] = text.split("\n");
  if (kind === "ts") {
    Deno.test(`README's program prints what it says: ${first}`, async () => {
      const file = await Deno.makeTempFile();
      await Deno.writeTextFile(file, text);
      try {
        const shown = shownBelow(text.split("\n"), "// ");
        assertEquals(
          (await outputOf(`deno run --check --allow-all - < ${file}`, ROOT)).trimEnd(),
          shown,
        );
      } finally {
        await Deno.remove(file);
      }
    });
  }
  if (kind === "sh") {
    Deno.test(`README's commands print what it says: ${first}`, () => runCommands(text, ROOT));
  }
}

Deno.test("README's program outside of a checkout needs the permissions that stand there", async () => {
  const blocks = blocksOf(README);
  const program = blocks.find(({ text }) => text.startsWith("// main.ts"))!;
  const command = blocks.find(({ kind }) => kind === "sh main.ts")!.text;
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
    // From JSR an import needs no permission.
    await runCommands(
      command.replace("deno run", `deno run --no-prompt --allow-import=${host}`),
      folder,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("README names the version of Deno that CI installs, in commands that exist", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const ci = await Deno.readTextFile(join(ROOT, ".ci/run"));
  for (const name of ["README.md", "CONTRIBUTING.md", ".github/workflows/publish.yml"]) {
    const text = await Deno.readTextFile(join(ROOT, name));
    for (const [version] of text.matchAll(/deno@[\d.]+/g)) assert(ci.includes(version), version);
    for (const [, task] of text.matchAll(/deno(?:@\S+)? task ([\w:]+)/g)) {
      assert(Object.hasOwn(tasks, task), `${name}: there is no task ${task}`);
    }
  }
});

/** The files that a release would have. */
async function published(): Promise<Set<string>> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--dry-run", "--allow-dirty", "--no-check"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  const files = [...text.matchAll(/file:\/\/(\S+)/g)].map(([, path]) => path.slice(ROOT.length));
  assert(files.includes("mod.ts"), text);
  return new Set(files);
}

function listMarkdown(folder: string): string[] {
  return [...Deno.readDirSync(join(ROOT, folder))].flatMap(({ name, isDirectory }) => {
    const path = join(folder, name);
    if (isDirectory) return name === "node_modules" || name === ".git" ? [] : listMarkdown(path);
    return name.endsWith(".md") ? [path] : [];
  });
}

Deno.test("links lead to files that exist, and from what is published to what is published", async () => {
  const inPackage = await published();
  for (const file of listMarkdown(".")) {
    const text = await Deno.readTextFile(join(ROOT, file));
    for (const [, link] of text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const target = join(dirname(file), link);
      const { isFile } = await Deno.stat(join(ROOT, target)).catch(() => ({ isFile: undefined }));
      assert(isFile !== undefined, `${file} links to ${link}, which does not exist`);
      if (!inPackage.has(file)) continue;
      const isPublished = inPackage.has(target) ||
        [...inPackage].some((path) => path.startsWith(`${target}/`));
      assert(isPublished, `${file} links to ${link}, which is not published`);
    }
  }
});

Deno.test("a release has what its users need, and nothing else", async () => {
  const files = await published();
  for (
    const file of [
      "README.md",
      "LICENSE",
      "weights/vgg16-cifar10.safetensors",
      "docs/architecture.svg",
    ]
  ) {
    assert(files.has(file), `${file} is not published`);
  }
  const others = [...files].filter((file) =>
    /^(tests|tools|\.|bench\/.*[^d]$)|kernels\/.*structs|build\.ts|\.py$/.test(file)
  );
  assertEquals(others, []);
});

devTest("the model file's reader in Python reads the embedded model", {
  file: import.meta.url,
  programs: { python3: "python3" },
}, async () => {
  const blocks = blocksOf(await Deno.readTextFile(join(ROOT, "docs/model_file.md")));
  const [{ text }] = blocks.filter(({ kind }) => kind === "python");
  const [shown] = blocks.filter(({ kind }) => kind === "text");
  const { stdout, stderr } = await new Deno.Command("python3", { args: ["-c", text], cwd: ROOT })
    .output();
  assertEquals(new TextDecoder().decode(stdout), shown.text, new TextDecoder().decode(stderr));
});

// deno-lint-ignore no-explicit-any -- documents of GitHub, of which a few fields are looked at
async function yaml(path: string): Promise<any> {
  return parse(await Deno.readTextFile(join(ROOT, ".github", path)));
}

Deno.test("workflows run .ci/run, with pinned actions and no more rights than they need", async () => {
  for (const name of ["ci", "publish"]) {
    const { jobs, permissions } = await yaml(`workflows/${name}.yml`);
    const [{ steps }] = Object.values<{ steps: { run?: string; uses?: string }[] }>(jobs);
    assert(steps.some(({ run }) => run === ".ci/run"), name);
    assertEquals(permissions, { contents: "read" });
    for (const { uses } of steps) {
      if (uses !== undefined) assertMatch(uses, /^actions\/checkout@v\d+\.\d+\.\d+$/);
    }
  }
  const { on, jobs } = await yaml("workflows/publish.yml");
  assertEquals(on, { push: { tags: ["v*.*.*"] } });
  assertEquals(jobs.publish.permissions, { contents: "read", "id-token": "write" });
});

Deno.test("issue forms have what GitHub asks of them", async () => {
  for (const name of ["bug", "wrong_label"]) {
    const form = await yaml(`ISSUE_TEMPLATE/${name}.yml`);
    assert(form.name && form.description && form.labels.length > 0, name);
    const ids = form.body.map(({ id }: { id?: string }) => id).filter(Boolean);
    assertEquals(new Set(ids).size, ids.length);
    for (const { type, attributes } of form.body) {
      assert(type === "markdown" ? attributes.value : attributes.label, `${name}: ${type}`);
    }
  }
});

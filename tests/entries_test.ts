/** What each entry of the package exports, and what a program that imports it brings along. */

import { assert, assertEquals } from "@std/assert";
import { costOf, entriesOf } from "../tools/entries.ts";
import { documented, faultsOf } from "../tools/docs.ts";
import { blocksOf } from "./support/markdown.ts";

const ROOT = new URL("../", import.meta.url);
const ENTRIES = await entriesOf(ROOT);

const PAGE = await Deno.readTextFile(new URL("docs/entries/README.md", ROOT));

/** What the page says of an entry: its numbers, and its packages. */
function costOnPage(name: string): [numbers: number[], packages: string[]] {
  const [, numbers, packages] = PAGE.split("\n").find((line) =>
    line.startsWith(`| \`${name}\` | `)
  )!
    .match(/^\| \S+ \| ([\d, |]+) \| (.*) \|$/)!;
  const words = [...packages.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
  return [numbers.match(/\d+/g)!.map(Number), words];
}

/** What has no business in an isolate of an edge platform, nor in a program that only reads images. */
const OTHERS =
  /^(lib\/(cli|convert|search|train|engine\/webgpu\/(engine|resident|kernels))\/|weights\/.*\.wasm$)/;
const SMALL = ["./edge", "./image", "./worker"];

for (const [name, path] of ENTRIES) {
  Deno.test(`${name} brings the packages that it says, and no module for something else`, async () => {
    const [numbers, packages] = costOnPage(name);
    const { modules, bytes, laterModules, laterBytes, ...cost } = await costOf(ROOT, path);
    assertEquals(cost.packages, packages);
    for (const [n, found] of [modules, bytes / 1000, laterModules, laterBytes / 1000].entries()) {
      const wrong = `tools/entries.ts gives ${found} for ${numbers[n]}`;
      // A line more is nothing to write down, nor is one module.
      assert(Math.abs(found - numbers[n]) <= 2 + 0.05 * numbers[n], wrong);
    }
    const forOthers = cost.paths.filter((path) => OTHERS.test(path));
    if (SMALL.includes(name)) assertEquals(forOthers, []);
    else if (name === "./model") assertEquals(forOthers, ["weights/vgg16-imagenet200.wasm"]);
  });
}

Deno.test("an isolate of an edge platform needs no package but deno std", async () => {
  for (const name of SMALL) {
    const { packages } = await costOf(ROOT, `lib/entries/${name}.ts`);
    assertEquals(packages, ["deno-std"], name);
  }
});

Deno.test("deno.lock names what deno.json does: a clone's first task downloads all that is in it", async () => {
  const read = async (name: string) => JSON.parse(await Deno.readTextFile(new URL(name, ROOT)));
  const packageOf = (specifier: string): string =>
    /^npm:\/?(@[^/]+\/[^/]+|[^/]+)/.exec(specifier)![1];
  const named = Object.values<string>((await read("deno.json")).imports).map(packageOf);
  const locked = Object.keys((await read("deno.lock")).specifiers).map(packageOf);
  assertEquals(locked.sort(), [...new Set(named)].sort());
});

Deno.test("an entry of lib/entries/ only exports what others have, and none of the engine's own types", async () => {
  for (const [name, path] of ENTRIES.filter(([, path]) => !/\/(serve|cli)\.ts$/.test(path))) {
    const text = await Deno.readTextFile(new URL(path, ROOT));
    const code = text.replaceAll(/\/\*\*[^]*?\*\//g, "").trim();
    const rest = code.replaceAll(/export (type )?(\{[^}]*\}|\*) from "[^"]+";/g, "")
      .replaceAll(/^import ".*\/(embedded|whole)\.ts";$/gm, "").trim();
    assertEquals(rest, "", name);
    const symbols = await documented(ROOT, path);
    const names = symbols.map(({ name }) => name);
    const engines = names.filter((name) => /^(Engine|Batch|Activations|View|Network)$/.test(name));
    assertEquals(engines, [], name);
  }
});

Deno.test("the page of the entries lists what each exports", async () => {
  for (const [name, path] of ENTRIES.filter(([, path]) => !/\/(serve|cli)\.ts$/.test(path))) {
    const symbols = await documented(ROOT, path);
    const names = symbols.map(({ name }) => name).filter((name) => name !== "").sort();
    const listed = PAGE.split(`\n### \`${name}\`\n`)[1]?.split(/\n#/)[0] ?? "";
    assertEquals([...listed.matchAll(/`(\w+)`/g)].map(([, name]) => name).sort(), names, name);
  }
});

Deno.test("links to what is not exported and examples that nobody can paste are found", () => {
  const comment =
    "See {@linkcode a}, {@linkcode a.b}, {@link https://a.example} and {@linkcode c}.\n";
  const example = '```ts ignore\nimport { x } from "./x.ts";\n```\n';
  assertEquals(faultsOf(".", [{ name: "a", comments: [comment, example] }]), [
    ".: a links to c, which is not exported",
    ".: a has an example that does not run",
    ".: a has an example that imports ./x.ts",
  ]);
});

/** What `console.log(…); // …` promise. */
function promised(code: string): string[] {
  return [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text]) => text);
}

/** The first comment of a module. */
function commentOf(path: string): string {
  const text = readPage(path);
  return text.slice(0, text.indexOf("*/")).replaceAll(/^ \* ?/gm, "");
}

/** The packages with models, and what explains them. */
const MODELS = ["small", "cifar10"].flatMap((name) => [
  [`weights/${name}/mod.ts`, commentOf(`weights/${name}/mod.ts`)],
  [`weights/${name}/README.md`, readPage(`weights/${name}/README.md`)],
]).concat([["weights/README.md", readPage("weights/README.md")]]);
const EXPLAINED = ENTRIES.flatMap(([name, path]) => {
  const page = `docs/entries/${name === "." ? "classify" : name.slice(2)}.md`;
  return [[path, commentOf(path)], [page, readPage(page)]];
});

for (const [where, markdown] of [...EXPLAINED, ...MODELS]) {
  for (const { text: code } of blocksOf(markdown!).filter(({ kind }) => kind === "ts")) {
    Deno.test(`the example of ${where} prints what it says`, async () => {
      const folder = await Deno.makeTempDir();
      try {
        await Deno.writeTextFile(`${folder}/main.ts`, code);
        const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
          args: ["run", "--no-check", "-A", "--config", "deno.json", `${folder}/main.ts`],
          cwd: ROOT,
          env: { NO_COLOR: "1" },
        }).output();
        const lines = new TextDecoder().decode(stdout).split("\n").slice(0, -1);
        assertEquals(lines, promised(code), new TextDecoder().decode(stderr));
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    });
  }
}

function readPage(page: string): string {
  try {
    return Deno.readTextFileSync(new URL(page, ROOT));
  } catch {
    return "";
  }
}

Deno.test("each entry has its page, which the list of them leads to", async () => {
  for (const [name] of ENTRIES) {
    const page = `${name === "." ? "classify" : name.slice(2)}.md`;
    assert(PAGE.includes(`(${page})`), name);
    await Deno.stat(new URL(`docs/entries/${page}`, ROOT));
  }
});

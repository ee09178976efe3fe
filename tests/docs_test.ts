import { assert, assertEquals, assertMatch } from "@std/assert";
import { dirname, fromFileUrl, join, toFileUrl } from "@std/path";
import { parse } from "@std/yaml";
import { devTest } from "./support/dev_packages.ts";
import { packageFolders, publicationOf } from "../tools/publication.ts";
import { CATALOG } from "../lib/model/catalog.ts";
import { blocksOf } from "./support/markdown.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));

Deno.test("documents name the version of Deno that CI installs, and tasks that exist", async () => {
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

Deno.test("no command that people are shown asks for all permissions", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const all = / (-A|--allow-all)\b/;
  const demanding = Object.keys(tasks).filter((name) => all.test(tasks[name]));
  // They start other programs.
  assertEquals(demanding.filter((name) => !/^(test|fuzz:checkpoints|bench(:|$))/.test(name)), []);
  for (const file of FILES) {
    if (/^(bench|tests|tools|CHANGELOG|CONTRIBUTING|\.)/.test(file)) continue;
    if (!/\.(md|ts|yaml|service|conf)$|file$/.test(file)) continue;
    const text = (await Deno.readTextFile(join(ROOT, file))).replaceAll(/ \\\n/g, " ");
    const commands = text.replaceAll('", "', " ").match(/\bdeno (\w+) [^\n]*/g) ?? [];
    // `deno eval` has all by itself.
    const found = commands.find((line) => all.test(line) || line.startsWith("deno eval"));
    assertEquals(found, undefined, file);
  }
});

/** What stands unpinned in a text: packages that commands fetch, images, actions. */
function unpinned(text: string): string[] {
  const exact = /@\d+\.\d+\.\d+[\w.-]*$/;
  const packages = [
    ...text.matchAll(/\bnpx (?:-\S+ )*([@\w][^\s"'`]*)/g),
    ...text.matchAll(/\bnpm (?:i|install|exec) (?:-\S+ )*([@\w][^\s"'`]*)/g),
    ...text.matchAll(/\bnpm:\/?((?:@[\w.-]+\/)?[a-z][\w.-]*(?:@[\w.^~*-]+)?)/g),
    ...text.matchAll(/\bdeno (?:add|install|run|x) (?:-\S+ )*(jsr:[^\s"'`]*)/g),
  ].map(([, name]) => name).filter((name) => !exact.test(name.replace(/(?<=\d)\/.*/, "")));
  const version = /:[\w-]*\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?$/;
  const images = [
    ...text.matchAll(/^FROM (\S+)/gm),
    ...text.matchAll(/^ *(?:image|container): ([\w./@:-]+)(?: #.*)?$/gm),
  ].map(([, image]) => image).filter((image) => !version.test(image));
  const pip = [...text.matchAll(/\bpip3? install (?:-\S+ )*(\w\S*)/g)]
    .map(([, name]) => name).filter((name) => !name.includes("=="));
  const actions = [...text.matchAll(/^\s*-? uses: (\S+)/gm)]
    .map(([, action]) => action).filter((action) =>
      !/@(v\d+\.\d+\.\d+|[0-9a-f]{40})$/.test(action)
    );
  return [...packages, ...images, ...pip, ...actions];
}

Deno.test("every command, image and action names a whole version", async () => {
  const found = unpinned(
    "npx -y deno task\nnpm install -g deno\nnpm:sharp@0.34\ndeno add jsr:@edge/vgg16\n" +
      "FROM debian:12-slim\n  image: a/b:latest\npip install numpy\n  - uses: actions/checkout@v5\n",
  );
  assertEquals(found.length, 8, `${found}`);
  const { version } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  for (const file of [...FILES, ".ci/run"]) {
    if (/^(tests\/(fixtures|data|docs_test)|deno\.lock)|\.git\b|package-lock/.test(file)) continue;
    if (!/\.(md|ts|mjs|sh|json|ya?ml|service)$|file$|^\.ci/.test(file)) continue;
    const text = await Deno.readTextFile(join(ROOT, file));
    assertEquals(unpinned(text), [], file);
    for (const [, named] of text.matchAll(/jsr:@edge\/vgg16@([\d.]+\d)/g)) {
      assertEquals(named, version, file);
    }
  }
});

Deno.test("a service that people are shown listens at this machine alone", async () => {
  const lines = [], published = [];
  for (const file of FILES) {
    if (/^(bench|tests|tools|\.)/.test(file) || !/\.(md|ts|yaml|service)$|file$/.test(file)) {
      continue;
    }
    const text = (await Deno.readTextFile(join(ROOT, file))).replaceAll(/ \\\n/g, " ");
    lines.push(...text.match(/\bdeno serve [^\n`]*\.ts\b/g) ?? []);
    published.push(...text.match(/(?<= -p )\S+/g) ?? []);
  }
  assert(lines.length >= 3, `${lines.length}`);
  assertEquals(lines.filter((line) => !line.includes(" --host 127.0.0.1 ")), []);
  assertEquals(published, ["127.0.0.1:8000:8000"]);
});

/** What the package would publish. */
const PUBLISHED = await publicationOf(toFileUrl(ROOT), ["--no-check"]);

/** All files of a folder, by their paths from the root. */
function listFiles(folder: string): string[] {
  return [...Deno.readDirSync(join(ROOT, folder))].flatMap(({ name, isDirectory }) => {
    const path = join(folder, name);
    if (!isDirectory) return [path];
    return ["node_modules", ".git", ".cache", "dist"].includes(name) ? [] : listFiles(path);
  });
}

const FILES = listFiles(".");
const DOCUMENTS = FILES.filter((file) => file.endsWith(".md"));

Deno.test("the audit names a test for each promise, and each is there", async () => {
  const page = await Deno.readTextFile(join(ROOT, "docs/audit.md"));
  const [, table] = page.match(/^\| promise \| test \|\n\|---\|---\|\n(.*?)\n\n/ms)!;
  const rows = table.split("\n");
  assert(rows.length > 20, `${rows.length}`);
  for (const row of rows) {
    const [, file, title] = row.match(/^\| [^|]+ \| `([^`]+)`: ([^|]+) \|$/) ?? [];
    assert(file !== undefined && title !== undefined, row);
    assert((await Deno.readTextFile(join(ROOT, file))).includes(title), row);
  }
});

Deno.test("modules and scripts that documents name exist", async () => {
  for (const document of DOCUMENTS) {
    const text = (await Deno.readTextFile(join(ROOT, document))).replaceAll(/^```[^]*?^```$/gm, "");
    for (const [, name] of text.matchAll(/`([\w.][\w./-]*\.(?:ts|py|sh|mjs|svg|conf))`/g)) {
      if (name === "main.ts") continue; // The reader's own.
      const isThere = FILES.some((file) => file === name || file.endsWith(`/${name}`));
      assert(isThere, `${document} names ${name}, which does not exist`);
    }
    for (const [, folder] of text.matchAll(/`((?:lib|tests|docs|bench|tools)\/[\w/]*)\/`/g)) {
      const isThere = FILES.some((file) => file.startsWith(`${folder}/`));
      assert(isThere, `${document} names ${folder}/, which does not exist`);
    }
  }
});

Deno.test("each dependency has its line", async () => {
  const { imports } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const lines = await Deno.readTextFile(join(ROOT, "docs/dependencies.md"));
  for (const name of Object.keys(imports)) {
    const shown = name.startsWith("@std/") ? "@std/…" : name.replace(/\/$/, "");
    assert(lines.includes(`\`${shown}\``), `${name} has no line in docs/dependencies.md`);
  }
});

Deno.test("links lead to files that exist, and from what is published to what is published", async () => {
  const inPackage = PUBLISHED.files;
  for (const file of DOCUMENTS) {
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
  const { files } = PUBLISHED;
  for (
    const file of [
      "README.md",
      "LICENSE",
      "weights/vgg16-imagenet200.wasm",
      "docs/architecture.svg",
    ]
  ) {
    assert(files.has(file), `${file} is not published`);
  }
  const others = [...files].filter((file) =>
    /^(tests|tools|\.|bench\/.*[^d]$|weights\/.*\/)|kernels\/.*structs|build\.ts|\.py$/.test(file)
  );
  assertEquals(others, []);
  for (const folder of packageFolders(toFileUrl(ROOT)).slice(1)) {
    const { name, files } = await publicationOf(folder, ["--no-check"]);
    const { file } = CATALOG.find((entry) => entry.package === name)!;
    const model = file!.split("/").at(-1)!.replace(/safetensors$/, "wasm");
    assertEquals([...files].sort(), ["LICENSE", "README.md", "deno.json", "mod.ts", model]);
  }
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

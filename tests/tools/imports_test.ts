import { assertEquals, assertStringIncludes } from "@std/assert";
import { toFileUrl } from "@std/path";
import {
  faultsOf,
  type Import,
  importsOf,
  modulesBelow,
  nodeFaultsOf,
  runtimeFaultsOf,
} from "../../tools/imports.ts";

const link = (from: string, to: string, isType = false): Import => ({ from, to, line: 1, isType });

/** Makes a project of some modules in a temporary folder, and checks its imports. */
async function faultsIn(
  modules: Readonly<Record<string, string>>,
  find: (imports: readonly Import[]) => string[] = faultsOf,
): Promise<string[]> {
  const folder = await Deno.makeTempDir();
  try {
    const root = toFileUrl(await Deno.realPath(folder) + "/");
    await Deno.writeTextFile(new URL("deno.json", root), "{}");
    for (const [path, source] of Object.entries(modules)) {
      await Deno.mkdir(new URL(".", new URL(path, root)), { recursive: true });
      await Deno.writeTextFile(new URL(path, root), source);
    }
    return find(await importsOf(root, [...modulesBelow(new URL("lib/", root))]));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("an import that the table does not have is a fault, where it is written", async () => {
  const faults = await faultsIn({
    "lib/io/hash.ts": `export const a = 1;\n\nexport { b } from "../model/model.ts";\n`,
    "lib/model/model.ts": `export const b = 2;\n`,
  });
  assertEquals(faults.length, 1);
  assertStringIncludes(faults[0], "lib/io/hash.ts:3 imports lib/model/model.ts");
});

Deno.test("a cycle is a fault, also one of types or of imports when something is called", async () => {
  const [fault, ...others] = await faultsIn({
    "lib/io/a.ts": `import type { B } from "./b.ts";\nexport type A = B;\n`,
    "lib/io/b.ts": `export type B = 1;\nexport const load = () => import("./a.ts");\n`,
  });
  assertEquals(others, []);
  assertEquals(fault, "A cycle: lib/io/a.ts -> lib/io/b.ts -> lib/io/a.ts");
});

Deno.test("what a browser loads imports nothing of Node's, by whatever way, unless it is called for", async () => {
  const modules = {
    "lib/main.ts": `import "./a.ts";\nimport type { B } from "./b.ts";\nexport type C = B;\n`,
    "lib/a.ts": `export const hash = () => import("node:crypto");\nexport * from "./c.ts";\n`,
    "lib/b.ts": `import "node:fs";\nexport type B = 1;\n`,
    "lib/c.ts": `import type { Worker } from "node:worker_threads";\nexport type D = Worker;\n`,
  };
  const faults = (more: Record<string, string>): Promise<string[]> =>
    faultsIn({ ...modules, ...more }, (imports) => nodeFaultsOf(imports, ["lib/main.ts"]));
  assertEquals(await faults({}), []);
  assertEquals(await faults({ "lib/c.ts": `\nexport { join } from "node:path";\n` }), [
    "lib/c.ts:2 imports node:path, which no browser has",
  ]);
});

Deno.test("imports the way that the rooms go are none", async () => {
  assertEquals(
    await faultsIn({
      "lib/errors.ts": "export class Lost extends Error {}\n",
      "lib/model/model.ts": `import "../errors.ts";\nexport type Model = 1;\n`,
      "lib/engine/engine.ts": `export type { Model } from "../model/model.ts";\n`,
      "lib/entries/all.ts": `export * from "../engine/engine.ts";\n`,
    }),
    [],
  );
});

Deno.test("some rooms may import the engine's types, and no more of it", () => {
  assertEquals(faultsOf([link("lib/input/views.ts", "lib/engine/engine.ts", true)]), []);
  assertEquals(faultsOf([link("lib/input/views.ts", "lib/engine/engine.ts")]).length, 1);
});

Deno.test("a room that is not in the table, and what lies outside lib/, are faults", () => {
  const faults = faultsOf([
    link("lib/misc/helpers.ts", "lib/errors.ts"),
    link("lib/io/hash.ts", "bench/measure.ts"),
  ]);
  assertEquals(faults.map((fault) => /misc is not|outside lib/.test(fault)), [true, true]);
});

Deno.test("a module that asks the runtime by itself is a fault, but not one that tells of it", () => {
  const source =
    "/** @throws {Deno.errors.NotFound} */\n// Deno.open\nconst file = Deno.open(path);\n";
  const [fault, ...others] = runtimeFaultsOf("lib/io/spool.ts", source);
  assertStringIncludes(fault, "lib/io/spool.ts:3");
  assertEquals(others, []);
  assertEquals(runtimeFaultsOf("lib/system/system.ts", source), []);
});

Deno.test("a module that writes to the console by itself is a fault", () => {
  const source = "// console.log\nconsole.error(label);\n";
  const [fault, ...others] = runtimeFaultsOf("lib/cli/classify.ts", source);
  assertStringIncludes(fault, "lib/cli/classify.ts:2 says console");
  assertEquals(others, []);
  assertEquals(runtimeFaultsOf("lib/cli/terminal.ts", source), []);
});

/** Small packages as npm's: names, TypeScript to JavaScript, and `package.json`. */

import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { npmImport } from "../../tools/npm/imports.ts";
import { packageJson } from "../../tools/npm/package_json.ts";
import { devTest } from "../support/dev_packages.ts";

const NEEDS = { file: fromFileUrl(import.meta.url), packages: ["typescript"] } as const;

// By variables, as these modules import a package that tests need only where all are wanted.
const COMPILE = "../../tools/npm/compile.ts", SPECIFIERS = "../../tools/npm/specifiers.ts";

/** What is used of them: a type of their own would bring the package into the lock. */
interface Compile {
  compile(root: string, sources: ReadonlyMap<string, string>, globals: string): {
    readonly files: ReadonlyMap<string, string>;
    readonly effects: readonly string[];
  };
}
interface Specifiers {
  mapSpecifiers(source: string, map: (specifier: string) => string): string;
}

const IMPORTS = {
  "@std/path": "npm:deno-std@1.4.0/path/mod.js",
  "@scope/name": "npm:@scope/name@1.0.0-rc.1",
  "folder/": "npm:/folder@2.0.0/",
  "loose": ["npm", "loose@^1.0.0"].join(":"),
};

Deno.test("npmImport() says by which name npm has what deno.json maps", () => {
  const specifiers = ["@std/path", "@scope/name", "folder/a/b.js"];
  assertEquals(specifiers.map((name) => Object.values(npmImport(name, IMPORTS))), [
    ["deno-std", "1.4.0", "deno-std/path/mod.js"],
    ["@scope/name", "1.0.0-rc.1", "@scope/name"],
    ["folder", "2.0.0", "folder/a/b.js"],
  ]);
  for (const name of ["missing", "loose"]) {
    assertThrows(() => npmImport(name, IMPORTS), Error, `Expected "${name}" as an exact package`);
  }
});

Deno.test("packageJson() has each entry with its types, exact versions, and modules with effects", () => {
  const config = { name: "@a/b", version: "1.2.3", license: "MIT" };
  const exports = { ".": "./mod.ts", "./x": "./lib/x.ts" };
  const imports = ["@std/path", "@scope/name"].map((name) => npmImport(name, IMPORTS));
  const written = JSON.parse(packageJson({ ...config, exports }, imports, ["x.js", "lib/a.js"]));
  assertEquals(written, {
    ...config,
    type: "module",
    exports: {
      ".": { types: "./mod.d.ts", default: "./mod.js" },
      "./x": { types: "./lib/x.d.ts", default: "./lib/x.js" },
    },
    sideEffects: ["./lib/a.js", "./x.js"],
    engines: { deno: ">=2.1.0", node: ">=22", bun: ">=1.4" },
    dependencies: { "@scope/name": "1.0.0-rc.1", "deno-std": "1.4.0" },
  });
  const program = { "./cli": "./cli.ts" };
  const { bin, sideEffects } = JSON.parse(packageJson({ ...config, exports: program }, [], []));
  assertEquals([bin, sideEffects], [{ vgg16: "./bin.js" }, ["./bin.js"]]);
  const one = JSON.parse(packageJson({ ...config, exports: "./mod.ts" }, [], []));
  assertEquals(Object.keys(one.exports), ["."]);
});

devTest("mapSpecifiers() finds all that a module imports, and no other text", NEEDS, async () => {
  const { mapSpecifiers }: Specifiers = await import(SPECIFIERS);
  const source = `import a, { type B } from "1";
import "2";
export * from "3";
export { c } from '4' with { type: "json" };
type D = import("5").D;
const e = () => import("6"), f = (name: string) => import(name);
const g = "1", h = new URL("1", import.meta.url); // import "1";
export const i = a;
`;
  const found: string[] = [];
  const mapped = mapSpecifiers(source, (specifier) => {
    found.push(specifier);
    return `./${specifier}.js`;
  });
  assertEquals(found, ["1", "2", "3", "4", "5", "6"]);
  const [head = "", tail = ""] = source.split('const g = "1"');
  assertEquals(mapped, head.replace(/["'](\d)["']/g, '"./$1.js"') + `const g = "1"${tail}`);
});

devTest(
  "compile() gives JavaScript without `using`, types, and who has effects",
  NEEDS,
  async () => {
    const { compile }: Compile = await import(COMPILE);
    const sources = new Map([
      ["a.ts", `import { b, type C } from "./lib/b.js";\nexport const a = (): C => b(2);\n`],
      [
        "lib/b.ts",
        `export type C = ReturnType<typeof b>;
/** Twice. */
export function b(n: number) {
  using held = new DisposableStack();
  held.defer(() => {});
  return { twice: 2 * n, where: import.meta.url };
}
`,
      ],
      ["lib/thread.ts", `import { b } from "./b.js";\nif (b(1).twice > 2) throw new Error();\n`],
    ]);
    const { files, effects } = compile("/project/", sources, "");
    assertEquals([...files.keys()].sort(), [
      ...["a.d.ts", "a.js", "lib/b.d.ts", "lib/b.js", "lib/thread.d.ts", "lib/thread.js"],
    ]);
    assertEquals(effects, ["lib/thread.js"]);
    assertMatch(files.get("a.js")!, /^import \{ b \} from "\.\/lib\/b\.js";$/m);
    assert(!/^ *using /m.test(files.get("lib/b.js")!));
    assertMatch(
      files.get("lib/b.d.ts")!,
      /\/\*\* Twice\. \*\/\nexport declare function b\(n: number\)/,
    );
    assertMatch(files.get("lib/b.d.ts")!, /twice: number;/);
    assertThrows(
      () => compile("/project/", new Map([["a.ts", "const = 1"]]), ""),
      Error,
      "/project/a.ts",
    );
  },
);

devTest("build:npm takes a folder, and no option for one", NEEDS, async () => {
  const tool = fromFileUrl(new URL("../../tools/build_npm.ts", import.meta.url));
  for (const args of [["--help"], ["somewhere", "else"]]) {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-lock",
        "--allow-read",
        "--allow-env",
        "--allow-sys",
        tool,
        ...args,
      ],
    }).output();
    assertEquals([code, stdout.length], [2, 0]);
    assertEquals(new TextDecoder().decode(stderr), "Usage: deno task build:npm [FOLDER]\n");
  }
});

import { assert, assertEquals, assertMatch } from "@std/assert";
import { dirname } from "@std/path";

const ROOT = new URL("../", import.meta.url);

/** What is no data, but makes it or tells of it. */
const NO_DATA = /\.(ts|py|mjs|md)$|\/requirements[\w-]*\.txt$/;
const PICTURE = /\.(png|jpe?g|gif|webp|avif|tiff?|bmp|heic|ico|svg)$/i;

interface Row {
  readonly path: string;
  readonly from: string;
  readonly license: string;
}

/** The files of a folder and of those in it, relative to the root. */
function* filesOf(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, ROOT))) {
    // What git does not have: its own folder, caches and packages.
    if (/^(\..*|node_modules|target)$/.test(name)) continue;
    if (isDirectory) yield* filesOf(`${folder}${name}/`);
    else yield `${folder}${name}`;
  }
}

const text = await Deno.readTextFile(new URL("NOTICE.md", import.meta.url));
const rows = [...text.matchAll(/^\| `([^`]+)` \| (.+) \| (.+) \| (.+) \|$/gm)].map(
  ([, path, , from, license]): Row => ({ path: path!, from: from!, license: license! }),
);
const files = [...filesOf("")].filter((path) =>
  /^tests\/(data|fixtures)\//.test(path) ? !NO_DATA.test(path) : PICTURE.test(path)
);

/** The row of a file, or that of the innermost folder. */
function rowOf(path: string): Row | undefined {
  return rows.filter((row) =>
    row.path === path || row.path.endsWith("/") && path.startsWith(row.path)
  )
    .toSorted((a, b) => b.path.length - a.path.length)[0];
}

Deno.test("every picture, data set and checkpoint has its origin and license in NOTICE.md", () => {
  assertEquals(files.filter((path) => rowOf(path) === undefined), []);
  for (const { license } of rows) {
    assertMatch(license, /^(CC0 1\.0|public domain( \(CC0 1\.0\))?|MIT(, .+)?|none is stated)$/);
  }
});

Deno.test("NOTICE.md has no row without a file", () => {
  const used = new Set(files.map(rowOf));
  assertEquals(rows.filter((row) => !used.has(row)).map(({ path }) => path), []);
  assertEquals(rows.length, new Set(rows.map(({ path }) => path)).size);
});

Deno.test("a row of NOTICE.md for a folder names the script that made it", () => {
  for (const { path, from } of rows.filter(({ path }) => path.endsWith("/"))) {
    const script = /^`([\w.]+)`/.exec(from)?.[1];
    const isThere = [path, `${dirname(path)}/`].some((folder) => exists(`${folder}${script}`));
    assert(script !== undefined && isThere, `${path}: no script ${script}`);
  }
});

function exists(path: string): boolean {
  try {
    return Deno.statSync(new URL(path, ROOT)).isFile;
  } catch {
    return false;
  }
}

/** What is written of dependencies, for some that do not exist. */

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { replaceTable } from "../../tools/dependencies.ts";
import type { Dependency } from "../../tools/dependencies/packages.ts";
import { PARTS, sbom } from "../../tools/dependencies/sbom.ts";
import { dependencyTable } from "../../tools/dependencies/table.ts";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => Deno.readTextFileSync(new URL(path, ROOT));

const ENTRIES = [".", "./cli", "./edge"];
const DEPENDENCIES: readonly Dependency[] = [
  { ...some("@x/inner"), needs: [], entries: [], bytes: 1_234_567, license: "BSD-2-Clause" },
  { ...some("deno-std"), needs: [], entries: ENTRIES },
  { ...some("h5wasm"), needs: ["@x/inner"], entries: [".", "./cli"] },
  { ...some("hyparquet-writer"), needs: ["@x/inner"], entries: ["./cli"] },
  { ...some("imagescript"), needs: [], entries: [] },
];

function some(name: string): Omit<Dependency, "needs" | "entries"> {
  const sha512 = new Uint8Array(64).fill(0xab).toBase64();
  return { name, version: "1.2.3", license: "MIT", bytes: 2000, sha512 };
}

Deno.test("the table says what each package is for, or who needs it, and which entries bring it", () => {
  const rows = dependencyTable(DEPENDENCIES, ENTRIES).trim().split("\n").slice(2);
  assertEquals(rows.map((row) => row.split("|").slice(3, 6).map((cell) => cell.trim())), [
    ["needed by `h5wasm`, `hyparquet-writer`", "all but `./edge`", "1235 kB"],
    ["`@std`: paths, CSV, pauses, ETags, HTML, bytes, closest words", "all", "2 kB"],
    ["Keras' HDF5 files", "all but `./edge`", "2 kB"],
    ["Parquet of `embed`", "`./cli`", "2 kB"],
    ["the GIF decoder that `deno task build:codecs` copies", "none", "2 kB"],
    ["", "", "1.2 MB"],
  ]);
  assertStringIncludes(rows[0]!, "| `@x/inner` | 1.2.3 | ");
  assertStringIncludes(rows[0]!, " | BSD-2-Clause |");
});

Deno.test("a package of which nobody knows what it is for is an error", () => {
  const stranger = { ...some("stranger"), needs: [], entries: ["."] };
  assertThrows(
    () => dependencyTable([...DEPENDENCIES, stranger], ENTRIES),
    Error,
    "stranger is in deno.lock: say in tools/dependencies/table.ts what it is for",
  );
});

Deno.test("the table takes the place between its comments, and nothing else", () => {
  const page = read("docs/dependencies.md");
  const begin = page.indexOf("<!-- `deno task"), end = page.indexOf("<!-- The end");
  const replaced = replaceTable(page, "| new |\n");
  assertEquals(replaced.slice(0, begin), page.slice(0, begin));
  assert(replaced.endsWith(page.slice(end)));
  assertEquals(replaced.slice(begin, -page.slice(end).length).split("\n").slice(1), [
    ...["", "| new |", "", ""],
  ]);
  assertThrows(() => replaceTable("no table", ""), Error, "Expected one table between");
});

const BILL = JSON.parse(
  sbom({ name: "@a/b", version: "4.5.6", license: "MIT" }, DEPENDENCIES, ["h5wasm", "deno-std"]),
);

Deno.test("the bill of materials has each package with its hash, and what needs what", () => {
  const inner = BILL.components[0];
  assertEquals(inner.purl, "pkg:npm/%40x/inner@1.2.3");
  assertEquals(inner.hashes, [{ alg: "SHA-512", content: "ab".repeat(64) }]);
  assertEquals(inner.licenses, [{ expression: "BSD-2-Clause" }]);
  const needs = Object.fromEntries(
    BILL.dependencies.map(({ ref, dependsOn }: { ref: string; dependsOn: string[] }) => [
      ref,
      dependsOn,
    ]),
  );
  assertEquals(needs["pkg:npm/h5wasm@1.2.3"], ["pkg:npm/%40x/inner@1.2.3"]);
  const own: string[] = needs["@a/b@4.5.6"];
  assertEquals(own.slice(0, 2), ["pkg:npm/h5wasm@1.2.3", "pkg:npm/deno-std@1.2.3"]);
  const refs = new Set(BILL.components.map((each: { "bom-ref": string }) => each["bom-ref"]));
  assertEquals(refs.size, DEPENDENCIES.length + PARTS.length);
  for (const ref of Object.values<string[]>(needs).flat()) assert(refs.has(ref), ref);
});

Deno.test("what is compiled in is what the notices and the pages name", () => {
  const notices = read("THIRD_PARTY_NOTICES.md");
  const headings = [...notices.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading).join(", ");
  const names = PARTS.map(({ name }) => name);
  for (const name of names) assertStringIncludes(headings, name);
  const versions = read("docs/decoders.md") + read("tools/codecs/requirements.txt");
  for (const { name, version, type } of PARTS) {
    if (type === "library") assertStringIncludes(versions, version, name);
  }
});

/**
 * Puts the page's files into a module, which comes with the code wherever that goes: `deno task build:page`.
 * With `--check` it writes nothing, and exits with 1 if the committed module differs.
 *
 * @module
 */

const PAGE = new URL("../lib/http/page/", import.meta.url);
const FILES = ["index.html", "page.js"];

const target = new URL("files.ts", PAGE);
const entries = FILES.map((name) =>
  `  // deno-fmt-ignore\n  "${name}": ${
    JSON.stringify(Deno.readTextFileSync(new URL(name, PAGE)))
  },\n`
);
const source = `// Made by \`deno task build:page\` from ${FILES.join(" and ")}. Do not edit.

/** The page's files, by their names. */
export const FILES = {
${entries.join("")}} as const;
`;
if (!Deno.args.includes("--check")) {
  await Deno.writeTextFile(target, source);
} else if (await Deno.readTextFile(target).catch(() => "") !== source) {
  console.error("lib/http/page/files.ts is not what its files are: deno task build:page");
  Deno.exitCode = 1;
}

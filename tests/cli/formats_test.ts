/** What programs read of commands: documents, lines and columns, as docs/entries/cli.md has them. */

import { assert, assertEquals } from "@std/assert";
import { parse } from "@std/csv";
import { fromFileUrl, join } from "@std/path";
import { CIFAR10_FILE } from "../support/cifar10.ts";
import { withFiles } from "../support/files.ts";
import { blocksOf, commandsOf } from "../support/markdown.ts";
import { runCli } from "../support/run_cli.ts";

const read = (path: string): Promise<Uint8Array> =>
  Deno.readFile(fromFileUrl(new URL(`../${path}`, import.meta.url)));
const CAT = await read("data/photos/cat.png");
const PAGE = await Deno.readTextFile(new URL("../../docs/entries/cli.md", import.meta.url));

/** The names in code of a cell. */
const namesIn = (cell: string): string[] =>
  [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
/** The table of keys and columns, by command. */
const TABLE = new Map(
  PAGE.slice(PAGE.indexOf("| keys of a result |")).split("\n\n")[0]!.split("\n").slice(2)
    .map((row) => row.split("|").slice(1, -1).map(namesIn))
    .map(([command, keys, columns]) => [command![0]!, { keys: keys!, columns: columns! }]),
);

const FILES = {
  "p/cat.png": CAT,
  "p/copy.png": CAT,
  "p/broken.png": "no picture",
  "m.safetensors": await Deno.readFile(CIFAR10_FILE),
};

const M = ["--model", "m.safetensors", "--backend", "wasm"];
const LINES: Readonly<Record<string, readonly string[]>> = {
  classify: ["p", ...M],
  explain: ["p", "--out-dir", "maps", "--force", ...M],
  embed: ["p", "--layer", "pool5", "--pooling", "avg", ...M],
  similar: ["p", "p/cat.png", "p/broken.png", "--index", "i", ...M],
  duplicates: ["p", "--index", "i", ...M],
  profile: ["--runs", "1", ...M],
};

for (const [command, args] of Object.entries(LINES)) {
  Deno.test(`${command} prints a document, lines and columns, as the page says`, () =>
    withFiles(FILES, async (folder) => {
      const { keys, columns } = TABLE.get(command)!;
      const hasFailure = !["duplicates", "profile"].includes(command);
      const run = async (form: string): Promise<string> => {
        const { code, stdout, stderr } = await runCli([command, ...args, form], { cwd: folder });
        assertEquals(code, command === "profile" ? 0 : 1, stderr);
        return stdout;
      };
      const { results, ...settings } = JSON.parse(await run("--json"));
      const [head, ...lines] = (await run("--jsonl")).trimEnd().split("\n").map((l) =>
        JSON.parse(l)
      );
      assertEquals(head, settings);
      assertEquals([head.program, head.precision], [`vgg16 ${command}`, "int8"]);
      for (const key of ["version", "model", "sha256"]) assert(head[key], key);
      const keysOf = (record: object): string[] => Object.keys(record);
      for (const record of [...results, ...lines]) {
        if ("error" in record) {
          assertEquals(keysOf(record), ["file", "error"]);
          assertEquals([record.error.code, record.error.retryable], ["image-format", false]);
          assertEquals(keysOf(record.error), ["code", "retryable", "message"]);
        } else assertEquals(keysOf(record), keys);
      }
      const failed = lines.filter((record) => "error" in record);
      assertEquals(failed.length, hasFailure ? 1 : 0);
      for (const [form, separator] of [["--csv", ","], ["--tsv", "\t"]] as const) {
        const rows: string[][] = parse(await run(form), { separator });
        const shown = rows[0]!.filter((name) => !/^v[1-9]\d*$/.test(name));
        assertEquals(shown, columns);
        assert(rows.length > 1 && rows.every(({ length }) => length === rows[0]!.length), form);
        const errors = rows.slice(1).filter((row) => row[columns.indexOf("error")]);
        assertEquals(errors.length, hasFailure ? 1 : 0);
      }
      await Deno.remove(join(folder, "maps"), { recursive: true }).catch(() => {});
    }));
}

Deno.test("the page shows what classify --json prints", async () => {
  const isShown = ({ kind, text }: { kind: string; text: string }): boolean =>
    kind === "sh" && text.includes("classify --json");
  const [{ command, shown }] = commandsOf(blocksOf(PAGE).find(isShown)!.text) as [
    { command: string; shown: string },
  ];
  const [deno, run, ...words] = command.split(" "), at = words.indexOf("cli.ts");
  assertEquals([deno, run], ["deno", "run"]);
  const { stdout } = await runCli(words.slice(at + 1), {
    permissions: words.slice(0, at),
    cwd: fromFileUrl(new URL("../../", import.meta.url)),
  });
  assertEquals(stdout.trimEnd(), shown);
});

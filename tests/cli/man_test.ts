/** The manual page: mandoc finds no fault in it, and shows every command and option. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { flagName } from "../../lib/options.ts";
import { COMMANDS } from "../../lib/cli/commands.ts";
import { devTest } from "../support/dev_packages.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));

async function outputOf(command: string, args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args, cwd: ROOT }).output();
  const text = new TextDecoder().decode(stdout);
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""], text);
  return text;
}

const manual = (): Promise<string> =>
  outputOf(Deno.execPath(), ["run", "--no-prompt", "cli.ts", "man"]);

Deno.test("man prints a page of plain lines, with a section for each command", async () => {
  const lines = (await manual()).trimEnd().split("\n");
  assertMatch(lines[0]!, /^\.TH VGG16 1 "\d{4}-\d\d-\d\d" "vgg16 [\d.]+" "User Commands"$/);
  const sections = lines.filter((line) => line.startsWith(".SS ")).map((line) => line.slice(4));
  assertEquals(sections, Object.keys(COMMANDS));
  assertEquals(lines.filter((line) => !/^[\x20-\x7e]{1,200}$/.test(line)), []);
  const requests = new Set(lines.flatMap((line) => line.match(/^[.'][^ ]*/) ?? []));
  const known = [".TH", ".SH", ".SS", ".PP", ".TP", ".br", ".nf", ".fi", ".RS", ".RE"];
  assertEquals([...requests].filter((request) => !known.includes(request)), []);
});

devTest("mandoc finds no fault in the manual, and shows all options of all commands", {
  file: import.meta.url,
  programs: { mandoc: "mandoc" },
}, async () => {
  const page = await Deno.makeTempFile({ suffix: ".1" });
  try {
    await Deno.writeTextFile(page, await manual());
    assertEquals(await outputOf("mandoc", ["-T", "lint", "-W", "style", page]), "");
    // Without what a terminal takes for bold and for underlined: a sign, a step back, and a sign.
    const struck = new RegExp(`.${String.fromCharCode(8)}`, "g");
    const shown = (await outputOf("mandoc", ["-T", "utf8", "-O", "width=200", page]))
      .replaceAll(struck, "");
    for (const [name, { load }] of Object.entries(COMMANDS)) {
      const [, section] = shown.split(new RegExp(`^ +${name}$`, "m"));
      assert(section !== undefined, name);
      for (const option of Object.keys((await load()).options)) {
        assertMatch(section, new RegExp(`--(no-|\\[no-\\])?${flagName(option)}\\b`), name);
      }
    }
    assertStringIncludes(shown, "conv1_1 … conv5_3");
    assertStringIncludes(shown, '"none of these"');
  } finally {
    await Deno.remove(page);
  }
});

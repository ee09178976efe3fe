/** The completions, as bash, zsh and fish themselves understand them. */

import { assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { bashCompletions } from "../../lib/cli/completions/bash.ts";
import { fishCompletions } from "../../lib/cli/completions/fish.ts";
import { type CompletedProgram, programOf } from "../../lib/cli/completions/program.ts";
import { zshCompletions } from "../../lib/cli/completions/zsh.ts";
import { COMMANDS } from "../../lib/cli/commands.ts";
import { CATALOG } from "../../lib/model/catalog.ts";
import { devTest } from "../support/dev_packages.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const ZSH = fromFileUrl(new URL("shells/zsh.zsh", import.meta.url));
const IDS = CATALOG.map(({ id }) => id);

/** What is typed, and all that is offered then. Every shell offers folders with files, as a way into them. */
const CASES: readonly (readonly [typed: string, offered: readonly string[]])[] = [
  ["cl", ["classify"]],
  ["co", ["completions", "convert"]],
  ["help ev", ["evaluate"]],
  ["completions ", ["bash", "fish", "zsh"]],
  ["classify --cro", ["--crops"]],
  ["classify --no", ["--no-flip"]],
  ["classify --crops d", ["dense", "dense+multi"]],
  ["classify --crops=d", ["dense", "dense+multi"]],
  ["classify -k ", []],
  ["classify --threads ", ["auto"]],
  ["classify -m m", ["mine.safetensors"]],
  ["classify --model vgg16-k", ["vgg16-keras", "vgg16-keras-features"]],
  ["explain --out-dir ", ["sub dir/"]],
  ["duplicates ", ["sub dir/"]],
  ["fit --out ", ["a b.PNG", "cat.jpg", "mine.safetensors", "notes.txt", "sub dir/"]],
  ["pull ", IDS],
  ["models vgg11-t", ["vgg11-torchvision"]],
  ["models ", [...IDS, "info", "remove"]],
];

/** Asks a shell in a folder with some files, which has the completions in a file. */
async function inFolder(
  made: (program: CompletedProgram) => string[],
  offers: (script: string, folder: string, typed: readonly string[]) => Promise<string[][]>,
  more: readonly (readonly [typed: string, offered: readonly string[]])[],
): Promise<void> {
  const folder = await Deno.makeTempDir(), script = await Deno.makeTempFile();
  try {
    for (const name of ["a b.PNG", "cat.jpg", "mine.safetensors", "notes.txt"]) {
      await Deno.writeTextFile(join(folder, name), "");
    }
    await Deno.mkdir(join(folder, "sub dir"));
    await Deno.writeTextFile(script, made(await programOf("vgg16", COMMANDS)).join("\n") + "\n");
    const cases = [...CASES, ...more];
    const found = await offers(script, folder, cases.map(([typed]) => `vgg16 ${typed}`));
    for (const [n, [typed, offered]] of cases.entries()) {
      assertEquals(found[n]!.sort(), [...offered].sort(), typed);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
    await Deno.remove(script);
  }
}

async function outputOf(command: string, args: string[], stdin = ""): Promise<string> {
  const process = new Deno.Command(command, {
    args,
    env: { LC_ALL: "C.UTF-8" },
    ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(stdin));
  await writer.close();
  const { stdout, stderr } = await process.output();
  assertEquals(new TextDecoder().decode(stderr), "");
  return new TextDecoder().decode(stdout);
}

/** Splits as bash does, which takes the = for a word. */
function wordsOf(typed: string): string[] {
  return typed.replace("=", " = ").split(" ");
}

Deno.test("bash completes commands, options and values", async () => {
  await inFolder(bashCompletions, async (script, folder, typed) => {
    const calls = typed.map((line) => {
      const words = wordsOf(line).map((word) => `'${word}'`).join(" ");
      return `COMP_WORDS=(${words}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _vgg16
        for word in "\${COMPREPLY[@]}"; do [[ -d $word ]] && word+=/; echo "$word"; done; echo .`;
    });
    const text = `cd '${folder}'; source '${script}'; complete -p vgg16\n${calls.join("\n")}`;
    const [registered, ...lines] = (await outputOf("bash", ["--norc", "-c", text])).split("\n");
    assertEquals(registered, "complete -F _vgg16 vgg16");
    return lines.join("\n").split(/^\.\n/m).map((part) => part.split("\n").filter(Boolean));
  }, [
    ["classify ", ["a b.PNG", "cat.jpg", "sub dir/"]],
    ["-", ["--help", "--version"]],
  ]);
});

devTest("zsh completes commands, options and values", {
  file: import.meta.url,
  programs: { zsh: "zsh" },
}, async () => {
  await inFolder(zshCompletions, async (script, folder, typed) => {
    const said = await outputOf("zsh", ["-f", ZSH, script, folder], typed.join("\n") + "\n");
    return said.split("<END>").slice(0, -1).map((part) => {
      const lines = part.replaceAll("\r", "\n").split("\n").map((line) => line.trimEnd());
      const start = lines.findLastIndex((line, n) => n < lines.length - 1 && /vgg16 /.test(line));
      const shown = lines.slice(start + 1, -1).map((line) => line.replace(/ +-- .*/, ""));
      return shown.flatMap((line) => line.split(/ {2,}/)).filter(Boolean)
        .map((word) => word.replaceAll("\\", ""));
    });
  }, [["classify ", ["a b.PNG", "cat.jpg", "sub dir/"]]]);
});

devTest("fish completes commands, options and values", {
  file: import.meta.url,
  programs: { fish: "fish" },
}, async () => {
  await inFolder(fishCompletions, async (script, folder, typed) => {
    const calls = typed.map((line) => `complete -C '${line}'; echo .`).join("\n");
    const said = await outputOf("fish", [
      ...["--no-config", "-c", `cd '${folder}'; source '${script}'\n${calls}`],
    ]);
    return said.split(/^\.\n/m).map((part) =>
      part.split("\n").filter(Boolean).map((line) => line.replace(/\t.*/, ""))
        // Of `--crops=d` it gives the whole word.
        .map((word) => word.replace(/^--crops=/, ""))
    );
  }, [
    // Other files come after those with the right endings.
    ["classify ", ["a b.PNG", "cat.jpg", "mine.safetensors", "notes.txt", "sub dir/"]],
  ]);
});

Deno.test("completions prints the script of a shell, for the name that the program has", async () => {
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "cli.ts", "completions", ...args],
      cwd: ROOT,
    }).output();
    return { code, text: new TextDecoder().decode(stdout.length > 0 ? stdout : stderr) };
  };
  const program = await programOf("vgg16", COMMANDS);
  assertEquals((await run("bash")).text, bashCompletions(program).join("\n") + "\n");
  assertEquals((await run("zsh")).text, zshCompletions(program).join("\n") + "\n");
  assertEquals((await run("fish")).text, fishCompletions(program).join("\n") + "\n");
  const wrong = await run("tcsh");
  assertEquals(wrong.code, 2);
  assertMatch(wrong.text, /completions needs one of bash, zsh and fish: found tcsh/);
  const other = await programOf("my-vgg", COMMANDS);
  assertMatch(bashCompletions(other).join("\n"), /^complete -F _my_vgg my-vgg$/m);
  assertMatch(zshCompletions(other)[0]!, /^#compdef my-vgg$/);
});

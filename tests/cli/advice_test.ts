/** What is said of a command line that is wrong, or lacks a permission: a command to paste, which works. */

import { assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { commandHelp } from "../../lib/cli/command_help.ts";
import { COMMANDS } from "../../lib/cli/commands.ts";
import { programHelp } from "../../lib/cli/help.ts";
import { missingPermission } from "../../lib/cli/missing_permission.ts";
import { isModule, placeOf, quoted } from "../../lib/cli/program_name.ts";
import { CIFAR10 } from "../support/cifar10.ts";
import { importMap, registry } from "../support/registry.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const CAT = "tests/data/photos/cat.png";

interface Said {
  readonly code: number;
  readonly out: string;
  readonly errors: readonly string[];
}

/** Runs a command as a shell does; one that wants more permissions is refused, and not asked for. */
async function sh(command: string, cwd = ROOT): Promise<Said> {
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", command.replaceAll("deno run", `${quoted(Deno.execPath())} run --no-prompt`)],
    cwd,
    // Without an adapter, of which Mesa's drivers would speak.
    env: { NO_COLOR: "1", VK_DRIVER_FILES: "/dev/null" },
  }).output();
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out: out!, errors: errors!.split("\n").filter((line) => !line.includes("XDG_")) };
}

/** The command after `Run: ` or `Try: `. */
function adviceOf({ errors }: Said): string {
  const [, command] = errors.map((line) => /^(?:Run|Try): (.*)$/.exec(line)).find(Boolean) ?? [];
  return command ?? `none: ${errors.join("\n")}`;
}

Deno.test("a missing permission is named in words, and the command with it is printed", async () => {
  const folder = await Deno.makeTempDir();
  const out = join(folder, "it's here.jsonl");
  await using host = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async () => new Response(await Deno.readFile(join(ROOT, CAT))),
  );
  const address = `127.0.0.1:${host.addr.port}`, url = `http://${address}/cat.png`;
  const words = ["classify", CAT, "--model", CIFAR10], line = words.join(" ");
  try {
    for (
      const [given, asked, error, advised] of [
        [
          `deno run --allow-read cli.ts ${line} --out "${out}"`,
          `deno run --allow-read --allow-write cli.ts ${line} --out ${quoted(out)}`,
          `error: this needs to write to ${out}`,
        ],
        [
          `deno run cli.ts ${line} -k 2`,
          `deno run --allow-read cli.ts ${line} -k 2`,
          /^error: this needs to read \S+\.safetensors$/,
        ],
        [
          `deno run --allow-read=weights,lib --allow-sys cli.ts ${line}`,
          `deno run --allow-read --allow-sys cli.ts ${line}`,
          `error: ${CAT}: this needs to read ${CAT}`,
        ],
        [
          `deno run --allow-read=weights,lib --allow-write=${folder} cli.ts ${line} --out "${out}"`,
          `deno run --allow-read --allow-write cli.ts ${line} --out ${quoted(out)}`,
          /^error: this needs to read /,
        ],
        [
          `deno run --allow-read cli.ts classify ${url}`,
          `deno run --allow-read --allow-net cli.ts classify ${url}`,
          `error: ${url}: this needs to reach ${address}`,
        ],
        [
          `deno run --allow-read cli.ts ${line} --out "${out}" --allow-write`,
          `deno run --allow-read --allow-write cli.ts ${line} --out ${quoted(out)}`,
          "error: --allow-write is an option of Deno's: it goes before the program",
          2,
        ],
      ] as const
    ) {
      const said = await sh(given);
      assertEquals(adviceOf(said), asked);
      assertEquals(said.code, advised ?? 1);
      if (typeof error === "string") assertEquals(said.errors[0], error);
      else assertMatch(said.errors[0]!, error);
      const again = await sh(adviceOf(said));
      assertEquals([again.code, again.errors.join("")], [0, ""], asked);
    }
    const root = await sh(`deno run --allow-read cli.ts classify http://${address}`);
    assertEquals(
      adviceOf(root),
      `deno run --allow-read --allow-net cli.ts classify http://${address}`,
    );
    // A password and a key are not repeated.
    const secret = await sh(
      `deno run --allow-read cli.ts classify 'http://a:b@${address}/c?key=d'`,
    );
    assertEquals(adviceOf(secret), "deno run --allow-read --allow-net cli.ts classify ...");
    const models = await sh("deno run --allow-read cli.ts models");
    assertMatch(
      models.errors[0]!,
      /^error: this needs to read the variable (VGG16_CACHE_DIR|HOME)$/,
    );
    assertEquals(adviceOf(models), "deno run --allow-read --allow-env cli.ts models");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("whoever mistypes a command, or a path for one, gets what was meant", async () => {
  for (
    const [typed, meant] of [
      [`clasify ${CAT} -k 1`, `classify ${CAT} -k 1`],
      [`predict '${CAT}'`, `classify ${CAT}`],
      [`${CAT} --json`, `classify ${CAT} --json`],
      ["nonsense", "--help"],
      ["help nonsense", "--help"],
      ["--top-k 3", "--help"],
      ["classify --topkk 3", "classify --help"],
    ] as const
  ) {
    const said = await sh(`deno run --allow-read cli.ts ${typed}`);
    assertEquals([said.code, said.out], [2, ""], typed);
    assertEquals(adviceOf(said), `deno run --allow-read cli.ts ${meant}`);
    const again = await sh(adviceOf(said));
    assertEquals([again.code, again.errors.join("")], [0, ""], meant);
  }
});

Deno.test("help is the same however it is asked for, and wins over what is wrong", async () => {
  const all = await sh("deno run --allow-read cli.ts --help");
  const one = await sh("deno run --allow-read cli.ts classify --help");
  assertEquals([all.code, one.code], [0, 0]);
  assertEquals(one.out.split("\n")[0], "Says which label each picture gets.");
  for (const form of ["-h", "help"]) {
    assertEquals((await sh(`deno run --allow-read cli.ts ${form}`)).out, all.out);
  }
  for (const form of ["classify -h", "help classify", "classify --typo -k x --help"]) {
    assertEquals((await sh(`deno run --allow-read cli.ts ${form}`)).out, one.out);
  }
});

Deno.test("help of all commands fits 80 columns, and has examples", async () => {
  const all = Object.entries(COMMANDS).map(async ([name, info]) =>
    commandHelp(await info.load(), name, info)
  );
  for (const lines of [programHelp(), ...await Promise.all(all)]) {
    assertEquals(lines.filter((line) => [...line].length > 80), []);
    assertEquals(lines.includes("Examples"), true, lines[0]);
  }
});

Deno.test("the program is named by where it lies", async () => {
  const folder = await Deno.makeTempDir();
  const cli = join(ROOT, "cli.ts");
  try {
    for (const [cwd, place] of [[ROOT, "cli.ts"], [folder, cli], [join(ROOT, "lib"), cli]]) {
      const { out } = await sh(`deno run --allow-read ${quoted(cli)} --help`, cwd);
      assertMatch(out, new RegExp(`^Usage: deno run --allow-read ${place} COMMAND`, "m"));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a program from a registry is named by it", async () => {
  const jsr = new URL("https://jsr.io/@edge/vgg16/0.1.0/cli.ts");
  assertEquals(placeOf(jsr), "jsr:@edge/vgg16@0.1.0/cli");
  assertEquals(placeOf(new URL("https://x.example/a/cli.ts")), "https://x.example/a/cli.ts");
  const words = ["jsr:@edge/vgg16/cli", "jsr:@edge/vgg16@^0.1.0/cli", "jsr:@edge/vgg16/serve"];
  assertEquals(words.map((word) => isModule(word, jsr)), [true, true, false]);
  await using server = registry();
  const url = `http://127.0.0.1:${server.addr.port}`;
  const map = await Deno.makeTempFile({ suffix: ".json" });
  try {
    await Deno.writeTextFile(map, await importMap());
    // The port may have been another test's.
    const options = `--no-lock --reload=${url} --allow-import --config ${map} --allow-read`;
    const { out } = await sh(`deno run ${options} ${url}/cli.ts classify -h`);
    // A long command goes on in the next line.
    const usage = out.replaceAll(/ \\\n +/g, " ").split("\n").find((line) => /^Usage/.test(line));
    assertEquals(
      usage?.startsWith(`Usage: deno run --allow-read ${url}/cli.ts classify `),
      true,
      out,
    );
  } finally {
    await Deno.remove(map);
  }
});

Deno.test("missingPermission() knows what Deno says, also of the cause", () => {
  const said = (message: string): string | undefined =>
    missingPermission(new Deno.errors.NotCapable(message))?.message;
  const flag = "run again with the --allow-x flag";
  assertEquals(said(`Requires env access, ${flag}`), "this needs env access");
  assertEquals(said(`Requires env access to "A", ${flag}`), "this needs to read the variable A");
  assertEquals(
    said(`Requires write access to <TMP>, ${flag}`),
    "this needs to write to the folder for temporary files",
  );
  assertEquals(said(`Requires read access to "a" b", ${flag}`), 'this needs to read a" b');
  const cause = new Deno.errors.NotCapable(`Requires net access to "x:1", ${flag}`);
  const outer = new Error("Cannot pull", { cause });
  assertEquals(missingPermission(outer)?.flag, "--allow-net");
  assertEquals(missingPermission(new Error(`Requires net access to "x:1", ${flag}`)), undefined);
  assertEquals(missingPermission(new Deno.errors.PermissionDenied("os error 13")), undefined);
});

Deno.test("quoted() is one word for a shell, whatever it is", async () => {
  for (const word of ["a", "a b", "it's", "", "$HOME", "a\nb", "*", "~", '"', "a;b", "é", "-x=1"]) {
    const { out } = await sh(`printf %s ${quoted(word)}`);
    assertEquals(out, word);
  }
});

import { assertEquals } from "@std/assert";
import { areSame, recipeOf } from "../../tools/fixtures.ts";

const FIXTURES = new URL("../fixtures/", import.meta.url);
/** Of which no version was written down when the files were made. */
const NOT_RECORDED = ["numpy", "safetensors", "sounddevice"];

function* scripts(folder: URL): Generator<URL> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) yield* scripts(new URL(`${name}/`, folder));
    else if (/^(make|train).*\.py$/.test(name)) yield new URL(name, folder);
  }
}

Deno.test("each script that makes fixtures says which versions of which tools it needs", () => {
  for (const script of scripts(FIXTURES)) {
    const head = Deno.readTextFileSync(script).split('"""')[1] ?? "";
    if (/no packages|Debian \d+: /.test(head)) continue;
    const installs = [
      ...head.matchAll(/pip install (?:--no-deps )?(.*?)(?=&&|;| {2,}|\(|#|\n|$)/g),
    ];
    const packages = installs.flatMap(([, text]) => text!.trim().split(/\s+/));
    const loose = packages.filter((name) => !/[=<]/.test(name) && !NOT_RECORDED.includes(name));
    assertEquals([packages.length > 0, loose], [true, []], script.pathname);
  }
});

Deno.test("a recipe is what a script says at its top", () => {
  const source = '"""Makes it.\n\n    pip install a==1 b==2\n    python3 make.py > it.json\n"""\n';
  assertEquals(recipeOf(source), { packages: ["a==1", "b==2"], prints: "it.json" });
  assertEquals(recipeOf('"""Python 3.11, no packages."""'), { packages: [], prints: undefined });
});

Deno.test("fixtures are the same up to the last digits of numbers, and to dates", async () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const same = (name: string, a: string, b: string) => areSame(name, bytes(a), bytes(b));
  assertEquals(await same("a.json", '{"x":[0.1,"t"]}', '{"x":[0.1000000000001,"t"]}'), true);
  for (const other of ['{"x":[0.1001,"t"]}', '{"x":[0.1]}', '{"x":[0.1,"u"]}', '{"y":[0.1,"t"]}']) {
    assertEquals(await same("a.json", '{"x":[0.1,"t"]}', other), false, other);
  }
  assertEquals(await same("a.txt", "0.1", "0.1000000000001"), false);
  const date = (text: string) => text.padEnd(116) + "contents";
  assertEquals(await same("a.mat", date("Monday"), date("Tuesday")), true);
  assertEquals(await same("a.mat", date("Monday"), `${date("Monday")}!`), false);
});

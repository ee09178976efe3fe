import { assertEquals } from "@std/assert";
import { toFileUrl } from "@std/path";
import { programFaults } from "../tools/programs.ts";

const ROOT = new URL("../", import.meta.url);
const PROGRAMS = [...Deno.readDirSync(new URL("programs/", import.meta.url))];

for (const { name } of PROGRAMS) {
  Deno.test(`the program ${name} does what its types promise`, async () => {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--allow-all", `tests/programs/${name}`],
      cwd: ROOT,
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
  });
}

Deno.test("what the strictest compiler says of a program is found, and of the library is not", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const root = toFileUrl(await Deno.realPath(folder) + "/");
    await Deno.mkdir(new URL("programs", root));
    await Deno.writeTextFile(
      new URL("deno.json", root),
      '{"name":"@a/b","exports":{".":"./mod.ts"}}',
    );
    const loose = "export const a = (x: string[]): string => x[0];\n";
    await Deno.writeTextFile(new URL("mod.ts", root), loose);
    await Deno.writeTextFile(new URL("programs/good.ts", root), 'import "@a/b";\n');
    assertEquals(await programFaults(root, "programs"), []);
    const wrong = "export const a: { b?: string } = { b: undefined };\n" + loose.replace("a", "c");
    await Deno.writeTextFile(new URL("programs/wrong.ts", root), wrong);
    const faults = await programFaults(root, "programs");
    assertEquals(faults.map(({ path, line }) => [path, line]), [
      ["programs/wrong.ts", "1"],
      ["programs/wrong.ts", "2"],
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { toFileUrl } from "@std/path";
import { uncheckedReads } from "../../tools/indexed.ts";

/** Makes a project of some modules in a temporary folder, and checks its reads. */
async function readsIn(modules: Readonly<Record<string, string>>) {
  const folder = await Deno.makeTempDir();
  try {
    const root = toFileUrl(await Deno.realPath(folder) + "/");
    await Deno.writeTextFile(new URL("deno.json", root), "{}");
    for (const [path, source] of Object.entries(modules)) {
      await Deno.mkdir(new URL(".", new URL(path, root)), { recursive: true });
      await Deno.writeTextFile(new URL(path, root), source);
    }
    return await uncheckedReads(root);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const UNCHECKED = "export const first = (items: string[]): string =>\n  items[0];\n";

Deno.test("a read that may give undefined is found, where it is written", async () => {
  const [read, ...others] = await readsIn({ "lib/model/labels.ts": UNCHECKED });
  assertEquals(others, []);
  assertEquals([read.path, read.line, read.isNumeric], ["lib/model/labels.ts", "2", false]);
  assertStringIncludes(read.message, "'string | undefined' is not assignable");
});

Deno.test("reads in loops over numbers are told apart, and checked ones are none", async () => {
  const reads = await readsIn({
    "lib/convert/quantize/any.ts": UNCHECKED,
    "lib/model/labels.ts": UNCHECKED.replace("items[0]", 'items[0] ?? ""'),
  });
  assertEquals(reads.map(({ path, isNumeric }) => [path, isNumeric]), [
    ["lib/convert/quantize/any.ts", true],
  ]);
});

Deno.test("a project that cannot be checked at all is no clean one", async () => {
  const broken = { "lib/model/labels.ts": "export const = 1;\n" };
  await assertRejects(() => readsIn(broken), Error, "labels.ts");
});

import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { applied, type ChosenMutant, chosenMutants } from "../../tools/chosen_mutants.ts";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string): string => Deno.readTextFileSync(new URL(path, ROOT));

Deno.test("each chosen mutant fits its file once, and has a test that is there", async () => {
  const mutants = await chosenMutants();
  assert(mutants.length > 100);
  for (const mutant of mutants) {
    assertNotEquals(applied(read(mutant.file), mutant), read(mutant.file));
    const source = read(mutant.test), { filter } = mutant;
    // A filter that no name has would run no test. What follows a colon may be made as the file is read.
    const [words = ""] = filter?.split(":") ?? [];
    assert(source.includes(words), `${mutant.test} has no "${words}"`);
  }
  const places = mutants.map(({ file, before, after }) => [file, before, after].join("\0"));
  assertEquals(new Set(places).size, mutants.length);
});

Deno.test("a mutant whose text is gone, there twice or not changed is told by its name", () => {
  const mutant: ChosenMutant = {
    ...{ name: "no limit", file: "a.ts", test: "a_test.ts" },
    ...{ before: "if (x)", after: "if ($&)" },
  };
  assertEquals(applied("if (x) y();", mutant), "if ($&) y();");
  for (const source of ["", "if (y)", "if (x) if (x)"]) {
    assertThrows(() => applied(source, mutant), Error, 'The mutant "no limit" fits a.ts');
  }
  assertThrows(() => applied("if (x)", { ...mutant, after: "if (x)" }), Error, "no limit");
});

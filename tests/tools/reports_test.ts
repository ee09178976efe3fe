import { assertEquals } from "@std/assert";
import { linesOf, removeCutOff } from "../../tools/coverage.ts";
import { slowestOf } from "../../tools/slowest.ts";

Deno.test("the slowest tests and files of a report come first", () => {
  const report = `<testsuites><testsuite name="./tests/a_test.ts">
    <testcase name="one &quot;word&quot;" classname="./tests/a_test.ts" time="0.500" line="1" col="6"/>
    <testcase name="two" classname="./tests/a_test.ts" time="2.000" line="2" col="6"/>
    <testcase name="three" classname="./tests/b_test.ts" time="1.500" line="1" col="6"/>`;
  const { tests, files } = slowestOf(report);
  assertEquals(tests.map(({ name }) => name), ["two", "three", 'one "word"']);
  assertEquals(files.map(({ file, seconds }) => [file, seconds]), [
    ["tests/a_test.ts", 2.5],
    ["tests/b_test.ts", 1.5],
  ]);
});

Deno.test("a report of coverage gives each file's lines", () => {
  const report = "SF:/p/lib/a.ts\nDA:1,5\nDA:2,0\nLH:1\nLF:2\nend_of_record\n" +
    "SF:/p/lib/b.ts\nLH:0\nLF:0\nend_of_record\n";
  assertEquals([...linesOf(report)], [
    ["/p/lib/a.ts", { hit: 1, found: 2 }],
    ["/p/lib/b.ts", { hit: 0, found: 0 }],
  ]);
});

Deno.test("what a killed process has written of its coverage is left out", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const texts = {
      "whole.json": '{\n  "functions": []\n}',
      "empty.json": "",
      "cut.json": '{\n  "functions": [\n    {}',
      "x.txt": "",
    };
    for (const [name, text] of Object.entries(texts)) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    await removeCutOff(folder);
    const left = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
    assertEquals(left.sort(), ["whole.json", "x.txt"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

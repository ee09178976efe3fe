import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { deal, judged, outcomeOf, testFiles } from "../../tools/test.ts";

Deno.test("test files are found in folders, but in those that are ignored", () => {
  const all = testFiles(["tests"], []);
  assert(all.includes("tests/tools/test_test.ts") && all.includes("tests/abort_test.ts"));
  assertEquals(all.filter((file) => !/^tests\/.*_test\.ts$/.test(file)), []);
  const others = testFiles(["tests", "tests/tools/test_test.ts"], ["tests/tools/", "tests/abort"]);
  assertEquals(others, all.filter((file) => !file.startsWith("tests/tools/")));
  assertEquals(testFiles(["tests/abort_test.ts"], []), ["tests/abort_test.ts"]);
});

Deno.test("each file is dealt once, and the last ones are dealt singly", () => {
  const files = Array.from({ length: 307 }, (_, n) => `${n}_test.ts`);
  for (const jobs of [1, 2, 4]) {
    const waiting = [...files], hands: string[][] = [];
    while (waiting.length > 0) hands.push(deal(waiting, jobs));
    assertEquals(hands.flat(), files);
    assert(hands.every(({ length }) => length > 0 && length <= 16));
    assertEquals(hands.slice(-jobs).map(({ length }) => length), Array(jobs).fill(1));
  }
});

Deno.test("a process that fails is a failure: its tests, or what is around them", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(
      `${folder}/a_test.ts`,
      `Deno.test("good", () => {});
       Deno.test.ignore("left out", () => {});
       Deno.test('bad <"&', () => { throw new Error("no"); });`,
    );
    await Deno.writeTextFile(`${folder}/b_test.ts`, "throw new Error();");
    const kill = 'Deno.kill(Deno.pid, "SIGKILL")';
    await Deno.writeTextFile(`${folder}/c_test.ts`, `Deno.test("killed", () => ${kill});`);
    const report = `${folder}/report.xml`;
    const args = ["task", "test", `--junit-path=${report}`, "--jobs=4", folder];
    const { code, stdout } = await new Deno.Command(Deno.execPath(), { args }).output();
    const text = new TextDecoder().decode(stdout);
    assertEquals(code, 1);
    assertStringIncludes(text, 'bad <"& => ');
    assertStringIncludes(text, `what is around the tests of ${folder}/b_test.ts`);
    assertStringIncludes(text, `what is around the tests of ${folder}/c_test.ts`);
    assertStringIncludes(text, "The tests of 3 files: 1 passed, 3 failed, 1 ignored");
    const { suites, ...outcome } = outcomeOf(await Deno.readTextFile(report));
    assertEquals([outcome.passed, outcome.ignored, outcome.failed.length], [1, 1, 1]);
    assertStringIncludes(suites, "a_test.ts");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a driver's corrupted heap is no failure once all tests have passed, and any other end is", () => {
  const outcome = { passed: 3, ignored: 1, failed: [], suites: "" };
  const text = "ok | 3 passed (2 steps) | 0 failed | 1 ignored (1s)";
  const errors = "corrupted size vs. prev_size in fastbins\n";
  const end = { success: false, signal: "SIGABRT", text, errors, files: ["a_test.ts"] };
  assertEquals(judged(outcome, { ...end, success: true, signal: null }), outcome);
  assertEquals(judged(outcome, end), { ...outcome, isDriversFault: true });
  const around = { ...outcome, failed: ["what is around the tests of a_test.ts"] };
  for (
    const other of [
      ...[{ text: "" }, { text: "FAILED | 3 passed | 1 failed (1s)" }, { errors: "" }],
      ...[{ signal: null }, { signal: "SIGSEGV" }, { signal: "SIGKILL" }],
    ]
  ) {
    assertEquals(judged(outcome, { ...end, ...other }), around, JSON.stringify(other));
  }
  const bad = { ...outcome, failed: ["bad => a_test.ts"] };
  assertEquals(judged(bad, end), bad);
});

import { assertEquals, assertThrows } from "@std/assert";
import { choiceOption, numberOption, parseArguments, UsageError } from "../../lib/cli/arguments.ts";

const TABLE = { flags: ["json"], values: ["top-k", "model"] };

Deno.test("parseArguments() separates flags, values and operands", () => {
  const args = parseArguments(
    ["--json", "a.png", "--top-k", "3", "-", "--model=m=1", "--", "--b.png", "007"],
    TABLE,
  );
  assertEquals([...args.flags], ["json"]);
  assertEquals([...args.values], [["top-k", "3"], ["model", "m=1"]]);
  assertEquals(args.operands, ["a.png", "-", "--b.png", "007"]);
});

Deno.test("parseArguments() names the nearest option for an unknown one", () => {
  for (const [given, nearest] of [["--topk", "top-k"], ["--jsn", "json"], ["--modle=x", "model"]]) {
    assertThrows(
      () => parseArguments([given], TABLE),
      UsageError,
      `Unknown option ${given.split("=")[0]}: did you mean --${nearest}?`,
    );
  }
  assertThrows(() => parseArguments(["-x"], TABLE), UsageError, "Unknown option -x");
});

Deno.test("parseArguments() refuses an option without its value", () => {
  assertThrows(() => parseArguments(["--model"], TABLE), UsageError, "--model needs a value");
  assertThrows(() => parseArguments(["--model="], TABLE), UsageError, "--model needs a value");
});

Deno.test("the last of two values counts", () => {
  const args = parseArguments(["--top-k", "1", "--top-k", "2"], TABLE);
  assertEquals(numberOption(args, "top-k", { min: 1, integer: true }), 2);
});

Deno.test("numberOption() and choiceOption() say what they need and what they found", () => {
  const args = parseArguments(["--top-k", "2.5", "--model", "b"], TABLE);
  assertThrows(
    () => numberOption(args, "top-k", { min: 1, max: 10, integer: true }),
    UsageError,
    'Option --top-k needs an integer from 1 to 10: found "2.5"',
  );
  assertThrows(
    () => choiceOption(args, "model", ["x", "y"]),
    UsageError,
    'Option --model needs one of x, y: found "b"',
  );
});

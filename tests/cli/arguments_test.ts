import { assertEquals, assertThrows } from "@std/assert";
import { checkedValue, parseArguments } from "../../lib/cli/arguments.ts";
import { UsageError } from "../../lib/cli/usage_error.ts";
import type { Table } from "../../lib/options.ts";

const TABLE = {
  topK: { kind: "integer", min: 1, max: 10, about: "" },
  model: { kind: "text", about: "" },
  scales: { kind: "integers", min: 1, about: "" },
  channels: { kind: "choice", choices: [1, 3], about: "" },
  json: { kind: "boolean", about: "" },
  flip: { kind: "boolean", default: true, about: "" },
} as const satisfies Table;

Deno.test("parseArguments() separates options and operands, and reads values by their kind", () => {
  const parsed = parseArguments(
    ["--json", "a.png", "--top-k", "3", "-", "--model=m=1", "--scales=2,3", "--", "--b.png", "007"],
    TABLE,
  );
  assertEquals(parsed.options, { topK: 3, model: "m=1", scales: [2, 3], json: true });
  assertEquals(parsed.operands, ["a.png", "-", "--b.png", "007"]);
  assertEquals(parsed.isHelp, false);
  assertEquals(parseArguments(["--help"], TABLE).isHelp, true);
});

Deno.test("parseArguments() leaves out what was not given, and switches off what is on", () => {
  assertEquals(parseArguments([], TABLE).options, {});
  assertEquals(parseArguments(["--no-flip", "--channels", "3"], TABLE).options, {
    flip: false,
    channels: 3,
  });
});

Deno.test("parseArguments() names the nearest option for an unknown one", () => {
  for (
    const [given, nearest] of [
      ["--topk", "top-k"],
      ["--jsn", "json"],
      ["--modle=x", "model"],
      ["--flip", "no-flip"],
    ]
  ) {
    assertThrows(
      () => parseArguments([given], TABLE),
      UsageError,
      `There is no option ${given.split("=")[0]}: did you mean --${nearest}?`,
    );
  }
  assertThrows(() => parseArguments(["-x"], TABLE), UsageError, "There is no option -x");
});

Deno.test("parseArguments() refuses an option without its value", () => {
  assertThrows(() => parseArguments(["--model"], TABLE), UsageError, "--model needs a value");
  assertThrows(() => parseArguments(["--model="], TABLE), UsageError, "--model needs a value");
});

Deno.test("the last of two values counts", () => {
  assertEquals(parseArguments(["--top-k", "1", "--top-k", "2"], TABLE).options, { topK: 2 });
});

Deno.test("parseArguments() says what a value must be and what was found", () => {
  for (
    const [given, message] of [
      ["--top-k=2.5", "--top-k must be an integer from 1 to 10: found 2.5"],
      ["--top-k=x", '--top-k must be an integer from 1 to 10: found "x"'],
      ["--channels=2", '--channels must be one of 1, 3: found "2"'],
      ["--scales=2,", '--scales must be integers of at least 1: found "2,"'],
    ]
  ) {
    assertThrows(() => parseArguments([given], TABLE), UsageError, message);
  }
  assertEquals(checkedValue("topK", TABLE.topK, 3), 3);
  assertThrows(() => checkedValue("topK", TABLE.topK, 11), UsageError, "--top-k must be");
});

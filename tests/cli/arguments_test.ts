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
      ["--topkk", "top-k"],
      ["--jsn", "json"],
      ["--modle=x", "model"],
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

Deno.test("options have letters, and other names that people know them by", () => {
  const table = {
    ...TABLE,
    out: { kind: "text", about: "" },
    quiet: { kind: "boolean", about: "" },
  } as const;
  assertEquals(parseArguments(["-k", "3", "-qo", "x", "-m=y"], table).options, {
    ...{ topK: 3, quiet: true, out: "x", model: "y" },
  });
  assertEquals(parseArguments(["--topk=2", "--output", "x", "--flip"], table).options, {
    ...{ topK: 2, out: "x", flip: true },
  });
  assertEquals(parseArguments(["-k3", "-h", "--typo"], table).isHelp, true);
  assertThrows(() => parseArguments(["-k"], table), UsageError, "-k needs a value");
  assertThrows(() => parseArguments(["-o="], table), UsageError, "-o needs a value");
  assertThrows(() => parseArguments(["-k", "-q"], table), UsageError, "-k needs a value");
});

Deno.test("an option of Deno's says where it belongs", () => {
  for (const option of ["--allow-read", "--allow-net=x", "-A", "--allow-all"]) {
    assertThrows(() => parseArguments([option], TABLE), UsageError, "before the program");
  }
});

Deno.test("parseArguments() refuses an option without its value", () => {
  for (const args of [["--model"], ["--model="], ["--model", ""], ["a.png", "--model"]]) {
    assertThrows(() => parseArguments(args, TABLE), UsageError, "--model needs a value");
  }
});

Deno.test("an option is never the value of the one before; a value that begins with a dash has its =", () => {
  assertEquals(parseArguments(["--model", "-"], TABLE).options, { model: "-" });
  for (const next of ["--json", "--top-k", "-x", "-1", "--"]) {
    const args = ["--model", next, "8000"];
    assertThrows(() => parseArguments(args, TABLE), UsageError, "--model needs a value", next);
    assertEquals(parseArguments([`--model=${next}`], TABLE).options, { model: next });
  }
});

Deno.test("a value is the text that was typed", () => {
  for (const model of ["007", "1e3", "0x10", "true", "false", "null", " "]) {
    assertEquals(parseArguments(["--model", model], TABLE).options, { model });
    assertEquals(parseArguments([`--model=${model}`], TABLE).options, { model });
  }
  assertEquals(parseArguments(["--labels=007, 08"], { labels: { kind: "texts", about: "" } }), {
    operands: [],
    options: { labels: ["007", "08"] },
    isHelp: false,
  });
});

Deno.test("a flag takes no word for its value, and no other text than true or false after =", () => {
  assertEquals(parseArguments(["--json", "false"], TABLE).operands, ["false"]);
  assertEquals(parseArguments(["--json=false"], TABLE).options, { json: false });
  assertThrows(
    () => parseArguments(["--json=3"], TABLE),
    UsageError,
    "--json must be true or false",
  );
  assertThrows(
    () => parseArguments(["--json="], TABLE),
    UsageError,
    "--json must be true or false",
  );
  assertThrows(
    () => parseArguments(["--no-flip=1"], TABLE),
    UsageError,
    "--no-flip takes no value",
  );
});

Deno.test("names of JavaScript's own are no options", () => {
  for (const name of ["--__proto__", "--constructor=x", "--toString", "--hasOwnProperty=1"]) {
    assertThrows(() => parseArguments([name], TABLE), UsageError, "There is no option --");
  }
});

Deno.test("whoever asks for help need not have the rest right", () => {
  const { isHelp, options } = parseArguments(["--top-k=x", "--help", "--typo", "--model"], TABLE);
  assertEquals([isHelp, options], [true, {}]);
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

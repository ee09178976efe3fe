import { assertEquals } from "@std/assert";
import { tellFacts } from "../../lib/cli/model_facts.ts";
import { printedBy } from "../support/printed.ts";

Deno.test("facts are a line each, and what is not known is none", async () => {
  const facts = {
    id: "small",
    pooling: undefined,
    license: null,
    classes: 0,
    isOpen: false,
    architecture: { configuration: "A" },
  };
  const { out } = await printedBy(() => Promise.resolve(tellFacts(facts, false)));
  assertEquals(
    out,
    'id             small\nclasses        0\nisOpen         false\narchitecture   {"configuration":"A"}\n',
  );
  const { out: json } = await printedBy(() => Promise.resolve(tellFacts(facts, true)));
  const { pooling: _, ...known } = facts;
  assertEquals(JSON.parse(json), known);
});

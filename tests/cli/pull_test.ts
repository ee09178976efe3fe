import { assertEquals } from "@std/assert";
import { runCommand } from "../../lib/cli/command.ts";
import { pullCommand } from "../../lib/cli/pull.ts";
import { VERSION } from "../../lib/version.ts";
import { printedBy } from "../support/printed.ts";

Deno.test("pull --json says what ran, also where nothing is pulled", async () => {
  const { out } = await printedBy(() => runCommand(pullCommand, ["vgg16-imagenet200", "--json"]));
  assertEquals(JSON.parse(out), { program: "vgg16 pull", version: VERSION, results: [] });
});

/** What of the predictions `classify` keeps. */

import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { CIFAR10 } from "../support/cifar10.ts";
import { runCli } from "../support/run_cli.ts";

const CAT = fromFileUrl(new URL("../data/photos/cat.png", import.meta.url));

interface Said {
  readonly label: string;
  readonly score: number;
}

/** What `classify` says of the cat. */
async function classify(...options: readonly string[]): Promise<Said[]> {
  const command = ["classify", "--model", CIFAR10, "--backend", "wasm", "--json", ...options, CAT];
  const { code, stdout, stderr } = await runCli(command);
  assertEquals([code, stderr], [0, ""]);
  return JSON.parse(stdout).results[0].predictions;
}

Deno.test("classify keeps labels by their number, their score and their name", async () => {
  const all = await classify("--top-k", "Infinity");
  assertEquals(all.length, 10);
  const second = all[1]!.score;
  assertEquals(await classify("--top-k", "3"), all.slice(0, 3));
  assertEquals(
    await classify("--top-k", "Infinity", "--score-threshold", `${second}`),
    all.slice(0, 2),
  );
  assertEquals(await classify("--score-threshold", "1"), []);
  const named = (...labels: string[]) => all.filter(({ label }) => labels.includes(label));
  assertEquals(await classify("--allow", "ship,dog"), named("ship", "dog"));
  const denied = await classify("--deny", "cat", "--top-k", "Infinity");
  assertEquals(denied, all.filter(({ label }) => label !== "cat"));
});

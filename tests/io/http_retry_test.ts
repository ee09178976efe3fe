import { assertEquals, assertRejects } from "@std/assert";
import { backOff, Interruption } from "../../lib/io/http_retry.ts";
import { notedPauses } from "../support/noted_pauses.ts";

Deno.test("pauses double, and are at least as long as a server asks for", async () => {
  using pauses = notedPauses();
  const failure = new Interruption("the connection broke");
  for (const failures of [1, 2, 3, 4]) await backOff(failures, failure, undefined);
  assertEquals(pauses.ms.splice(0), [250, 500, 1000, 2000]);
  for (const [asked, failures] of [[7000, 1], [100, 1], [600, 3]] as const) {
    await backOff(failures, new Interruption("busy", 429, asked), undefined);
  }
  assertEquals(pauses.ms.splice(0), [7000, 250, 1000]);
});

Deno.test("a server can ask for ten seconds at most, and a pause can be ended", async () => {
  const abort = new AbortController(), reason = new Error("nobody waits");
  const paused = backOff(1, new Interruption("busy", 503, 9000), abort.signal);
  abort.abort(reason);
  assertEquals(await assertRejects(() => paused), reason);
  using pauses = notedPauses();
  await backOff(1, new Interruption("busy", 503, 86_400_000), undefined);
  assertEquals(pauses.ms, [10_000]);
});

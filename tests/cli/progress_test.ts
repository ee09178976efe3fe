import { assertEquals } from "@std/assert";
import { Pace } from "../../lib/cli/progress.ts";

Deno.test("a pace goes by what was done since it was first asked", () => {
  const pace = new Pace();
  assertEquals(pace.perSecond(300, 5000), 0);
  assertEquals(pace.perSecond(320, 9000), 5);
  assertEquals(pace.perSecond(380, 13000), 10);
});

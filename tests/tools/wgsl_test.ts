/**
 * The printed WGSL, and four of the kernels as snapshots. `deno task wgsl --update` renews them.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { programCode } from "../../lib/engine/webgpu/device/tfjs.ts";
import { defaultTuning } from "../../lib/engine/webgpu/tuning/tile.ts";
import {
  formatWgsl,
  programText,
  SNAPSHOTS,
  snapshotText,
  snapshotUrl,
  stepsOf,
} from "../../tools/wgsl.ts";

for (const snapshot of SNAPSHOTS) {
  Deno.test(`the WGSL of ${snapshot.file} is the snapshot's`, async () => {
    assertEquals(snapshotText(snapshot), await Deno.readTextFile(snapshotUrl(snapshot)));
  });
}

for (const precision of ["int8", "float"] as const) {
  Deno.test(`formatting changes only white space of the ${precision} kernels`, () => {
    const bare = (code: string): string => code.replaceAll(/\s/g, "");
    for (const isFallback of [true, false]) {
      for (const printed of stepsOf(precision, defaultTuning(isFallback))) {
        const { step: { dispatch, inputs }, kinds } = printed;
        const code = programCode(dispatch, Object.keys(inputs), kinds);
        const formatted = formatWgsl(code);
        assertEquals(bare(formatted), bare(code));
        assert(programText(printed).endsWith(formatted));
      }
    }
  });
}

Deno.test("formatted WGSL has a statement a line", () => {
  const code =
    "struct S { a: i32, b: i32, };\nfn f(x: i32) -> i32 { for (var i = 0; i < 4; i++) { g(x,\n i); } return x; }" +
    "\n// Why.\nfn g(x: i32, y: i32) { }";
  assertEquals(
    formatWgsl(code),
    `struct S {
  a: i32,
  b: i32,
};

fn f(x: i32) -> i32 {
  for (var i = 0; i < 4; i++) {
    g(x, i);
  }
  return x;
}

// Why.
fn g(x: i32, y: i32) {
}
`,
  );
});

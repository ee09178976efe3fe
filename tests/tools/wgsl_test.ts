/**
 * The printed WGSL, and four of the kernels as snapshots. `deno task wgsl --update` renews them.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import * as Kernel from "../../lib/engine/wasm/kernel_numbers.ts";
import { programCode } from "../../lib/engine/webgpu/device/tfjs.ts";
import { denseName } from "../../lib/engine/webgpu/kernels/dense.ts";
import {
  candidateName,
  CANDIDATES,
  defaultTuning,
  DENSE_TILES,
} from "../../lib/engine/webgpu/tuning/tile.ts";
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

Deno.test("docs/kernels.md names every candidate, every kernel and every default", async () => {
  const page = await Deno.readTextFile(new URL("../../docs/kernels.md", import.meta.url));
  for (const candidate of CANDIDATES) {
    assertStringIncludes(page, `| \`${candidateName(candidate)}\` |`);
  }
  for (const tile of DENSE_TILES) assertStringIncludes(page, `| \`dense ${denseName(tile)}\` |`);
  for (const isFallback of [true, false]) {
    const machine = isFallback ? "software adapter" : "GPU";
    for (const { step: { kernel }, candidate } of stepsOf("int8", defaultTuning(isFallback))) {
      assertStringIncludes(page, `\`${kernel}\``);
      if (candidate.endsWith("first")) continue;
      const name = candidate.replace(/^.* dense/, "dense");
      assert(page.includes(`| \`${name}\` | ${machine}`), `${name} on a ${machine}`);
    }
  }
  const { NONE: _, ...numbers } = Kernel;
  for (const name of Object.keys(numbers)) assertStringIncludes(page, `\`${name}\``);
});

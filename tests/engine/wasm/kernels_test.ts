import { assertEquals } from "@std/assert";
import { RELAXED } from "../../../lib/engine/wasm/binary.ts";
import { bestVariant } from "../../../lib/engine/wasm/kernels.ts";

Deno.test("relaxed SIMD is taken exactly where its kernels compile", () => {
  const compiles = WebAssembly.validate(Uint8Array.fromBase64(RELAXED));
  assertEquals(bestVariant(), compiles ? "relaxed" : "plain");
});

/** The runtime's own conversions, and those of runtimes that have none, on the same bytes and texts. */

import { assertEquals, assertThrows } from "@std/assert";
import { decodeBase64, encodeBase64 } from "@std/encoding/base64";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import { fromBase64, fromHex, toBase64, toHex } from "../lib/encoding.ts";

const ALL = Uint8Array.from({ length: 256 }, (_, n) => n);
const LENGTHS = [0, 1, 2, 3, 4, 255, 256];

/** Takes the runtime's own away for a test. */
function withoutNative(test: () => void): void {
  const owners = [Uint8Array, Uint8Array, Uint8Array.prototype, Uint8Array.prototype];
  const names = ["fromHex", "fromBase64", "toHex", "toBase64"];
  const kept = names.map((name, n) => Object.getOwnPropertyDescriptor(owners[n], name));
  names.forEach((name, n) => Reflect.deleteProperty(owners[n]!, name));
  try {
    test();
  } finally {
    names.forEach((name, n) => kept[n] && Object.defineProperty(owners[n], name, kept[n]));
  }
}

function check(): void {
  for (const length of LENGTHS) {
    const bytes = ALL.subarray(256 - length);
    assertEquals([toHex(bytes), toBase64(bytes)], [encodeHex(bytes), encodeBase64(bytes)]);
    assertEquals(fromHex(encodeHex(bytes).toUpperCase()), decodeHex(encodeHex(bytes)));
    assertEquals(fromBase64(encodeBase64(bytes)), decodeBase64(encodeBase64(bytes)));
  }
  assertEquals(fromBase64(" AA\nEC"), new Uint8Array([0, 1, 2]));
  for (const text of ["0", "0g", "0x", " 00"]) assertThrows(() => fromHex(text), SyntaxError);
  for (const text of ["A", "A*==", "AA=A"]) assertThrows(() => fromBase64(text), SyntaxError);
}

Deno.test("hexadecimal and base64 by the runtime are as they are by deno std", check);

Deno.test("hexadecimal and base64 are the same where the runtime has none", () => {
  withoutNative(check);
});

import { assertEquals, assertThrows } from "@std/assert";
import { createHash } from "node:crypto";
import { ResumableSha256 } from "../../lib/io/sha256.ts";

const TEXT = new TextEncoder();

function hashOf(bytes: Uint8Array): string {
  const hash = new ResumableSha256();
  hash.update(bytes);
  return hash.digest();
}

Deno.test("ResumableSha256 gives the digests of FIPS 180-4's examples", () => {
  assertEquals(
    hashOf(TEXT.encode("abc")),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
  assertEquals(
    hashOf(TEXT.encode("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  );
});

Deno.test("ResumableSha256 gives the platform's digest of any length, wherever it is taken up", () => {
  const bytes = Uint8Array.from({ length: 300 }, (_, i) => (i * 167 + 13) & 255);
  for (let length = 0; length <= bytes.length; length++) {
    const part = bytes.subarray(0, length);
    const expected = createHash("sha256").update(part).digest("hex");
    assertEquals(hashOf(part), expected);
    const split = length * 7 % (length + 1);
    const first = new ResumableSha256();
    first.update(part.subarray(0, split));
    const second = ResumableSha256.from(JSON.parse(JSON.stringify(first.save())));
    assertEquals(second.length, split);
    second.update(part.subarray(split));
    assertEquals(second.digest(), expected);
  }
});

Deno.test("ResumableSha256 refuses a state that is not one", () => {
  const state = new ResumableSha256().save();
  for (const wrong of ["", "abc", state.slice(1), `${state}00`, `1${state}`]) {
    assertThrows(() => ResumableSha256.from(wrong), SyntaxError);
  }
});

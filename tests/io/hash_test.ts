import { assertEquals, assertRejects } from "@std/assert";
import { BytesSource } from "../../lib/io/byte_source.ts";
import { hashSource } from "../../lib/io/hash.ts";

Deno.test("a file has the hashes of their standards' own examples", async () => {
  const abc = new BytesSource(new TextEncoder().encode("abc"));
  assertEquals(await hashSource(abc, ["sha256", "md5"]), {
    // FIPS 180-2, appendix B.1; RFC 1321, appendix A.5.
    sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    md5: "900150983cd24fb0d6963f7d28e17f72",
  });
  assertEquals(await hashSource(new BytesSource(new Uint8Array(0)), ["md5"]), {
    md5: "d41d8cd98f00b204e9800998ecf8427e",
  });
});

Deno.test("hashing a file ends in the middle when it is aborted", async () => {
  const abort = new AbortController(), reason = new Error("enough");
  let parts = 0;
  const file = new class extends BytesSource {
    override read(offset: number, into: Uint8Array): void {
      super.read(offset, into);
      if (++parts === 2) abort.abort(reason);
    }
  }(new Uint8Array(8 << 20));
  const hashing = () => hashSource(file, ["sha256"], abort.signal);
  assertEquals([await assertRejects(hashing), parts], [reason, 2]);
});

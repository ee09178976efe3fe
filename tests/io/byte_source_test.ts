import { assertEquals, assertThrows } from "@std/assert";
import { CheckpointFormatError } from "../../lib/errors.ts";
import { BytesSource } from "../../lib/io/byte_source.ts";

Deno.test("what lies past the end of a file is an error that says where it ends and what was needed", () => {
  const source = new BytesSource(Uint8Array.of(1, 2, 3, 4, 5, 6), "some.pth");
  const into = new Uint8Array(4);
  source.read(2, into);
  assertEquals([...into], [3, 4, 5, 6]);
  const error = assertThrows(
    () => source.read(3, into),
    CheckpointFormatError,
    "some.pth ends at byte 6, but its contents need 7",
  );
  assertEquals(error.offset, 6);
  assertThrows(() => source.read(7, new Uint8Array(1)), CheckpointFormatError, "need 8");
  source.read(6, new Uint8Array(0));
});

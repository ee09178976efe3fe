import { assertEquals, assertThrows } from "@std/assert";
import { Budget } from "../../../lib/convert/formats/budget.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";

function assertRefused(work: () => void, message: string): void {
  const error = assertThrows(
    work,
    CheckpointFormatError,
    `some.pth is out of proportion: ${message}`,
  );
  assertEquals([error.code, error.file], ["budget", "some.pth"]);
}

Deno.test("a budget allows visits in proportion to the files' bytes", () => {
  const budget = new Budget("some.pth", 8_000);
  budget.visit((1 << 20) + 1000);
  assertRefused(() => budget.visit(), `it takes more than ${(1 << 20) + 1000} steps`);
  budget.addFile(8);
  assertRefused(() => budget.visit(), `it takes more than ${(1 << 20) + 1001} steps`);
});

Deno.test("a budget allows to unpack what deflate can pack, and a gigabyte in all", () => {
  const budget = new Budget("some.pth", 2 << 20);
  budget.unpack(1 << 20, 1 << 29);
  assertRefused(() => budget.unpack(1000, 2_000_000), "1000 compressed bytes cannot be 2000000");
  assertRefused(() => budget.unpack(1 << 20, 1 << 29), "its entries have more than 1073741824");
});

Deno.test("a budget allows the weights that the files' bytes can hold", () => {
  const budget = new Budget("some.pth", 1000);
  budget.write((1 << 20) + 8000);
  assertRefused(() => budget.write((1 << 20) + 8001), "1000 bytes cannot hold the 1056577 weights");
  budget.unpack(100, 1000);
  budget.write((1 << 20) + 16_000);
});

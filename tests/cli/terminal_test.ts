import { assertEquals } from "@std/assert";
import { columns } from "../../lib/cli/terminal.ts";

Deno.test("a line leaves room for what a terminal writes of Ctrl-C, and one column more", () => {
  const { consoleSize } = Deno;
  const of = (size: () => number): number => {
    Deno.consoleSize = () => ({ columns: size(), rows: 24 });
    return columns();
  };
  try {
    assertEquals([100, 80, 4, 3, 1].map((size) => of(() => size)), [97, 77, 1, 1, 1]);
    // Where nobody knows, 80 are taken.
    assertEquals(of(() => 0), 77);
    assertEquals(
      of(() => {
        throw new Error("no terminal");
      }),
      77,
    );
  } finally {
    Deno.consoleSize = consoleSize;
  }
});

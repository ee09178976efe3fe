import { assertEquals } from "@std/assert";
import { displayWidth, textTable } from "../../lib/cli/table.ts";

Deno.test("columns are as wide as a terminal draws them", () => {
  const widths: [text: string, columns: number][] = [
    ["", 0],
    ["cat", 3],
    ["größe", 5],
    ["e\u0301", 1],
    ["猫", 2],
    ["고양이", 6],
    ["ｶﾀｶﾅ", 4],
    ["！", 2],
    ["😀", 2],
    ["█…–", 3],
    ["a\x1bb", 8],
  ];
  for (const [text, columns] of widths) assertEquals(displayWidth(text), columns, text);
});

Deno.test("a table's columns stand under each other", () => {
  const lines = textTable([["class", "images"], ["猫", "10"], ["a\n", "2"]]);
  assertEquals(lines, [
    "class   images",
    "──────  ──────",
    "猫          10",
    "a\n       2", // Printed as a\u{a}.
  ]);
});

import { assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { classifyCommand } from "../../lib/cli/classify.ts";
import { runCommand } from "../../lib/cli/command.ts";
import { displayWidth, textTable } from "../../lib/cli/table.ts";
import { modelBytes } from "../support/model_bytes.ts";
import { printedBy } from "../support/printed.ts";
import { smallVgg } from "../support/small_vgg.ts";

const CAT = fromFileUrl(new URL("../data/photos/cat.png", import.meta.url));

Deno.test("columns are as wide as a terminal draws them", () => {
  const widths: [text: string, columns: number][] = [
    ["", 0],
    ["cat", 3],
    ["größe", 5],
    ["e\u0301", 1],
    ["猫", 2],
    ["고양이", 6],
    ["고양이".normalize("NFD"), 6],
    ["が".normalize("NFD"), 2],
    ["ｶﾀｶﾅ", 4],
    ["！", 2],
    ["😀", 2],
    ["🇯🇵", 2],
    ["🈂", 2],
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

Deno.test("classify's scores stand under each other, in whatever script the labels are", async () => {
  const labels = [
    "猫",
    "とても長い名前の犬",
    "고양이".normalize("NFD"),
    "😀 cat",
    "cafe\u0301",
    "dog",
  ];
  const { model } = await smallVgg();
  const folder = await Deno.makeTempDir();
  try {
    const file = join(folder, "model.safetensors");
    const named = model.labels!.map((label, n) => labels[n] ?? label);
    await Deno.writeFile(file, await modelBytes({ ...model, labels: named }));
    const { out } = await printedBy(async () => {
      const args = ["--backend", "wasm", "--threads", "1", "--top-k", String(named.length)];
      assertEquals(await runCommand(classifyCommand, [...args, "--model", file, CAT]), 0);
    });
    const lines = out.split("\n").filter((line) => named.some((label) => line.includes(label)));
    assertEquals(lines.length, named.length);
    assertEquals(new Set(lines.map((line) => displayWidth(line.split("%")[0]))).size, 1, out);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** What the command line says of models whose head is a sigmoid. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { loadClassifier } from "../../lib/classifier.ts";
import { classifyCommand } from "../../lib/cli/classify.ts";
import { type Command, runCommand } from "../../lib/cli/command.ts";
import { evaluateCommand } from "../../lib/cli/evaluate.ts";
import { modelsCommand } from "../../lib/cli/models.ts";
import { cachedModelPath } from "../../lib/io/cache.ts";
import type { Table } from "../../lib/options.ts";
import { modelBytes } from "../support/model_bytes.ts";
import { printedBy } from "../support/printed.ts";
import { sigmoidVgg } from "../support/small_vgg.ts";

const PHOTOS = fromFileUrl(new URL("../data/photos/", import.meta.url));
const CAT = join(PHOTOS, "cat.png");

/** What a command prints. */
async function printed<T extends Table>(command: Command<T>, args: string[]): Promise<string> {
  const { out } = await printedBy(async () => {
    assertEquals(await runCommand(command, args), 0);
  });
  return out.trimEnd();
}

/** A test with a folder of its own, in which there is a model of so many logits. */
function testModel(
  logits: number,
  name: string,
  test: (folder: string, model: string) => Promise<void>,
): void {
  Deno.test(`${name}: ${logits} logits`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      // Where a model that was pulled would be.
      const path = cachedModelPath("vgg16-torchvision", folder);
      await Deno.writeFile(path, await modelBytes((await sigmoidVgg(logits)).model));
      await test(folder, path);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

for (const logits of [1, 3]) {
  testModel(logits, "classify says whether each label stands by itself", async (_, model) => {
    const args = ["--backend", "wasm", "--threads", "1", "--model", model, CAT];
    const text = await printed(classifyCommand, args);
    assertEquals(text.includes("each label by itself"), logits > 1);
    await using classifier = await loadClassifier({ model, backend: "wasm", threads: 1 });
    const best = await classifier.classify(CAT);
    assertEquals(best.length, logits === 1 ? 2 : 3);
    for (const { label, score } of best) {
      assertStringIncludes(
        text,
        `${label.padEnd(logits === 1 ? 3 : 1)}  ${(score * 100).toFixed(1).padStart(5)} %`,
      );
    }
  });

  testModel(logits, "models info tells the head", async (folder) => {
    const args = ["info", "vgg16-torchvision", "--cache-dir", folder];
    assertMatch(await printed(modelsCommand, args), /^head +sigmoid$/m);
    const { head, pooling, classes } = JSON.parse(
      await printed(modelsCommand, [...args, "--json"]),
    );
    assertEquals([head, pooling, classes], ["sigmoid", undefined, logits === 1 ? 2 : 3]);
  });

  testModel(
    logits,
    "evaluate reports each label where it stands by itself",
    async (folder, model) => {
      const labels = logits === 1 ? ["no", "yes"] : ["a", "b", "c"],
        list = join(folder, "list.csv");
      const lines = ["boats.jpg", "cat.png", "rocket.jpg"].map((photo, n) =>
        `${join(PHOTOS, photo)},${labels[n % labels.length]}`
      );
      await Deno.writeTextFile(list, lines.join("\n"));
      const out = join(folder, "report");
      const args = ["--backend", "wasm", "--threads", "1", "--model", model, "--out", out, list];
      const text = await printed(evaluateCommand, args);
      assertEquals(text.includes("mean average precision"), logits > 1);
      assertEquals(/average precision %$/m.test(text), logits > 1);
      const [{ meanAveragePrecision, top5, images }] = JSON.parse(
        await Deno.readTextFile(join(out, "report.json")),
      ).variants;
      assertEquals([typeof meanAveragePrecision, top5, images], [
        logits > 1 ? "number" : "undefined",
        1,
        3,
      ]);
      const html = await Deno.readTextFile(join(out, "report.html"));
      assertEquals(html.includes("Each label has a score of its own"), logits > 1);
      // From the records of the first run.
      assertEquals(
        JSON.parse(await printed(evaluateCommand, ["--json", ...args])).variants[0].images,
        3,
      );
    },
  );
}

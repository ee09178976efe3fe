/** What the command line says of a model that knows when it does not know. */

import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { loadClassifier } from "../../lib/classifier.ts";
import { classifyCommand } from "../../lib/cli/classify.ts";
import { type Command, runCommand } from "../../lib/cli/command.ts";
import { evaluateCommand } from "../../lib/cli/evaluate.ts";
import { UsageError } from "../../lib/cli/usage_error.ts";
import type { Table } from "../../lib/options.ts";
import { modelBytes } from "../support/model_bytes.ts";
import { printedBy } from "../support/printed.ts";
import { smallVgg } from "../support/small_vgg.ts";

const PHOTOS = fromFileUrl(new URL("../data/photos/", import.meta.url));
const CAT = join(PHOTOS, "cat.png");
const ENGINE = ["--backend", "wasm", "--threads", "1"];

/** What a command prints. */
async function printed<T extends Table>(command: Command<T>, args: string[]): Promise<string> {
  const { out } = await printedBy(async () => {
    assertEquals(await runCommand(command, [...ENGINE, ...args]), 0);
  });
  return out.trimEnd();
}

/** A test with a folder of its own, and two models in it that are sure of the cat, and not. */
function testModels(
  name: string,
  test: (folder: string, models: { sure: string; unsure: string }) => Promise<void>,
): void {
  Deno.test(name, async () => {
    const folder = await Deno.makeTempDir(), { model } = await smallVgg();
    try {
      const at = async (sureScore: number): Promise<string> => {
        const path = join(folder, `${sureScore}.safetensors`);
        const scored = { ...model, temperature: 0.5, sureScore };
        await Deno.writeFile(path, await modelBytes(scored));
        return path;
      };
      await test(folder, { sure: await at(0.25), unsure: await at(1) });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

testModels(
  "classify says that it is not sure before the candidates, and only then",
  async (_, models) => {
    const text = (model: string, ...more: string[]) =>
      printed(classifyCommand, ["--model", model, ...more, CAT]);
    const [sure, unsure] = [await text(models.sure), await text(models.unsure)];
    const [header, first, ...candidates] = unsure.split("\n");
    assertEquals([header!.startsWith(CAT), first], [true, "  not sure; candidates:"]);
    assertEquals(sure.split("\n").slice(1), candidates);
    assertStringIncludes(await text(models.unsure, "--score-threshold", "1"), "no label reaches");
    assertEquals((await text(models.unsure, "--score-threshold", "1")).includes("not sure"), false);
  },
);

testModels("classify's JSON lines have sure, of each prediction", async (folder, models) => {
  const sureOf = ({ predictions }: { predictions: { sure: boolean }[] }) =>
    predictions.map(({ sure }) => sure);
  for (const [name, isFirstSure] of [["sure", true], ["unsure", false]] as const) {
    const args = ["--model", models[name], "--top-k", "2"], out = join(folder, `${name}.jsonl`);
    const [, line = ""] = (await printed(classifyCommand, [...args, "--jsonl", CAT])).split("\n");
    await printed(classifyCommand, [...args, "--out", out, CAT]);
    const [, kept = ""] = (await Deno.readTextFile(out)).split("\n");
    for (const text of [line, kept]) {
      assertEquals(sureOf(JSON.parse(text)), [isFirstSure, false]);
    }
  }
});

testModels(
  "evaluate tells the temperature, how often it is sure, and right then",
  async (folder, models) => {
    await using classifier = await loadClassifier({
      model: models.sure,
      backend: "wasm",
      threads: 1,
    });
    const [best] = await classifier.classify(CAT, { topK: 1 });
    const wrong = classifier.info.classes.find(({ index }) => index !== best.index)!.label;
    const list = join(folder, "list.csv"), copy = join(folder, "copy.png");
    await Deno.copyFile(CAT, copy);
    await Deno.writeTextFile(list, `${CAT},${best.label}\n${copy},${wrong}`);
    const text = await printed(evaluateCommand, ["--model", models.sure, list]);
    assertMatch(text, /calibration error [\d.]+ % at temperature 0\.500, 2 images/);
    const line = "sure from 25.00 % on: 100.00 % of the images, 50.00 % of these right";
    assertEquals(text.split("\n").at(-2), line);

    const never = await printed(evaluateCommand, ["--model", models.unsure, list]);
    assertEquals(never.split("\n").at(-2), "sure from 100.00 % on: 0.00 % of the images");

    const out = join(folder, "report");
    const compare = `model=${models.sure}; model=${models.sure} model=${models.unsure}`;
    await Deno.writeTextFile(list, `${CAT},0`);
    const table = await printed(evaluateCommand, ["--compare", compare, "--out", out, list]);
    assertMatch(table, /sure % +right of these %/);
    const report = JSON.parse(await Deno.readTextFile(join(out, "report.json")));
    const [own, both] = report.variants;
    assertEquals([own.temperature, own.sure.score], [0.5, 0.25]);
    assertEquals([both.temperature, both.sure.score], [undefined, 1]);
    const html = await Deno.readTextFile(join(out, "report.html"));
    for (
      const fact of ["temperature", "sure from 25.00 % on", "accuracy of the sure ones"]
    ) {
      assertStringIncludes(html, fact);
    }
  },
);

testModels("records of another temperature are not taken up", async (folder, { sure: model }) => {
  const list = join(folder, "list.csv"), out = join(folder, "report");
  await Deno.writeTextFile(list, `${CAT},0`);
  const args = ["--model", model, "--out", out, "--json", list];
  const crossEntropy = async () =>
    JSON.parse(await printed(evaluateCommand, args)).variants[0].crossEntropy;
  const before = await crossEntropy();
  assertEquals(await crossEntropy(), before);
  await Deno.writeFile(model, await modelBytes({ ...(await smallVgg()).model, temperature: 3 }));
  await assertRejects(crossEntropy, UsageError, `${out} has a report`);
  args.push("--force");
  assertEquals(await crossEntropy() === before, false);
});

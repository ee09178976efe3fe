/** `explain`: writes pictures of which part of an image speaks for a class. */

import { makeFolder } from "../platform.ts";
import { loadClassifier } from "../classifier.ts";
import { drawExplanation } from "../explain/draw.ts";
import { encodePng } from "../image/codecs/encode_png.ts";
import { writeWhole } from "../io/atomic_file.ts";
import { EXPLANATION_OPTIONS, pickOptions, type Table, text } from "../options.ts";
import { UsageError } from "./usage_error.ts";
import type { Command } from "./command.ts";
import { expandInputs } from "./inputs.ts";
import { keepInputs, outputsOf } from "./outputs.ts";
import { CLASSIFIER_FLAGS, CLASSIFIER_TITLE, eachAlone, keepEach } from "./run.ts";
import { print, tell } from "./terminal.ts";

const OPTIONS = {
  out: text({ placeholder: "DIR" }, "Where the pictures go, as PNG files"),
  ...EXPLANATION_OPTIONS,
  ...CLASSIFIER_FLAGS,
} satisfies Table;

export const explainCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS] --out DIR FILE|URL|DIRECTORY|- ...",
  options: OPTIONS,
  titles: CLASSIFIER_TITLE,
  notes: "Exit code: 0, or 1 if an image could not be explained, or 2 for a wrong command line.",

  async run(operands, options, signal) {
    const { out } = options;
    if (out === undefined) throw new UsageError("explain needs --out DIR for its pictures");
    const inputs = await expandInputs(operands);
    const outputs = outputsOf(inputs, out, ".png");
    await keepInputs([...inputs.map(({ place }) => place), options.model], outputs.values());
    const wanted = { ...pickOptions(CLASSIFIER_FLAGS, options), signal, onWarning: tell };
    await using classifier = await loadClassifier(wanted);
    await makeFolder(out);
    const explaining = { ...pickOptions(EXPLANATION_OPTIONS, options), signal };
    const items = eachAlone(inputs, signal, async (image) => {
      const explanation = await classifier.explain(image, explaining);
      return { ...explanation, png: await encodePng(await drawExplanation(explanation)) };
    });
    const verb = ["Explaining", "explained"] as const;
    return await keepEach(items, inputs.length, verb, async ({ result }, file) => {
      const { label, score, png } = result;
      const path = outputs.get(file)!; // Of every input.
      await writeWhole(path, png);
      print(`${file}  ${label} ${(score * 100).toFixed(1)} %  ${path}`);
    });
  },
};

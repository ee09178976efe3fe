/** `explain`: writes pictures of which part of an image speaks for a class. */

import { drawExplanation } from "../explain/draw.ts";
import { checkExplanation } from "../explain/explain.ts";
import { encodePng } from "../image/codecs/encode_png.ts";
import { EXPLANATION_OPTIONS, pickOptions, RESOLVE_OPTIONS, type Table, text } from "../options.ts";
import type { Command } from "./command.ts";
import { expandInputs, INPUT_FLAGS } from "./inputs.ts";
import { openClassifier, openModel } from "./loading.ts";
import { checkOutputs, OUTPUT_FLAGS, outputsOf, writeOutput } from "./outputs.ts";
import { FORMAT_FLAGS, formatOf, Results } from "./results.ts";
import { CLASSIFIER_FLAGS, eachAlone, keepEach, once, withSettings } from "./run.ts";
import { settingsOf } from "./settings.ts";
import { parseShard, SHARD_OPTION, takeShard } from "./shard.ts";
import { UsageError } from "./usage_error.ts";

const OPTIONS = {
  outDir: text({ placeholder: "DIR" }, "Where the pictures go, as PNG files, each at its own path"),
  ...EXPLANATION_OPTIONS,
  ...FORMAT_FLAGS,
  ...OUTPUT_FLAGS,
  ...INPUT_FLAGS,
  ...SHARD_OPTION,
  ...CLASSIFIER_FLAGS,
} satisfies Table;

export const explainCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS] --out-dir DIR PICTURE ...",
  operands: {
    "PICTURE": "A file, a folder, a URL, a pattern, or - for one picture on standard input",
  },
  examples: [
    { line: "vgg16 explain cat.jpg --out maps" },
    { line: "vgg16 explain photos --out maps --label tabby --scale 448", about: "a finer map" },
  ],
  options: OPTIONS,
  groups: { "What is drawn": ["label", "method", "scale"] },
  notes: "Exit code: 0, or 1 if an image could not be explained, or 2 for a wrong command line.",

  async run(operands, options, signal) {
    const { outDir } = options, format = formatOf(options);
    if (outDir === undefined) throw new UsageError("explain needs --out-dir DIR for its pictures");
    const all = await expandInputs(operands, options), outputs = outputsOf(all, outDir, ".png");
    const inputs = takeShard(once(all, true), parseShard(options.shard), ({ name }) => name);
    const isWanted = await checkOutputs({
      reads: [...all.map(({ place }) => place), options.model, options.filesFrom],
      writes: inputs.map(({ name }) => outputs.get(name)!), // Of every input.
    }, options);
    if (!isWanted) return 0;
    const wanted = { ...pickOptions(CLASSIFIER_FLAGS, options), signal };
    const model = await openModel(options.model, pickOptions(RESOLVE_OPTIONS, wanted));
    await using classifier = await openClassifier({ ...wanted, model });
    const explaining = pickOptions(EXPLANATION_OPTIONS, options);
    withSettings(() => checkExplanation(explaining, model, classifier.info.classes));
    const { label, scale, method = EXPLANATION_OPTIONS.method.default } = explaining;
    const settings = settingsOf("explain", [model], classifier.info, {
      method,
      ...label !== undefined && { label: String(label) },
      ...scale !== undefined && { scale: String(scale) },
    });
    const results = new Results<Explained>(format, {
      settings: { ...settings, backend: classifier.info.backend },
      columns: ["file", "label", "score", "picture", "error"],
      record: (result) => result,
      rows: ({ file, label, score, picture }) => [[file, label, score, picture, ""]],
      text: ({ file, label, score, picture }) =>
        `${label} ${(score * 100).toFixed(1)} %  ${file} -> ${picture}`,
    });
    const items = eachAlone(inputs, signal, async (image) => {
      const explanation = await classifier.explain(image, { ...explaining, signal });
      return { ...explanation, png: await encodePng(await drawExplanation(explanation)) };
    });
    const verb = ["Explaining", "explained"] as const;
    const about = { total: inputs.length, done: 0, verb, where: outDir, goesOn: false, signal };
    try {
      return await keepEach(items, about, async ({ result: { label, score, png } }, file) => {
        const picture = outputs.get(file)!;
        await writeOutput(picture, png, options.force);
        results.add({ file, label, score, picture });
      }, (failure) => results.fail(failure));
    } finally {
      results.end();
    }
  },
};

/** What is said of a picture. */
interface Explained {
  readonly file: string;
  readonly label: string;
  readonly score: number;
  /** Where it is drawn. */
  readonly picture: string;
}

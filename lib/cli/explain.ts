/**
 * `explain`: writes pictures of which part of an image speaks for a class.
 *
 * @module
 */

import { join } from "@std/path/join";
import { loadClassifier } from "../classifier.ts";
import { drawExplanation } from "../explain/draw.ts";
import type { ExplainOptions } from "../explain/explain.ts";
import { encodePng } from "../image/codecs/encode_png.ts";
import { choiceOption, numberOption, parseArguments, UsageError } from "./arguments.ts";
import { expandInputs } from "./inputs.ts";
import {
  CLASSIFIER_HELP,
  CLASSIFIER_OPTIONS,
  classifierOptions,
  eachImage,
  NameGiver,
  untilInterrupted,
} from "./run.ts";

const HELP = `Writes pictures of which part of an image speaks for a class.

Usage: explain [OPTIONS] --out DIR FILE|URL|DIRECTORY|- ...

Options:
  --out DIR             where the pictures go, as PNG files
  --label LABEL         the class to explain (default: the predicted one)
  --method METHOD       grad-cam, or score-map: the class's probability at each place (default: grad-cam)
  --scale Q             look at the whole image with its shorter side resized to Q pixels; a larger Q
                        gives a finer map (default: the view that classify takes)
${CLASSIFIER_HELP}
  --help                shows this

Exit code: 0, or 1 if an image could not be explained, or 2 for a wrong command line.
`;

/** Runs the command. Resolves to the exit code. */
export async function explainCommand(args: readonly string[]): Promise<number> {
  const parsed = parseArguments(args, {
    flags: ["offline"],
    values: [...CLASSIFIER_OPTIONS, "out", "label", "method", "scale"],
  });
  if (parsed.flags.has("help")) {
    console.log(HELP);
    return 0;
  }
  const out = parsed.values.get("out");
  if (out === undefined) throw new UsageError("explain needs --out DIR for its pictures");
  if (parsed.operands.length === 0) {
    throw new UsageError("explain needs at least one file, URL, directory or - to read");
  }
  const choices: ExplainOptions = {
    label: parsed.values.get("label"),
    method: choiceOption(parsed, "method", ["grad-cam", "score-map"]),
    scale: numberOption(parsed, "scale", { min: 1, integer: true }),
  };
  const inputs = await expandInputs(parsed.operands);
  return await untilInterrupted(async (signal) => {
    await using classifier = await loadClassifier({ ...classifierOptions(parsed), signal });
    await Deno.mkdir(out, { recursive: true });
    const names = new NameGiver();
    const verb = ["Explaining", "explained"] as const;
    return await eachImage(inputs, verb, signal, async (image, file) => {
      const explanation = await classifier.explain(image, { ...choices, signal });
      const path = join(out, names.name(file, ".png"));
      await Deno.writeFile(path, await encodePng(await drawExplanation(explanation)));
      const { label, score } = explanation;
      return `${file}  ${label} ${(score * 100).toFixed(1)} %  ${path}`;
    });
  });
}

/** What the command line makes of a model that `fit` made. */

import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { loadClassifier } from "../../lib/classifier.ts";
import { classifyCommand } from "../../lib/cli/classify.ts";
import { type Command, runCommand } from "../../lib/cli/command.ts";
import { embedCommand } from "../../lib/cli/embed.ts";
import { explainCommand } from "../../lib/cli/explain.ts";
import { fitCommand } from "../../lib/cli/fit.ts";
import { modelsCommand } from "../../lib/cli/models.ts";
import { encodePng } from "../../lib/image/codecs/encode_png.ts";
import type { Table } from "../../lib/options.ts";
import { CIFAR10 } from "../support/cifar10.ts";
import { catsAndDogs } from "../support/fitted.ts";
import { printedBy } from "../support/printed.ts";

const CAT = join(fromFileUrl(new URL("../data/photos/", import.meta.url)), "cat.png");
const ENGINE = ["--backend", "wasm", "--threads", "1"];

/** What a command prints, and its exit code. */
async function run<T extends Table>(
  command: Command<T>,
  ...args: string[]
): Promise<{ code: number; text: string }> {
  let code = 0;
  const { both } = await printedBy(async () => code = await runCommand(command, args));
  return { code, text: both.trimEnd() };
}

/** A test with a folder of cats and dogs. */
function testIn(name: string, test: (folder: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const folder = await Deno.makeTempDir();
    try {
      const { labels, samples } = catsAndDogs(8);
      for (const label of labels) {
        await Deno.mkdir(join(folder, "pets", label), { recursive: true });
      }
      for (const { file, image } of samples) {
        await Deno.writeFile(join(folder, "pets", `${file}.png`), await encodePng(image));
      }
      await test(folder);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

testIn("fit's options say what the new model sees, and models info tells it", async (folder) => {
  const model = join(folder, "pets.safetensors"), pets = join(folder, "pets");
  const own = ["--layer", "pool3,pool5", "--sides", "64,32", "--mirror", "off", "--head", "linear"];
  const fitted = await run(fitCommand, ...ENGINE, "--model", CIFAR10, ...own, "--out", model, pets);
  assertEquals(fitted.code, 0, fitted.text);
  assertEquals(
    [...Deno.readDirSync(join(folder, "pets-fit"))].map(({ name }) => name.replace(/-\w{16}/, ""))
      .sort(),
    ["features.bin", "fit.lock", "report.html"],
  );

  const { text } = await run(modelsCommand, "info", model);
  assertMatch(text, /^id +pets$/m);
  assertMatch(text, /^classes +2$/m);
  const { readout, classes, head } = JSON.parse(
    (await run(modelsCommand, "info", model, "--json")).text,
  );
  assertEquals([classes, head], [2, "softmax"]);
  assertEquals(readout, {
    features: {
      sizes: [[32, 32], [64, 64]],
      blocks: [{ layer: "pool3", pooling: "avg" }, { layer: "pool5", pooling: "avg" }],
      mirrored: false,
    },
    head: { kind: "dense", units: [2] },
  });
  assertStringIncludes(text, JSON.stringify(readout));

  await using classifier = await loadClassifier({ model, backend: "wasm", threads: 1 });
  const classified = await run(classifyCommand, ...ENGINE, "--model", model, "--json", CAT);
  assertEquals(JSON.parse(classified.text).results[0].predictions, await classifier.classify(CAT));
  const embedded = await run(embedCommand, ...ENGINE, "--model", model, CAT);
  const { data, layer } = JSON.parse(embedded.text.split("\n")[1]!);
  const search = await classifier.embed(CAT);
  assertEquals([layer, Float32Array.from(data)], ["search", search.data]);
  const out = join(folder, "explained"), shown = ["--model", model, "--out", out, "--label", "dog"];
  assertEquals((await run(explainCommand, ...ENGINE, ...shown, CAT)).code, 0);
  assertEquals([...Deno.readDirSync(out)].map(({ name }) => name), ["cat.png"]);
});

testIn("fit tells which options do not go together", async (folder) => {
  const pets = join(folder, "pets"), out = join(folder, "pets.safetensors");
  for (
    const [args, message] of [
      [["--epochs", "3"], "epochs has no effect without hidden"],
      [["--hidden", "4", "--folds", "3"], "folds has no effect beside hidden"],
      [["--hidden", "4", "--head", "nearest"], "hidden is for a linear head"],
      [["--layer", "pool9"], "conv1_1"],
      [["--layer", "fc7", "--sides", "64"], "leave out sides"],
      [["--scratch", "A", "--layer", "pool5"], "--layer does not go with --scratch"],
      [["--scratch", "A", "--mirror", "on"], "--mirror does not go with --scratch"],
      [["--scratch", "A", "--model", "vgg16"], "--model does not go with --scratch"],
      [["--scratch", "A", "--hidden", "8"], "--hidden does not go with --scratch"],
      [["--scratch", "A", "--patience", "3"], "--patience does not go with --scratch"],
      [["--scratch", "A", "--whitening", "pca"], '--whitening must be one of "none", "zca"'],
      [["--scratch", "A", "--channels", "2"], '--channels must be one of 1, 3: found "2"'],
      [
        ["--scratch", "A", "--channels", "3", "--grayscale"],
        "--grayscale does not go with --channels 3",
      ],
      [["--width", "0.5"], "--width does not go without --scratch"],
      [["--no-flip"], "--no-flip does not go without --scratch"],
    ] as const
  ) {
    const error = await assertRejects(
      () => run(fitCommand, ...ENGINE, ...args, "--out", out, pets),
      Error,
    );
    assertStringIncludes(error.message, message);
  }
});

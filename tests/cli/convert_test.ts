import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { fromFileUrl } from "@std/path";
import { UsageError } from "../../lib/cli/usage_error.ts";
import { runCommand } from "../../lib/cli/command.ts";
import { convertCommand } from "../../lib/cli/convert.ts";
import { modelsCommand } from "../../lib/cli/models.ts";
import { pullCommand } from "../../lib/cli/pull.ts";
import { convert } from "../../lib/convert/convert.ts";
import { CATALOG } from "../../lib/model/catalog.ts";
import { cachedModelPath } from "../../lib/io/cache.ts";
import { openModel } from "../../lib/model/file.ts";
import { CIFAR10_FILE } from "../support/cifar10.ts";
import { printedBy } from "../support/printed.ts";

const CHECKPOINT = fromFileUrl(new URL("../fixtures/checkpoints/zip_d.pth", import.meta.url));

/** Runs a command and gives its exit code and the lines that it printed. */
async function capture(command: () => Promise<number>): Promise<{ code: number; lines: string[] }> {
  let code = 0;
  const { out } = await printedBy(async () => code = await command());
  return { code, lines: out.trimEnd().split("\n") };
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("convert writes a model with the labels, preprocessing and license that it was given", async () => {
  await withFolder(async (folder) => {
    const out = `${folder}/model.safetensors`;
    const preprocessing = {
      resize: "direct",
      size: 64,
      filter: "bicubic",
      scale: 1,
      mean: [1, 2, 3],
      std: [4, 5, 6],
    };
    await Deno.writeTextFile(`${folder}/labels.txt`, "a\nb\r\nc\nd\ne\n");
    await Deno.writeTextFile(`${folder}/preprocessing.json`, JSON.stringify(preprocessing));
    const { code, lines } = await capture(() =>
      runCommand(convertCommand, [
        CHECKPOINT,
        ...["--out", out, "--id", "mine", "--license", "CC0", "--report"],
        ...["--labels", `${folder}/labels.txt`, "--preprocess", `${folder}/preprocessing.json`],
      ])
    );
    assertEquals(code, 0);
    const model = await openModel(out);
    assertEquals([model.id, model.labels.join(), model.provenance.license], [
      "mine",
      "a,b,c,d,e",
      "CC0",
    ]);
    assertEquals(model.preprocessing as unknown, preprocessing);
    assertEquals(lines.length, 1 + 16 + 2);
    assert(/^conv1_1 +4x3x3x3 .* dB$/.test(lines[1]), lines[1]);
    assertStringIncludes(lines.at(-2)!, "configuration D, 16 layers, input 64x64x3, from PyTorch");
    assertEquals(
      lines.at(-1),
      "images: resized at once, RGB, (p - [1, 2, 3]) / [4, 5, 6] (given)",
    );
    const told = await capture(() => runCommand(modelsCommand, ["info", out]));
    assertEquals(told.code, 0);
    assert(
      told.lines.includes(
        "images         resized at once, RGB, (p - [1, 2, 3]) / [4, 5, 6] (given)",
      ),
      told.lines.join("\n"),
    );
  });
});

Deno.test("convert --describe takes what is known of scores, and models info tells it", async () => {
  await withFolder(async (folder) => {
    const out = `${folder}/model.safetensors`, file = `${folder}/described.json`;
    const args = [CHECKPOINT, "--out", out, "--describe", file];
    await Deno.writeTextFile(file, JSON.stringify({ temperature: 1.25, sureScore: 0.75 }));
    assertEquals((await capture(() => runCommand(convertCommand, args))).code, 0);
    const { lines } = await capture(() => runCommand(modelsCommand, ["info", out]));
    assertEquals(
      lines.filter((line) => /^(temperature|sureScore) /.test(line)),
      ["temperature    1.25", "sureScore      0.75"],
    );
    const json = await capture(() => runCommand(modelsCommand, ["info", out, "--json"]));
    const { temperature, sureScore } = JSON.parse(json.lines.join("\n"));
    assertEquals([temperature, sureScore], [1.25, 0.75]);

    const wrong = [
      [{ temperature: 0 }, `${file}: temperature must be a number from 0.001 to 1000: found 0`],
      [{ sureScore: 2 }, `${file}: sureScore must be a number from 0 to 1: found 2`],
      [{ sureScor: 0.5 }, `${file}: There is no option sureScor: did you mean sureScore?`],
    ] as const;
    for (const [described, message] of wrong) {
      await Deno.writeTextFile(file, JSON.stringify(described));
      await assertRejects(
        () => runCommand(convertCommand, [...args, "--force"]),
        UsageError,
        message,
      );
    }
  });
});

Deno.test("CIFAR-10's model is what the converter makes of its description", async () => {
  const description = JSON.parse(
    await Deno.readTextFile(new URL("../../weights/cifar10/vgg16-cifar10.json", import.meta.url)),
  );
  const model = await openModel(CIFAR10_FILE);
  assertEquals(model.labels, description.labels);
  assertEquals(model.preprocessing, description.preprocessing);
  assertEquals(model.provenance, {
    ...description.provenance,
    sourceSha256: "cdf010a756bc1d709b6e8ea84d934b1c95c787ee4e9b84caffcead017e09e2b1",
  });
});

Deno.test("convert and pull say what is missing on their command lines", async () => {
  await assertRejects(() => runCommand(convertCommand, []), UsageError, "one SOURCE");
  await assertRejects(() => runCommand(convertCommand, [CHECKPOINT]), UsageError, "--out");
  await assertRejects(
    () => runCommand(convertCommand, [CHECKPOINT, "--out", "x", "--labels", "/nowhere"]),
    UsageError,
    "/nowhere",
  );
  await assertRejects(() => runCommand(pullCommand, []), UsageError, "at least one ID");
  await assertRejects(
    () => runCommand(pullCommand, ["vgg16-imagnet"]),
    UsageError,
    "no model vgg16-imagnet in the catalog: did you mean vgg16-imagenet?",
  );
});

Deno.test("models lists, tells about and removes models", async () => {
  await withFolder(async (cacheDir) => {
    const models = (...args: string[]) =>
      capture(() => runCommand(modelsCommand, [...args, "--cache-dir", cacheDir]));
    await convert(CHECKPOINT, { out: cachedModelPath("vgg16-torchvision", cacheDir) });
    const list: { id: string; here: boolean }[] =
      JSON.parse((await models("--json")).lines[0]).models;
    assertEquals(list.map(({ id }) => id), CATALOG.map(({ id }) => id));
    assertEquals(list.filter(({ here }) => here).map(({ id }) => id), [
      ...["vgg16-imagenet200", "vgg16-tiny-imagenet", "vgg16-cifar10", "vgg16-torchvision"],
    ]);
    const info = JSON.parse((await models("info", "vgg16-torchvision", "--json")).lines[0]);
    assertEquals([info.classes, info.architecture.configuration], [5, "D"]);

    assertMatch(
      (await models("remove", "vgg16-torchvision")).lines.join(),
      /^Removed: model of vgg16-torchvision, [\d.]+ [kM]B$/,
    );
    const names = (await Array.fromAsync(Deno.readDir(cacheDir))).map(({ name }) => name);
    assertEquals(names, ["vgg16-torchvision.lock"], "others may wait for the lock");
    await assertRejects(() => models("remove", "vgg16-cifar10"), UsageError, "part of a package");
    await assertRejects(
      () => models("info", "vgg16-imagnet"),
      UsageError,
      "did you mean vgg16-imagenet?",
    );
  });
});

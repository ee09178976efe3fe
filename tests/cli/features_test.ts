import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { loadClassifier } from "../../lib/classifier.ts";
import { encodePng } from "../../lib/image/codecs/encode_png.ts";
import { decodeImage } from "../../lib/image/decode.ts";
import { cropImage } from "../../lib/image/resize.ts";
import { CIFAR10 } from "../support/cifar10.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PHOTOS = join(ROOT, "tests/data/photos");
const CAT = join(PHOTOS, "cat.png"), BOATS = join(PHOTOS, "boats.jpg");

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command on CIFAR-10's model; it may write below a directory. */
async function run(directory: string, args: readonly string[]): Promise<Run> {
  const [command, ...rest] = args;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--allow-read", "--allow-env", "--allow-sys"],
      ...[`--allow-write=${directory}`, join(ROOT, "cli.ts"), command!],
      ...["--model", CIFAR10, "--backend", "wasm", ...rest],
    ],
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** A test with a directory of its own. */
function testIn(name: string, fn: (directory: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const directory = await Deno.makeTempDir();
    try {
      await fn(directory);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}

/** Folders of the fixture's images: cats and dogs, `count` each from `first` on. */
async function writePictures(directory: string, first: number, count: number): Promise<void> {
  const sheet = await decodeImage(
    await Deno.readFile(join(ROOT, "tests/fixtures/cifar10/sheet.png")),
  );
  for (const [name, row] of [["cat", 3], ["dog", 5]] as const) {
    await Deno.mkdir(join(directory, name), { recursive: true });
    for (let n = first; n < first + count; n++) {
      const box = { left: n * 32, top: row * 32, width: 32, height: 32 };
      await Deno.writeFile(
        join(directory, name, `${n}.png`),
        await encodePng(cropImage(sheet, box)),
      );
    }
  }
}

testIn(
  "classify --draw writes pictures, and each at its own path",
  async (directory) => {
    const out = join(directory, "drawn");
    const other = join(directory, "other", "cat.png");
    await Deno.mkdir(join(directory, "other"));
    await Deno.copyFile(CAT, other);
    // What is given twice is drawn once.
    const { code } = await run(directory, ["classify", "--draw", out, CAT, other, CAT]);
    assertEquals(code, 0);
    await Deno.stat(join(out, other));
    const picture = await decodeImage(await Deno.readFile(join(out, CAT)));
    assertEquals([picture.width, picture.height], [451, 300]);
  },
);

testIn("classify averages over views as the API does", async (directory) => {
  const options = ["--crops", "dense+multi", "--scales", "40,48", "--flip", "--json"];
  const { stdout } = await run(directory, ["classify", ...options, CAT]);
  await using classifier = await loadClassifier({ model: CIFAR10, backend: "wasm" });
  const views = { crops: "dense+multi", scales: [40, 48], flip: true } as const;
  assertEquals(JSON.parse(stdout).results[0].predictions, await classifier.classify(CAT, views));
  const wrong = await run(directory, ["classify", "--scales", "16", CAT]);
  assertEquals(wrong.code, 2);
  assertMatch(wrong.stderr, /scales must be integers from 32/);
});

testIn("explain writes a picture of the class that is asked for", async (directory) => {
  const out = join(directory, "explained");
  const args = ["explain", "--out", out, "--label", "ship", "--scale", "96", BOATS];
  const { code, stdout, stderr } = await run(directory, args);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^ship \d+\.\d % {2}\S+boats\.jpg -> /);
  const picture = await decodeImage(await Deno.readFile(join(out, "boats.png")));
  assert(picture.width > 320 && picture.height > 200);
  const elsewhere = join(directory, "elsewhere");
  const line = ["explain", "--out", elsewhere, "--label", "shop", BOATS];
  const unknown = await run(directory, line);
  assertEquals(unknown.code, 2);
  assertMatch(unknown.stderr, /did you mean "ship"/);
});

testIn(
  "fit makes a model of two folders, and evaluate measures it and resumes",
  async (directory) => {
    const train = join(directory, "train"), test = join(directory, "test");
    await writePictures(train, 0, 10);
    await writePictures(test, 10, 10);
    const out = join(directory, "pets.safetensors");
    const fitted = await run(directory, [
      "fit",
      "--out",
      out,
      "--hidden",
      "8",
      "--epochs",
      "8",
      train,
    ]);
    assertEquals(fitted.code, 0, fitted.stderr);
    assertMatch(fitted.stdout, /2 classes/);
    assertMatch(fitted.stderr, /val\. balanced accuracy\n +1 /);
    const report = await Deno.readTextFile(join(directory, "pets-fit/report.html"));
    assertStringIncludes(report, "Learning curves");
    assertStringIncludes(
      await Deno.readTextFile(join(directory, "pets-fit/learning_curve.svg")),
      "<svg",
    );

    const reports = join(directory, "reports");
    const compare = "center; dense 32,40 flip";
    const args = [
      "evaluate",
      "--model",
      out,
      "--out",
      reports,
      "--compare",
      compare,
      "--json",
      test,
    ];
    const first = await run(directory, args);
    assertEquals([first.code, first.stderr], [0, `Report: ${join(reports, "report.html")}\n`]);
    const { variants: rows } = JSON.parse(first.stdout);
    assertEquals(rows.map(({ mode, scales }: Record<string, string>) => [mode, scales]), [
      ["center", "32"],
      ["dense, flip", "32, 40"],
    ]);
    assertEquals(rows[0].images, 20);
    assert(rows[0].top1 >= 0.7, `${rows[0].top1} of 20 unseen pictures`);
    const kept = JSON.parse(await Deno.readTextFile(join(reports, "report.json"))).variants;
    assertEquals(kept, rows.map(({ imagesPerSecond: _, ...row }: Record<string, unknown>) => row));
    // All is known now: the same figures without a picture being classified.
    const { variants: again } = JSON.parse((await run(directory, args)).stdout);
    assertEquals(again[0].confusion, rows[0].confusion);
    assertEquals(again[0].imagesPerSecond, null);
  },
);

testIn("commands name what is missing", async (directory) => {
  for (
    const [args, message] of [
      [["evaluate"], /needs one directory/],
      [["evaluate", "--compare", "dnse", directory], /the word "dnse"/],
      [["fit", directory], /needs --out/],
      [["explain", CAT], /needs --out/],
      [["embed"], /at least one file/],
    ] as const
  ) {
    const { code, stderr } = await run(directory, args);
    assertEquals(code, 2);
    assertMatch(stderr, message);
  }
  const empty = await run(directory, ["evaluate", directory]);
  assertEquals(empty.code, 2);
  assertMatch(empty.stderr, /one folder per class/);
});

/** What people are told who gave the wrong thing: what it is, and what to do. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { runCli } from "../support/run_cli.ts";

const path = (name: string): string => fromFileUrl(new URL(name, import.meta.url));
const CHECKPOINTS = path("../fixtures/checkpoints/");
const TINY = path("../../weights/small/vgg16-tiny-imagenet.safetensors");
const CAT = path("../data/photos/cat.png");

/** Runs a command that ends before it has done anything. Gives what standard error says. */
async function refused(args: readonly string[], code: 1 | 2 = 2, cwd?: string): Promise<string> {
  const run = await runCli(args, { cwd });
  assertEquals([run.code, run.stdout], [code, ""], run.stderr);
  assert(!/os error|^\s+at /m.test(run.stderr), run.stderr);
  return run.stderr;
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a checkpoint that is given as a model is called what it is, with the command that converts it", async () => {
  const kinds: Record<string, string> = {
    "zip_b_grey.pth": "a PyTorch checkpoint",
    "legacy_module_d.pth": "a PyTorch checkpoint",
    "timm_e.safetensors": "a safetensors checkpoint",
    "keras_d.h5": "a Keras checkpoint",
    "keras/k212.keras": "a Keras checkpoint",
    "c.onnx": "an ONNX model",
    "d.npz": "a NumPy archive",
    "v1_d.caffemodel": "a Caffe checkpoint",
  };
  for (const [name, what] of Object.entries(kinds)) {
    const file = join(CHECKPOINTS, name);
    const said = await refused(["profile", "--model", file]);
    assertStringIncludes(said, `error: ${file} is ${what}, not a model file: convert it: `);
    const out = file.replace(/(-int8)?\.[^.]+$/, "");
    const [, made] = / convert \S+ --out (\S+)\n/.exec(said) ?? [];
    assert(made?.startsWith(out) && made.endsWith(".safetensors") && made !== file, said);
  }
});

Deno.test("the command that is told for a checkpoint makes a model", () =>
  withFolder(async (folder) => {
    const file = join(folder, "my net.pth");
    await Deno.copyFile(join(CHECKPOINTS, "zip_d.pth"), file);
    const said = await refused(["profile", "--model", file]);
    const [, from, out] = / convert '(.+)' --out '(.+)'\n/.exec(said)!;
    assertEquals([from, out], [file, join(folder, "my net.safetensors")]);
    assertEquals((await runCli(["convert", from!, "--out", out!])).code, 0);
    assertEquals((await runCli(["models", "info", out!])).code, 0);
  }));

Deno.test("what is no model, nor can become one, is called what it is", async () => {
  const image = await refused(["classify", CAT, "--model", CAT]);
  assertStringIncludes(image, `${CAT} is an image, not a model file: `);
  const source = path("error_words_test.ts");
  assertMatch(
    await refused(["models", "info", source]),
    /is of no format that is known, not a model/,
  );
});

Deno.test("a damaged model file is no checkpoint", () =>
  withFolder(async (folder) => {
    const file = join(folder, "damaged.safetensors"), bytes = await Deno.readFile(TINY);
    await Deno.writeFile(file, bytes.subarray(0, bytes.length >> 1));
    assert(!(await refused(["profile", "--model", file], 1)).includes("convert"));
  }));

Deno.test("a model file that is to be converted is one already", () =>
  withFolder(async (folder) => {
    const said = await refused(["convert", TINY, "--out", join(folder, "out.safetensors")]);
    assertStringIncludes(said, `error: ${TINY} is a model file already: `);
    assertEquals(await Array.fromAsync(Deno.readDir(folder)), []);
  }));

Deno.test("a model that is not there is told with what was meant", () =>
  withFolder(async (folder) => {
    await Deno.copyFile(TINY, join(folder, "my.safetensors"));
    await Deno.mkdir(join(folder, "empty"));
    const model = (name: string) => refused(["profile", "--model", name], 2, folder);
    assertStringIncludes(await model("my"), "Did you mean my.safetensors?\n");
    assertStringIncludes(await model("./my"), "Did you mean ./my.safetensors?\n");
    assertStringIncludes(await model("vgg16-imagenett"), "Did you mean vgg16-imagenet?\n");
    const far = await model("resnet50");
    assert(!far.includes("Did you mean"), far);
    assertStringIncludes(far, "The command models lists");
    assertMatch(
      await model(folder),
      /is a folder, not a model file: did you mean \S+\/my.safetensors\?/,
    );
    assertMatch(
      await model("empty"),
      /empty is a folder, .* convert it: .*--out empty.safetensors\n/,
    );
  }));

Deno.test("pull of what comes with the program has nothing to do, and of a misspelt id does nothing", async () => {
  const { code, stdout, stderr } = await runCli([
    "pull",
    "vgg16-imagenet200",
    "--cache-dir",
    "/none",
  ]);
  assertEquals([code, stdout], [0, ""]);
  assertEquals(stderr, "vgg16-imagenet200 is part of the package: nothing to pull\n");
  const near = await refused([
    "pull",
    "vgg16-imagenet200",
    "vgg19-imagenat",
    "--cache-dir",
    "/none",
  ]);
  assertMatch(
    near,
    /^error: There is no model vgg19-imagenat in the catalog: did you mean vgg19-imagenet\?\n/,
  );
  assertMatch(
    await refused(["pull", "resnet50"]),
    /no model resnet50 in the catalog: .* models lists them\n/,
  );
});

Deno.test("a file that is not there is told in words", async () => {
  for (const [name, code] of [["missing.jpg", 1], ["*.jpg", 2]] as const) {
    const args = ["classify", "--model", "vgg16-tiny-imagenet", name];
    const said = await refused(args, code, path("../fixtures/cifar10/"));
    assertMatch(said, /there is no (such file|file like)/i);
  }
  assertMatch(
    await refused(["evaluate", "nowhere"]),
    /There is no such file or folder: nowhere\n/,
  );
  assertMatch(
    await refused(["convert", "no.pth", "--out", "x.safetensors"]),
    /no\.pth: there is none/,
  );
});

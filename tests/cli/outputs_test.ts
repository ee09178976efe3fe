import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { checkModelName, checkOutputs, keepInputs, outputsOf } from "../../lib/cli/outputs.ts";
import { UsageError } from "../../lib/cli/usage_error.ts";
import { random } from "../support/random_model.ts";
import { CIFAR10, CIFAR10_FILE } from "../support/cifar10.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const CHECKPOINTS = join(ROOT, "tests/fixtures/checkpoints");
const photo = await Deno.readFile(new URL("../data/photos/cat.png", import.meta.url));

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("each input has an output of its own, the same one whatever is done of them", () => {
  const namesOf = (...inputs: string[]): string[] => [
    ...outputsOf(inputs.map((name) => ({ name, place: name })), "out", ".png").values(),
  ];
  assertEquals(
    namesOf("a/cat.jpg", "b/cat.png", "http://x.test/cat.png", "-", "a/CAT.gif", "a/cat.jpg"),
    ["out/a/cat.png", "out/b/cat.png", "out/x.test/cat.png", "out/stdin.png", "out/a/CAT.gif.png"],
  );
  assertEquals(namesOf("a/1.jpg", "a/1.png", "a/1.jpeg"), [
    ...["out/a/1.jpg.png", "out/a/1.png", "out/a/1.jpeg.png"],
  ]);
  assertEquals(
    namesOf(
      "x#1.png",
      "x?2.png",
      ".png",
      "http://x.test/",
      "http://x.test:80/a.png (2)",
      "../../up.png",
    ),
    [
      ...[
        "out/x#1.png",
        "out/x_2.png",
        "out/image.png",
        "out/x.png",
        "out/x.test_80/a.png",
        "out/up.png",
      ],
    ],
  );
});

Deno.test("drawn outputs never name an input, by any path, and nothing else is refused", () =>
  inFolder(async (folder) => {
    await Deno.mkdir(join(folder, "real/deep"), { recursive: true });
    await Deno.symlink(join(folder, "real"), join(folder, "link"));
    const names = ["a.png", "b.png"];
    for (const name of names) await Deno.writeFile(join(folder, "real", name), photo);
    await Deno.symlink(join(folder, "real/a.png"), join(folder, "real/deep/c.png"));
    const ways: [path: string, real: string][] = [
      ...["real", "link", "real/../link", "./real/deep/..", "link/deep/.."]
        .flatMap((way) => names.map((name): [string, string] => [`${way}/${name}`, name])),
      ...[["real/deep/c.png", "a.png"], ["link/deep/c.png", "a.png"]] as [string, string][],
      ...[["real/new.png", "new.png"], ["nowhere/a.png", "none"]] as [string, string][],
    ];
    const next = random(3);
    const draw = (): [string, string][] =>
      Array.from(
        { length: 1 + Math.floor(next() * 3) },
        () => ways[Math.floor(next() * ways.length)]!,
      );
    for (let n = 0; n < 300; n++) {
      const inputs = draw(), outputs = draw();
      const path = ([way]: [string, string]): string => `${folder}/${way}`;
      const isRead = outputs.some(([, real]) =>
        names.includes(real) && inputs.some(([, read]) => read === real)
      );
      const kept = keepInputs(
        [...inputs.map(path), "-", undefined, "vgg16-imagenet", "http://x.test/a.png"],
        outputs.map(path),
      );
      if (isRead) await assertRejects(() => kept, UsageError, "would be replaced");
      else await kept;
    }
  }));

Deno.test("an output that is a directory is refused", () =>
  inFolder(async (folder) => {
    await assertRejects(
      () => checkOutputs({ reads: [], writes: [join(folder, "new.npy"), folder] }, {}),
      UsageError,
      `Expected a file to write: ${folder} is a directory`,
    );
  }));

Deno.test("no command replaces what it reads", () =>
  inFolder(async (folder) => {
    const copy = async (name: string, from: string): Promise<void> => {
      await Deno.mkdir(join(folder, name, ".."), { recursive: true });
      await Deno.copyFile(from, join(folder, name));
    };
    await copy("q/cat.png", join(ROOT, "tests/data/photos/cat.png"));
    await copy("m.safetensors", join(CHECKPOINTS, "timm_e.safetensors"));
    await copy("model.safetensors", fromFileUrl(CIFAR10_FILE));
    await copy("report/report.json", fromFileUrl(CIFAR10_FILE));
    await Deno.writeTextFile(join(folder, "labels"), "a\nb\n");
    await Deno.writeTextFile(join(folder, "list.csv"), "q/cat.png,cat\n");
    await Deno.writeTextFile(join(folder, "list"), "q/cat.png,cat\n");
    await Deno.symlink(join(folder, "m.safetensors"), join(folder, "link.safetensors"));
    const before = await contents(folder);
    const wasm = ["--model", CIFAR10, "--backend", "wasm"];
    for (
      const line of [
        ["explain", ...wasm, "q/cat.png", "--out", "q"],
        ["explain", ...wasm, "q", "--out", "./q"],
        ["classify", ...wasm, "q", "--draw", "q"],
        ["classify", ...wasm, "q/cat.png", "--out", "q/cat.png"],
        ["classify", ...wasm, "--model", "model.safetensors", "q", "--out", "model.safetensors"],
        ["embed", ...wasm, "--model", "model.safetensors", "q", "--out", "model.safetensors"],
        ["fit", ...wasm, "--model", "model.safetensors", "list.csv", "--out", "model.safetensors"],
        ["fit", ...wasm, "list", "--out", "list"],
        ["evaluate", ...wasm, "--model", "report/report.json", "--out", "report", "list.csv"],
        ["convert", "m.safetensors", "--out", "m.safetensors"],
        ["convert", "link.safetensors", "--out", "q/../m.safetensors"],
        ["convert", "m.safetensors", "--labels", "labels", "--out", "labels"],
      ]
    ) {
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "--quiet", "--no-prompt", "--no-check", "-A"],
          ...["--config", join(ROOT, "deno.json"), join(ROOT, "cli.ts"), ...line],
        ],
        cwd: folder,
        env: { NO_COLOR: "1", XDG_RUNTIME_DIR: "/tmp" },
        stdin: "null",
      }).output();
      const text = new TextDecoder().decode(stderr);
      assertEquals(code, 2, `${line.join(" ")}: ${text}`);
      assertStringIncludes(text, "would be replaced by", line.join(" "));
    }
    assertEquals(await contents(folder), before);
  }));

/** Length of each file below a folder, by its path. */
async function contents(folder: string): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) Object.assign(found, await contents(path));
    else found[path] = (await Deno.stat(path)).size;
  }
  return Object.fromEntries(Object.entries(found).sort());
}

Deno.test("a model is named as what it is", () => {
  for (const out of ["my", "my.safetensors", "a.b/MY.SAFETENSORS"]) checkModelName(out);
  for (const out of ["my.h5", "a/my.onnx"]) {
    const { message } = assertThrows(() => checkModelName(out), UsageError);
    assertStringIncludes(message, `name it ${out.replace(/[^.]*$/, "")}safetensors`);
  }
});

Deno.test("an output is no folder of another, in whatever order they come", async () => {
  for (const writes of [["a/b", "a/b/c/d"], ["a/b/c/d", "A/b"]]) {
    await assertRejects(() => checkOutputs({ reads: [], writes }, {}), UsageError, "folder");
  }
  assertEquals(await checkOutputs({ reads: [], writes: ["a/b", "a/bc/d", "ab"] }, {}), true);
});

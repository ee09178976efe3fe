/** Paths are paths, URLs are URLs, and `--offline` asks the network for nothing. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { loadClassifier } from "../../lib/classifier.ts";
import { OfflineError } from "../../lib/errors.ts";
import { evaluate } from "../../lib/evaluate/evaluate.ts";
import { htmlReport } from "../../lib/evaluate/report.ts";
import { CIFAR10 } from "../support/cifar10.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const CHECKPOINT = join(ROOT, "tests/fixtures/checkpoints/zip_b_grey.pth");
const CIFAR = { model: CIFAR10, backend: "wasm" } as const;
const cifar = ["--model", CIFAR10, "--backend", "wasm"];
const photo = await Deno.readFile(new URL("../data/photos/cat.png", import.meta.url));

/** A server that counts who asks it, and has an empty folder for `use`. */
async function withServer(
  use: (server: { url: string; hits: () => number }, folder: string) => Promise<void>,
): Promise<void> {
  let hits = 0;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    hits++;
    return new Response(photo);
  });
  const folder = await Deno.makeTempDir();
  try {
    await use({ url: `http://127.0.0.1:${server.addr.port}`, hits: () => hits }, folder);
  } finally {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
}

async function run(
  cwd: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const [command, ...rest] = args;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", "--no-check", "-A", "--config", join(ROOT, "deno.json")],
      ...[join(ROOT, "cli.ts"), command!, ...rest],
    ],
    cwd,
    env: { NO_COLOR: "1", XDG_RUNTIME_DIR: "/tmp", VGG16_CACHE_DIR: join(cwd, "cache"), ...env },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("folders and files are read from the disk, whatever they are called", () =>
  withServer(async ({ url, hits }, folder) => {
    const host = new URL(url).host;
    const names = [
      ...[join("http:", host, "a.png"), join("https:", "b.png"), join("file:", "c.png")],
      ...["data:image;x,d.png", "e#1.png", "f?x=1.png", "-.png", "--json.png", "c:g.png"],
    ];
    for (const name of names) {
      await Deno.mkdir(join(folder, name, ".."), { recursive: true });
      await Deno.writeFile(join(folder, name), photo);
    }
    const walked = await run(folder, ["classify", ...cifar, "--json", "."]);
    assertEquals(walked.code, 0, walked.stderr);
    const files: string[] = JSON.parse(walked.stdout).results.map(({ file }: { file: string }) =>
      file
    );
    assertEquals(files.map((file) => join(file)).sort(), names.toSorted());

    const list = names.map((name) => `"${name}",cat`).join("\n");
    await Deno.writeTextFile(join(folder, "list.csv"), list);
    const listed = await run(folder, [
      "evaluate",
      ...cifar,
      "--out",
      "http:/x",
      "list.csv",
    ]);
    assertEquals([listed.code, listed.stderr], [0, "Report: http:/x/report.html\n"]);
    assert((await Deno.stat(join(folder, "http:/x/report.html"))).isFile);

    const drawn = ["explain", ...cifar, "--out", "http:/drawn"];
    const operands = ["--", ...names.filter((name) => name !== "-.png"), "./-.png"];
    const explained = await run(folder, [...drawn, ...operands]);
    assertEquals(explained.code, 0, explained.stderr);
    const pictures = (await Array.fromAsync(Deno.readDir(join(folder, "http:/drawn")))).length;
    assertEquals(pictures, names.length);

    await Deno.mkdir(join(folder, "file:/a:b"), { recursive: true });
    await Deno.copyFile(CHECKPOINT, join(folder, "file:/a:b/model#1?.pth"));
    const out = "https:/model.safetensors";
    const converted = await run(folder, [
      ...["convert", "file:/a:b/model#1?.pth", "--out", out],
      ...["--preprocess", "torch", "--input-size", "32", "--after-pool", "flatten"],
    ]);
    assertEquals([converted.code, converted.stderr], [0, ""]);
    const used = await run(folder, ["profile", "--backend", "wasm", "--model", out, "--runs", "1"]);
    assertEquals([used.code, used.stderr], [0, ""]);
    assertStringIncludes(used.stdout, "model#1?, wasm");
    assertEquals(hits(), 0);
  }));

Deno.test("a list may name URLs, also such as end in no name of an image", () =>
  withServer(async ({ url, hits }, folder) => {
    const rows = ["file,label", `${url}/a.png?sig=1,cat`, `${url.toUpperCase()}/b,dog`];
    await Deno.writeTextFile(join(folder, "list.csv"), rows.join("\n"));
    const { code, stdout } = await run(folder, ["evaluate", ...cifar, "list.csv"]);
    assertEquals(code, 0);
    assertStringIncludes(stdout, "2 images");
    assertEquals(hits(), 2);
  }));

Deno.test("--offline refuses whatever is on the network, in every command", () =>
  withServer(async ({ url, hits }, folder) => {
    const picture = `${url}/a.png`, model = `${url}/model.safetensors`;
    await Deno.writeTextFile(
      join(folder, "list.csv"),
      `${url}/1,a\n${url}/2,a\n${url}/3,b\n${url}/4,b`,
    );
    await Deno.writeTextFile(join(folder, "known.csv"), `${picture},cat\n`);
    await Deno.writeFile(join(folder, "here.png"), photo);
    const offline = ["--offline", ...cifar];
    const lines: string[][] = [
      ["classify", ...offline, picture],
      ["classify", ...offline, picture.toUpperCase()],
      ["classify", ...offline, "--draw", "drawn", picture],
      ["classify", ...offline, "--model", model, "here.png"],
      ["classify", ...offline, "--model", "vgg16-torchvision", "here.png"],
      ["embed", ...offline, picture],
      ["explain", ...offline, "--out", "out", picture],
      ["evaluate", ...offline, "--out", "out", "known.csv"],
      ["evaluate", ...offline, "--compare", `center; model=${CIFAR10} model=${model}`, "known.csv"],
      ["fit", ...offline, "--out", "a.safetensors", "list.csv"],
      ["fit", "--offline", "--scratch", "A", "--out", "b.safetensors", "list.csv"],
      ["profile", ...offline, "--model", model],
      ["convert", "--offline", `${url}/model.pth`, "--out", "c.safetensors"],
      ["pull", "--offline", "vgg16-torchvision"],
      ["pull", "--offline", "--base-url", url, "vgg16-torchvision"],
      ["pull", "--offline", "--force", "vgg16-torchvision"],
    ];
    for (const line of lines) {
      const { code, stderr } = await run(folder, line, { VGG16_BASE_URL: url });
      assertEquals(code, 1, line.join(" "));
      assertStringIncludes(stderr, "which offline mode does not touch", line.join(" "));
    }
    assertEquals(hits(), 0);
  }));

Deno.test("a classifier that was loaded offline fetches no image for any call", () =>
  withServer(async ({ url, hits }) => {
    await using classifier = await loadClassifier({ ...CIFAR, offline: true });
    const image = `${url}/a.png`;
    const calls: ((image: string | URL) => Promise<unknown>)[] = [
      (image) => classifier.classify(image),
      (image) => classifier.classify(image, { offline: false }),
      (image) => classifier.scores([image]),
      (image) => classifier.embed(image),
      (image) => classifier.explain(image),
      (image) => classifier.prepare(image),
      (image) => classifier.distance(image, image),
    ];
    for (const call of calls) {
      await assertRejects(() => call(image), OfflineError, image);
      await assertRejects(() => call(new URL(image)), OfflineError, image);
    }
    const samples = [{ file: image, label: 3 }];
    await assertRejects(() => evaluate(classifier, samples, { offline: true }), OfflineError);
    const data = `data:image/png;base64,${photo.toBase64()}`;
    assertEquals((await classifier.classify(data))[0]!.label, "cat");
    assertEquals(hits(), 0);
  }));

Deno.test("a report of mistakes fetches none of them offline, and names them", () =>
  withServer(async ({ url, hits }) => {
    await using classifier = await loadClassifier(CIFAR);
    const samples = [{ file: `${url}/a.png`, label: 0 }];
    const evaluation = await evaluate(classifier, samples);
    const variant = { model: "m", backend: "b", precision: "p", mode: "center", scales: "32" };
    const html = (reading: { offline: boolean }): Promise<string> =>
      htmlReport("report", [{ ...variant, evaluation }], samples, reading);
    const before = hits();
    const offline = await html({ offline: true });
    assertStringIncludes(offline, `${url}/a.png<figcaption><b>cat</b>`);
    assertEquals(hits(), before);
    assertStringIncludes(await html({ offline: false }), "<figure><img");
  }));

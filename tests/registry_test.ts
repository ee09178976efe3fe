/**
 * The packages as programs have them from JSR: published to a registry on loopback, imported by `jsr:` names, with the
 * permissions that they need and no more, and once more with the registry gone.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { loadClassifier } from "@edge/vgg16";
import { readImage } from "@edge/vgg16/image";
import config from "../deno.json" with { type: "json" };
import { CAN_ASK_GPU } from "./support/webgpu.ts";
import { publish, type Published } from "./support/published.ts";
import { freePort, until } from "./support/serve_process.ts";

const read = (path: string) => Deno.readFileSync(new URL(path, import.meta.url));
const CAT = read("data/photos/cat.png");
const COFFEE = read("data/photos/coffee.png");
const BOATS = read("data/photos/boats.jpg");

/** A picture of each format that the main entry decodes. */
const PICTURES: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {
  "cat.png": CAT,
  "boats.jpg": BOATS,
  ...Object.fromEntries(
    ["plain.gif", "lossy.webp", "420.avif", "lzw.tif", "24bit.bmp"].map((name) => [
      name,
      read(`fixtures/images/files/${name}`),
    ]),
  ),
};

/** Classifies a picture of each format with two threads, and prints what it finds. */
const LIBRARY = `
import { loadClassifier } from "jsr:@edge/vgg16";
import pictures from "./pictures.json" with { type: "json" };

await using classifier = await loadClassifier({ backend: "wasm", threads: 2 });
for (const [name, base64] of Object.entries(pictures)) {
  const [{ label, score }] = await classifier.classify(Uint8Array.fromBase64(base64));
  console.log(name, label, score);
}
console.log(classifier.info.threads, "threads");
`;

/**
 * Decodes a large picture on another thread and on this one, and prints its pixels' sums, and whether the event loop
 * went on meanwhile. The first time starts the thread.
 */
const DECODING = `
import { readImage } from "jsr:@edge/vgg16/image";

const bytes = new Uint8Array(await new Response(Deno.stdin.readable).arrayBuffer());
let turns = 0;
setInterval(() => turns++);
for (const background of [true, true, false]) {
  turns = 0;
  const { data } = await readImage(bytes, { background });
  console.log(data.reduce((sum, value) => sum + value), turns > 0);
}
Deno.exit();
`;

/** Answers one request as a handler on an edge platform. */
const EDGE = `
import { createHandler } from "jsr:@edge/vgg16/edge";

const handle = createHandler();
const body = await new Response(Deno.stdin.readable).arrayBuffer();
const response = await handle(new Request("http://localhost/classify", { method: "POST", body }));
const [{ label }] = await response.json();
console.log(label);
`;

/** Classifies on WebGPU, whose packages are npm's, and prints the label and whether that is what ran. */
const GPU = `
import { loadClassifier } from "jsr:@edge/vgg16";

const bytes = new Uint8Array(await new Response(Deno.stdin.readable).arrayBuffer());
const classifier = await loadClassifier({ backend: "webgpu", tune: "off" });
const [{ label }] = await classifier.classify(bytes);
console.log(label, classifier.info.backend);
Deno.exit();
`;

/** Classifies by the models of the other packages. */
const MODELS = `
import { loadClassifier } from "jsr:@edge/vgg16";
import { model as cifar10 } from "jsr:@edge/vgg16-cifar10";
import { model as small } from "jsr:@edge/vgg16-small";

const bytes = new Uint8Array(await new Response(Deno.stdin.readable).arrayBuffer());
for (const model of [cifar10, small]) {
  await using classifier = await loadClassifier({ model, backend: "wasm", threads: 1 });
  const [{ label }] = await classifier.classify(bytes);
  console.log(label);
}
`;

/** What the checkout says of the pictures, as the program prints it. */
async function expectedOfLibrary(): Promise<string> {
  await using classifier = await loadClassifier({ backend: "wasm", threads: 1 });
  let lines = "";
  for (const [name, bytes] of Object.entries(PICTURES)) {
    const [{ label, score }] = await classifier.classify(bytes);
    lines += `${name} ${label} ${score}\n`;
  }
  return `${lines}2 threads\n`;
}

async function expectedOfDecoding(): Promise<string> {
  const { data } = await readImage(BOATS);
  const sum = data.reduce((sum, value) => sum + value);
  return `${sum} true\n${sum} true\n${sum} false\n`;
}

/** Writes the programs and what they import beside the packages. */
async function writePrograms(folder: string): Promise<void> {
  const base64 = Object.entries(PICTURES).map(([name, bytes]) => [name, bytes.toBase64()]);
  const files = {
    "pictures.json": JSON.stringify(Object.fromEntries(base64)),
    ...{ "library.ts": LIBRARY, "decoding.ts": DECODING, "edge.ts": EDGE, "models.ts": MODELS },
    "gpu.ts": GPU,
  };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(join(folder, name), text);
  }
}

const PROGRAMS = ["library.ts", "decoding.ts", "edge.ts", "models.ts", "gpu.ts"];
const MODULES = [...PROGRAMS, "jsr:@edge/vgg16/cli", "jsr:@edge/vgg16/serve"];

/** Runs all programs without any permission, each as a step. */
async function runAll(t: Deno.TestContext, published: Published, flags: string[]): Promise<void> {
  const run = async (stdin: Uint8Array<ArrayBuffer>, ...args: string[]): Promise<string> => {
    const all = ["run", "--no-prompt", "--no-check", ...flags, ...args];
    const { code, out, errors } = await published.run(all, { stdin });
    assertEquals(code, 0, errors);
    return out;
  };
  await t.step("the library classifies a picture of each format", async () => {
    assertEquals(await run(CAT, "library.ts"), await expectedOfLibrary());
  });
  await t.step("the models of the other packages classify", async () => {
    assertEquals(await run(COFFEE, "models.ts"), "automobile\nespresso\n");
  });
  await t.step({
    name: `WebGPU classifies${CAN_ASK_GPU ? "" : " [skipped: no GPU adapter]"}`,
    ignore: !CAN_ASK_GPU,
    fn: async () => assertEquals(await run(CAT, "gpu.ts"), "tabby cat webgpu\n"),
  });
  await t.step("a large picture does not hold up the event loop", async () => {
    assertEquals(await run(BOATS, "decoding.ts"), await expectedOfDecoding());
  });
  await t.step("the handler for the edge answers", async () => {
    assertStringIncludes(await run(CAT, "edge.ts"), "\ntabby cat\n");
  });
  await t.step("the command line classifies standard input", async () => {
    const out = await run(CAT, "jsr:@edge/vgg16/cli", "classify", "--json", "-");
    assertStringIncludes(out, '"label":"tabby cat"');
  });
  await t.step("the service answers", async () => {
    assertEquals(await labelFromService(published, flags), "tabby cat");
  });
  await t.step("an installed program classifies standard input", async () => {
    const command = join(published.folder, "bin/vgg16");
    const { code, out, errors } = await published.run(["classify", "-"], { stdin: CAT, command });
    assertEquals(code, 0, errors);
    assertStringIncludes(out, "tabby cat");
  });
}

/** Starts the service, with no permission but `deno serve`'s own, asks it once, and ends it. */
async function labelFromService(published: Published, flags: string[]): Promise<string> {
  const port = freePort(), url = `http://127.0.0.1:${port}/classify`;
  const where = ["--host", "127.0.0.1", "--port", `${port}`];
  await using _service = published.start(
    ["serve", "--no-prompt", "--no-check", ...flags, ...where, "jsr:@edge/vgg16/serve"],
  );
  let answer: Response | undefined;
  await until(async () => {
    answer = await fetch(url, { method: "POST", body: CAT }).catch(() => undefined);
    return answer !== undefined;
  });
  const [prediction] = await answer!.json();
  return prediction.label;
}

Deno.test("from a registry the packages run without permissions, and once more when it is gone", async (t) => {
  await using published = await publish();
  const { folder, registry } = published;
  await writePrograms(folder);
  const ok = async (...args: string[]): Promise<void> => {
    const { code, errors } = await published.run(args);
    assertEquals(code, 0, errors);
  };
  await ok("cache", "--no-check", ...MODULES);
  await ok("install", "--global", "--no-check", "--name", "vgg16", "jsr:@edge/vgg16/cli");
  const downloaded = new Map(registry.requests);
  await t.step("no file is downloaded twice", () => {
    // Which version is the newest is asked by each command that downloads.
    const files = [...downloaded].filter(([path]) => !path.endsWith("/meta.json"));
    assertEquals(files.filter(([, count]) => count > 1), []);
    assert(downloaded.has(`/@edge/vgg16/${config.version}/mod.ts`));
  });
  await runAll(t, published, []);
  await t.step("nothing is downloaded that did not come with the modules", () => {
    const others = [...registry.requests].filter(([path, count]) => downloaded.get(path) !== count);
    assertEquals(others, []);
  });
  await registry[Symbol.asyncDispose]();
  await runAll(t, published, ["--cached-only"]);
});

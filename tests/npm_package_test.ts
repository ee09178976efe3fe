/** The packages as `deno task build:npm` builds them: what they have, their types, and that Node and Bun run them. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { loadClassifier } from "@edge/vgg16";
import { packageFolders, publicationOf } from "../tools/publication.ts";
import { devTest } from "./support/dev_packages.ts";
import { type NpmProject, npmProject } from "./support/npm_project.ts";

const ROOT = new URL("../", import.meta.url);
const NEEDS = { file: fromFileUrl(import.meta.url), programs: { npm: "npm" } };

/** Pictures of all formats that the main entry decodes. */
const PICTURES = [
  "tests/data/photos/cat.png",
  "tests/data/photos/boats.jpg",
  ...["plain.gif", "lossy.webp", "420.avif", "lzw.tif", "24bit.bmp"].map((name) =>
    `tests/fixtures/images/files/${name}`
  ),
].map((path) => fromFileUrl(new URL(path, ROOT)));

/** A program in the strictest settings that uses every entry. */
const CONSUMER = `
import { classify, type Prediction } from "@edge/vgg16";
import { convert } from "@edge/vgg16/convert";
import { handler } from "@edge/vgg16/edge";
import * as evaluate from "@edge/vgg16/evaluate";
import { readImage } from "@edge/vgg16/image";
import * as search from "@edge/vgg16/search";
import * as service from "@edge/vgg16/service";
import { fit } from "@edge/vgg16/train";
import server from "@edge/vgg16/serve";
import "@edge/vgg16/cli";
import { model as cifar10 } from "@edge/vgg16-cifar10";
import { model as small } from "@edge/vgg16-small";

export const best: Promise<readonly Prediction[]> = classify(new Uint8Array());
// @ts-expect-error: no \`any\` is there.
export const wrong: Promise<number> = classify(new Uint8Array());
export const all = [convert, handler, evaluate, readImage, search, service, fit, server];
export const models = [cifar10, small];
`;

/** What programs of Node's are checked with. */
const NODE_TYPES = { "@types/node": "24.10.1" };

/** Everything of a browser's, or what Node has alone: each lacks some of the other's. */
const SURROUNDINGS = [{ types: [] }, { types: ["node"], lib: ["es2024"] }];

const tsconfig = (surroundings: object) => ({
  compilerOptions: {
    ...{ noEmit: true, strict: true, exactOptionalPropertyTypes: true },
    ...{ module: "nodenext", moduleResolution: "nodenext", target: "esnext", ...surroundings },
  },
  files: ["consumer.ts"],
});

/** Classifies pictures with two models. Scores are the same bits in every engine. */
const PROGRAM = `
import { readFile } from "node:fs/promises";
import { loadClassifier } from "@edge/vgg16";
import { model } from "@edge/vgg16-small";

for (const options of [{}, { model }]) {
  const classifier = await loadClassifier({ backend: "wasm", threads: 2, ...options });
  for (const path of process.argv.slice(2)) {
    const [{ label, score }] = await classifier.classify(new Uint8Array(await readFile(path)));
    console.log(label, score);
  }
  console.log(classifier.info.threads);
  await classifier.close();
}
`;

/** What the checkout says of the pictures, as the program prints it. */
async function expectedOfProgram(): Promise<string> {
  let lines = "";
  for (const options of [{}, { model: "vgg16-tiny-imagenet" }]) {
    await using classifier = await loadClassifier({ backend: "wasm", threads: 2, ...options });
    for (const path of PICTURES) {
      const [{ label, score }] = await classifier.classify(path);
      lines += `${label} ${score}\n`;
    }
    lines += `${classifier.info.threads}\n`;
  }
  return lines;
}

/** The files of a package that npm would pack, and where its entries lead. */
async function packed(project: NpmProject, name: string): Promise<[Set<string>, string[]]> {
  const folder = project.packageFolder(name);
  const [{ files }] = JSON.parse(
    await project.run("npm", ["pack", "--dry-run", "--json", "--offline", folder]),
  );
  const { exports } = JSON.parse(await Deno.readTextFile(join(folder, "package.json")));
  const targets = Object.values<Record<string, string>>(exports).flatMap(Object.values);
  return [new Set(files.map(({ path }: { path: string }) => path)), targets];
}

async function assertContents(project: NpmProject): Promise<void> {
  for (const folder of packageFolders(ROOT)) {
    const { name, files } = await publicationOf(folder, ["--no-check"]);
    const [found, targets] = await packed(project, name);
    const expected = [...files].filter((path) => !path.startsWith("examples/")).flatMap((path) =>
      path.endsWith(".ts") ? [path.replace(/ts$/, "js"), path.replace(/ts$/, "d.ts")] : [path]
    );
    // Of an installed program, which is more than what is published.
    const added = targets.includes("./cli.js") ? ["bin.js", "package.json"] : ["package.json"];
    assertEquals([...found].toSorted(), [...expected, ...added].toSorted());
    for (const target of targets) assert(found.has(target.slice(2)), `${name}: ${target}`);
  }
}

async function assertTypes(project: NpmProject): Promise<void> {
  await project.write("consumer.ts", CONSUMER);
  const compiler = ["run", "--no-lock", "--allow-all", "npm:typescript@5.9.3/tsc"];
  for (const surroundings of SURROUNDINGS) {
    await project.write("tsconfig.json", JSON.stringify(tsconfig(surroundings)));
    assertEquals(await project.run(Deno.execPath(), [...compiler, "--project", "."]), "");
  }
}

devTest("packages for npm", NEEDS, async (_, t) => {
  await using project = await npmProject(NODE_TYPES);
  await t.step(
    "have what is published, without TypeScript, and every entry",
    () => assertContents(project),
  );
  await t.step(
    "have types that need nothing else, in the strictest settings",
    () => assertTypes(project),
  );
  await project.write("main.js", PROGRAM);
  const expected = await expectedOfProgram();
  for (const runtime of ["node@22", "node@24", "bun@1.4.5"]) {
    await t.step(`give the checkout's results on ${runtime}`, async () => {
      const printed = await project.run("npx", ["--yes", runtime, "main.js", ...PICTURES]);
      assertEquals(printed, expected);
    });
    await t.step(`have a command line for ${runtime}`, async () => {
      const program = [join(project.packageFolder("@edge/vgg16"), "bin.js"), "classify", "--json"];
      const printed = await project.run("npx", ["--yes", runtime, ...program, PICTURES[0]!]);
      assertStringIncludes(printed, '"label":"tabby cat"');
    });
  }
});

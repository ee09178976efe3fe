/** The models that are packages of their own, as programs import them, and what is said where they are not. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { loadClassifier } from "@edge/vgg16";
import { model as cifar10 } from "@edge/vgg16-cifar10";
import { model as small } from "@edge/vgg16-small";
import { ModelNotFoundError } from "../lib/errors.ts";
import { resolveModel } from "../lib/open_model.ts";
import config from "../deno.json" with { type: "json" };
import { packageFolders } from "../tools/publication.ts";
import { importMap, registry } from "./support/registry.ts";

const ROOT = new URL("../", import.meta.url);
const PHOTO = fromFileUrl(new URL("tests/data/photos/coffee.png", ROOT));

for (
  const [name, model, label] of [["small", small, "espresso"], ["cifar10", cifar10, "automobile"]]
) {
  Deno.test(`@edge/vgg16-${name} is a model that loadClassifier() takes`, async () => {
    await using classifier = await loadClassifier({ model, backend: "wasm", threads: 1 });
    const [best] = await classifier.classify(PHOTO);
    assertEquals(best.label, label);
  });
}

Deno.test("the packages of the workspace have one version and a license, and no package needs another", () => {
  for (const folder of packageFolders(ROOT)) {
    const read = (name: string) => Deno.readTextFileSync(new URL(name, folder));
    const { name, version, license } = JSON.parse(read("deno.json"));
    assertEquals([version, license], [config.version, "MIT"], name);
    assertStringIncludes(read("LICENSE"), "MIT License");
    if (folder.href !== ROOT.href) assert(!/^import /m.test(read("mod.ts")), name);
  }
});

/** Runs a program that imports the packages from a registry, with network permission alone. */
async function run(code: string): Promise<string> {
  // A published package has no files of another.
  await using server = registry(({ pathname }) => !/^\/weights\/(small|cifar10)\//.test(pathname));
  await using packages = registry(({ pathname }) => pathname.startsWith("/weights/small/"));
  const hosts = [server, packages].map(({ addr }) => `127.0.0.1:${addr.port}`);
  const folder = await Deno.makeTempDir();
  try {
    const names = {
      "@edge/vgg16": `http://${hosts[0]}/mod.ts`,
      "@edge/vgg16-small": `http://${hosts[1]}/weights/small/mod.ts`,
    };
    await Deno.writeTextFile(join(folder, "deno.json"), await importMap(names));
    await Deno.writeTextFile(join(folder, "main.ts"), code);
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-prompt",
        "--no-check",
        `--reload=${hosts.map((host) => `http://${host}`)}`,
      ]
        .concat(
          `--allow-import=${hosts}`,
          `--allow-net=${hosts}`,
          `--allow-read=${PHOTO}`,
          "main.ts",
        ),
      cwd: folder,
      env: { NO_COLOR: "1" },
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return text(stdout) || text(stderr);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("from a registry a model's package works, and its id alone says what to write", async () => {
  const said = await run(`
    import { isVggError, loadClassifier } from "@edge/vgg16";
    import { model } from "@edge/vgg16-small";

    await using classifier = await loadClassifier({ model, backend: "wasm", threads: 1 });
    const [best] = await classifier.classify(${JSON.stringify(PHOTO)});
    console.log(best.label);
    const error = await loadClassifier({ model: "vgg16-tiny-imagenet" }).catch((error) => error);
    console.log(isVggError(error, "model-not-found"), error.message);
  `);
  const [label, message] = said.split("\n");
  assertEquals(label, "espresso", said);
  assertEquals(
    message,
    "true vgg16-tiny-imagenet is in a package of its own: add " +
      `jsr:@edge/vgg16-small@${config.version}, and write import { model } from "@edge/vgg16-small", ` +
      'and { model } for { model: "vgg16-tiny-imagenet" }',
  );
});

Deno.test("a package's name leads to the id of its model", async () => {
  await assertRejects(
    () => resolveModel("vgg16-small"),
    ModelNotFoundError,
    "Did you mean vgg16-tiny-imagenet?",
  );
});

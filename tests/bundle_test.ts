/** Programs for an edge platform as one file, with the module of their model beside it. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";

const ROOT = fromFileUrl(new URL("../", import.meta.url));
/** Bytes that the least of the platforms takes for a function: Supabase and Netlify (docs/edge.md). */
const MOST_BYTES = 20e6;

/** A model's module, what a program says to have it, and what it then sees in the photo. */
const MODELS = {
  "the embedded model": {
    file: "weights/vgg16-imagenet200.wasm",
    code: `const model = undefined;`,
    label: "espresso",
  },
  "the small model": {
    file: "weights/small/vgg16-tiny-imagenet.wasm",
    code: `import { model } from "@edge/vgg16-small";`,
    label: "espresso",
  },
};

async function deno(args: readonly string[], stdin: string): Promise<[ok: boolean, said: string]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const file = await Deno.open(join(ROOT, stdin));
  await file.readable.pipeTo(child.stdin).catch(() => {}); // A program that fails reads nothing.
  const { success, stdout, stderr } = await child.output();
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return [success, success ? out! : errors!];
}

for (const [name, { file, code, label }] of Object.entries(MODELS)) {
  Deno.test(`a bundle has ${name} from beside it, and reads nothing else`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      const program = `${folder}/source/main.ts`, dist = `${folder}/dist`;
      await Deno.mkdir(`${folder}/source`);
      await Deno.mkdir(dist);
      await Deno.writeTextFile(
        program,
        `import { loadClassifier } from "@edge/vgg16/edge";
${code}
const photo = await new Response(Deno.stdin.readable).bytes();
await using classifier = await loadClassifier({ model, backend: "wasm", threads: 1 });
console.log((await classifier.classify(photo))[0].label);
`,
      );
      const photo = "tests/data/photos/coffee.png";
      const bundle = ["bundle", "--no-lock", "--quiet", "--config", "deno.json"];
      const [bundled, errors] = await deno(
        [...bundle, "--output", `${dist}/main.js`, program],
        photo,
      );
      assert(bundled, errors);
      const run = ["run", "--no-lock", "--no-config", "--no-prompt", `--allow-read=${dist}`];
      const [isFound, said] = await deno([...run, `${dist}/main.js`], photo);
      assertEquals(isFound, false);
      assertStringIncludes(said, file.slice(file.lastIndexOf("/") + 1));
      await Deno.copyFile(join(ROOT, file), join(dist, file.slice(file.lastIndexOf("/") + 1)));
      assertEquals(await deno([...run, `${dist}/main.js`], photo), [true, `${label}\n`]);
      let bytes = 0;
      for (const { name } of Deno.readDirSync(dist)) bytes += Deno.statSync(join(dist, name)).size;
      assert(bytes < MOST_BYTES, `${bytes} bytes`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

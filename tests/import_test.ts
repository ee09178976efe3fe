import { assertEquals } from "@std/assert";
import { importMap, registry } from "./support/registry.ts";

/** Runs a program that imports the package from a registry, with network permission alone. */
async function run(program: (origin: string) => string, stdin: string): Promise<string> {
  await using server = registry();
  const host = `127.0.0.1:${server.addr.port}`;
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/deno.json`, await importMap());
    await Deno.writeTextFile(`${folder}/main.ts`, program(`http://${host}`));
    const child = new Deno.Command(Deno.execPath(), {
      // The port may have been another test's, of another version.
      args: ["run", "--no-prompt", `--reload=http://${host}`]
        .concat(`--allow-import=${host}`, `--allow-net=${host}`, "main.ts"),
      cwd: folder,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const file = await Deno.open(new URL(stdin, import.meta.url));
    await file.readable.pipeTo(child.stdin);
    const { code, stdout, stderr } = await child.output();
    const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assertEquals(code, 0, errors);
    return out;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("imported over http the package finds its model, with network permission alone", async () => {
  const program = (origin: string): string => `
import { loadClassifier } from "${origin}/mod.ts";

await using classifier = await loadClassifier({ backend: "wasm", threads: 2 });
const [{ label }] = await classifier.classify(Deno.stdin.readable);
console.log(label, classifier.info.threads);
`;
  assertEquals(await run(program, "data/photos/cat.png"), "tabby cat 2\n");
});

Deno.test("what is loaded only when it is needed comes over http, too", async () => {
  const program = (origin: string): string => `
import { convert } from "${origin}/lib/entries/convert.ts";

const { format } = await convert(await new Response(Deno.stdin.readable).arrayBuffer());
console.log(format);
`;
  assertEquals(await run(program, "fixtures/checkpoints/keras_d.h5"), "Keras\n");
});

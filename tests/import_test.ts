import { assertEquals } from "@std/assert";
import { importMap, registry } from "./support/registry.ts";

const PROGRAM = (origin: string): string => `
import { loadClassifier } from "${origin}/mod.ts";

await using classifier = await loadClassifier({ backend: "wasm", threads: 2 });
const [{ label }] = await classifier.classify(Deno.stdin.readable);
console.log(label, classifier.info.threads);
`;

Deno.test("imported over http the package finds its model, with network permission alone", async () => {
  await using server = registry();
  const host = `127.0.0.1:${server.addr.port}`;
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/deno.json`, await importMap());
    await Deno.writeTextFile(`${folder}/main.ts`, PROGRAM(`http://${host}`));
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", `--allow-import=${host}`, `--allow-net=${host}`, "main.ts"],
      cwd: folder,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const photo = await Deno.open(new URL("data/photos/cat.png", import.meta.url));
    await photo.readable.pipeTo(child.stdin);
    const { code, stdout, stderr } = await child.output();
    const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assertEquals({ code, out }, { code: 0, out: "cat 2\n" }, errors);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

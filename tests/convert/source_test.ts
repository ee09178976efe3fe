import { assertEquals, assertRejects } from "@std/assert";
import { convert } from "../../lib/convert/convert.ts";
import { honest, serveFlaky } from "../support/flaky_server.ts";

const FIXTURES = new URL("../fixtures/checkpoints/", import.meta.url);

/** What a conversion leaves where temporary files go. */
async function leftBy(work: () => Promise<void>): Promise<string[]> {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  const before = Deno.env.get("TMPDIR");
  Deno.env.set("TMPDIR", folder);
  try {
    await work();
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  } finally {
    if (before === undefined) Deno.env.delete("TMPDIR");
    else Deno.env.set("TMPDIR", before);
    await Deno.remove(folder, { recursive: true });
  }
}

for (const file of ["timm_e.safetensors", "zip_d.pth"]) {
  Deno.test(`a stream and a URL of ${file} give the model that its bytes give`, async () => {
    const bytes = await Deno.readFile(new URL(file, FIXTURES));
    await using server = serveFlaky((request) => ({ ...honest(bytes, request), cutAfter: 30_000 }));
    const options = { id: "same", provenance: { source: "same" } };
    const expected = await convert(bytes, options);
    const left = await leftBy(async () => {
      assertEquals(await convert(new Blob([bytes]).stream(), options), expected);
      assertEquals(await convert(`${server.url}/${file}`, options), expected);
    });
    assertEquals(left, []);
  });
}

Deno.test("the conversion of a stream that brings nothing can be aborted", async () => {
  let reason: unknown;
  const silent = new ReadableStream<Uint8Array>({ cancel: (given) => void (reason = given) });
  const abort = new AbortController();
  const left = await leftBy(async () => {
    const converting = assertRejects(() => convert(silent, { signal: abort.signal }), DOMException);
    setTimeout(() => abort.abort(), 20);
    await converting;
  });
  assertEquals(left, []);
  assertEquals(reason, abort.signal.reason);
});

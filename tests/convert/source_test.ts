import { assertEquals, assertRejects } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { convert } from "../../lib/convert/convert.ts";
import { CheckpointFormatError } from "../../lib/errors.ts";
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

Deno.test({
  name: "what is no file is refused by what it is, before anything waits for it",
  ignore: Deno.build.os === "windows", // It has no such paths.
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const pipe = `${folder}/pipe.pth`, socket = `${folder}/socket.pth`;
    await new Deno.Command("mkfifo", { args: [pipe] }).output();
    using _listener = Deno.listen({ transport: "unix", path: socket });
    try {
      for (
        const [path, kind] of [
          [pipe, "pipe"],
          [socket, "socket"],
          ["/dev/zero", "device"],
          [folder, "folder"],
        ]
      ) {
        const expected = `Expected a file at ${path}: it is a ${kind}`;
        await assertRejects(() => convert(path), CheckpointFormatError, expected);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "a checkpoint comes through standard input, by each of its names",
  ignore: Deno.build.os === "windows", // It has no such paths.
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const cli = fromFileUrl(new URL("../../cli.ts", import.meta.url));
    const file = fromFileUrl(new URL("zip_d.pth", FIXTURES));
    try {
      for (const name of ["-", "/dev/stdin", "/dev/fd/0"]) {
        const convert = `"${Deno.execPath()}" run -A "${cli}" convert ${name}`;
        const line = `cat "${file}" | ${convert} --force --out "${folder}/model.safetensors"`;
        const { code, stderr } = await new Deno.Command("sh", { args: ["-c", line] }).output();
        assertEquals(code, 0, new TextDecoder().decode(stderr));
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

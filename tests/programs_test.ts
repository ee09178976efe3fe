import { assertEquals, assertLessOrEqual } from "@std/assert";
import { toFileUrl } from "@std/path";
import { programFaults } from "../tools/programs.ts";

const ROOT = new URL("../", import.meta.url);
const PHOTOS = "tests/data/photos";

/**
 * What uses each program, in a process of its own. Each has a case, and prints what is expected of it.
 */
const USES: Readonly<Record<string, { code: string; prints: string[]; stdin?: string }>> = {
  "values.ts": {
    code: `import "./values.ts";`,
    prints: [
      ...["tabby cat", "tabby cat", "1 no.png", "0 tabby cat", "1 no.png"],
      ...["tabby cat 0 200 true 512 true", "1 2 undefined", "2 8"],
    ],
  },
  "pipe.ts": { code: `import "./pipe.ts";`, stdin: `${PHOTOS}/cat.png`, prints: ["tabby cat"] },
  "queue_worker.ts": {
    code: `
      import { work } from "./queue_worker.ts";
      const photos = { "/cat.png": [200, "cat.png"], "/busy": [503], "/gone": [404], "/text": [200] };
      await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
        const [status, file] = photos[new URL(request.url).pathname];
        return new Response(file ? await Deno.readFile("${PHOTOS}/" + file) : "no picture", { status });
      });
      const at = (path) => "http://127.0.0.1:" + server.addr.port + path;
      const images = [...Object.keys(photos).map(at), "/etc/passwd", "data:,x"];
      const finish = (outcome) => console.log(outcome.label ?? outcome);
      const jobs = ReadableStream.from(images.map((image) => ({ image, finish })));
      await work(jobs, AbortSignal.timeout(60_000));
      const stopped = AbortSignal.abort(new Error("stopped"));
      await work(ReadableStream.from([{ image: at("/cat.png"), finish }]), stopped)
        .catch((error) => console.log(error.message));`,
    prints: ["tabby cat", "again", "never", "never", "never", "never", "stopped"],
  },
  "bot.ts": {
    code: `
      import { answer } from "./bot.ts";
      const file = (request) => Deno.readFile(new URL(request.url).pathname.slice(1));
      const handler = async (request) => new Response(await file(request));
      await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, handler);
      const at = (path) => "http://127.0.0.1:" + server.addr.port + "/" + path;
      const rules = { ports: [server.addr.port], isAllowed: () => true };
      console.log((await answer(at("${PHOTOS}/cat.png"), rules)).type);
      console.log(await answer(at("LICENSE"), rules));
      console.log(await answer(at("LICENSE"), { ports: [server.addr.port] })
        .then((text) => text.replace(/:\\d+/, "")));`,
    prints: [
      "image/png",
      'Expected JPEG, PNG, GIF, WebP, AVIF, TIFF or BMP, found text that starts with "MIT License\\n\\nCop"',
      "Cannot read http://127.0.0.1/LICENSE: no public server answers there",
    ],
  },
  "next_route.ts": {
    code: `
      import { POST } from "./next_route.ts";
      const send = async (photo) => {
        const body = new FormData();
        body.set("photo", photo);
        const response = await POST(new Request("http://localhost/", { method: "POST", body }));
        const answer = await response.json();
        console.log(response.status, answer.code ?? answer.error ?? answer[0].label);
      };
      await send(new File([await Deno.readFile("${PHOTOS}/cat.png")], "cat.png"));
      await send(new File(["no picture"], "x.png"));
      await send("text");`,
    prints: ["200 tabby cat", "422 image-format", "400 no photo"],
  },
  "hono_middleware.ts": {
    code: `
      import { app } from "./hono_middleware.ts";
      for (const body of [await Deno.readFile("${PHOTOS}/cat.png"), "no picture"]) {
        const response = await app.request("/label", { method: "POST", body });
        const { label, error } = await response.json();
        console.log(response.status, label ?? error);
      }`,
    prints: ["200 tabby cat", "422 image-format"],
  },
  "mounted.ts": {
    code: `
      Deno.env.set("VGG16_LOG_LEVEL", "off");
      const { answer, vision } = await import("./mounted.ts");
      const body = await Deno.readFile("${PHOTOS}/cat.png");
      for (const path of ["vision/classify", "classify", "vision/embed"]) {
        const request = new Request("http://localhost/" + path, { method: "POST", body });
        const { [0]: best, code } = await (await answer(request)).json();
        console.log(best?.label ?? code);
      }
      console.log(await (await answer(new Request("http://localhost/"))).text(), vision.ready);`,
    prints: ["tabby cat", "tabby cat", "not-supported", "Hello true"],
  },
  "store_job.ts": {
    code: `
      import { label } from "./store_job.ts";
      const open = new Set();
      const labels = await label({
        async *list() { yield* ["cat.png", "README.md", "coffee.png"]; },
        get: async (key) => new Blob([await Deno.readFile("${PHOTOS}/" + key)]),
      }, AbortSignal.timeout(60_000));
      for (const pair of labels) console.log(pair.join(" "));`,
    prints: [
      "cat.png tabby cat",
      "README.md image 1 (README.md): No such file or directory (os error 2): readfile " +
      `'${PHOTOS}/README.md'`,
      "coffee.png espresso",
    ],
  },
  "mock.ts": {
    code: `
      import { isPet, mock } from "./mock.ts";
      const photo = new Blob([await Deno.readFile("${PHOTOS}/boats.jpg")]);
      for (const cat of [0.9, 0.1]) console.log(await isPet(photo, mock(cat)));`,
    prints: ["true", "false"],
  },
  "page.ts": {
    code: `
      const input = Object.assign(new EventTarget(), { files: [] }), said = [];
      const status = { set textContent(text) { said.push(text); } };
      globalThis.document = { querySelector: (name) => name === "p" ? status : input };
      await import("./page.ts");
      input.files = [new File([await Deno.readFile("${PHOTOS}/cat.png")], "cat.png")];
      const shown = new Promise((resolve) => {
        Object.defineProperty(status, "textContent", { set: (text) => /%/.test(text) && resolve(text) });
      });
      input.dispatchEvent(new Event("change"));
      console.log((await shown).replace(/\\d+/, "N"));`,
    prints: ["tabby cat, N %"],
  },
};

const PROGRAMS = [...Deno.readDirSync(new URL("programs/", import.meta.url))];

for (const { name } of PROGRAMS) {
  Deno.test(`the program ${name} does what it is for`, async () => {
    const { code, prints, stdin } = USES[name];
    const folder = await Deno.makeTempDir();
    try {
      const program = new URL(`programs/${name}`, import.meta.url).href;
      await Deno.writeTextFile(`${folder}/main.ts`, code.replace(`./${name}`, program));
      const child = new Deno.Command(Deno.execPath(), {
        // Hono is of this test alone, not of the project's deno.lock.
        args: [
          "run",
          "--no-check",
          "--no-lock",
          "-A",
          "--config",
          "deno.json",
          `${folder}/main.ts`,
        ],
        cwd: ROOT,
        env: { NO_COLOR: "1" },
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      if (stdin === undefined) await child.stdin.close();
      else await (await Deno.open(new URL(stdin, ROOT))).readable.pipeTo(child.stdin);
      const { stdout, stderr } = await child.output();
      const lines = new TextDecoder().decode(stdout).split("\n").slice(0, -1);
      assertEquals(lines, prints, new TextDecoder().decode(stderr));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test("a program is short, and has no cast", async () => {
  for (const { name } of PROGRAMS) {
    const text = await Deno.readTextFile(new URL(`programs/${name}`, import.meta.url));
    const code = text.replaceAll(/^\/\*\*[^]*?\*\/$/gm, "");
    assertEquals(code.match(/\bas (?!const)\w+|\bany\b|@ts-ignore|\w!(?=[.;)])/g), null, name);
    const lines = code.split("\n").filter((line) =>
      !/^(import .*|\/\/.*|[})\];,]*|)$/.test(line.trim())
    );
    if (name !== "values.ts") {
      assertLessOrEqual(lines.length, 15, `${name} has ${lines.length} lines`);
    }
  }
});

Deno.test("what the strictest compiler says of a program is found, and of the library is not", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const root = toFileUrl(await Deno.realPath(folder) + "/");
    await Deno.mkdir(new URL("programs", root));
    await Deno.writeTextFile(
      new URL("deno.json", root),
      '{"name":"@a/b","exports":{".":"./mod.ts"}}',
    );
    const loose = "export const a = (x: string[]): string => x[0];\n";
    await Deno.writeTextFile(new URL("mod.ts", root), loose);
    await Deno.writeTextFile(new URL("programs/good.ts", root), 'import "@a/b";\n');
    assertEquals(await programFaults(root, "programs"), []);
    const wrong = "export const a: { b?: string } = { b: undefined };\n" + loose.replace("a", "c");
    await Deno.writeTextFile(new URL("programs/wrong.ts", root), wrong);
    const faults = await programFaults(root, "programs");
    assertEquals(faults.map(({ path, line }) => [path, line]), [
      ["programs/wrong.ts", "1"],
      ["programs/wrong.ts", "2"],
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { createHandler } from "@edge/vgg16";
import { encodePng } from "@edge/vgg16/image";
import { decodeImage } from "../lib/image/decode.ts";
import { cropImage } from "../lib/image/resize.ts";
import { devTest } from "./support/dev_packages.ts";
import { freePort, until } from "./support/serve_process.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
const PHOTOS = "tests/data/photos";
/** Those of one file; `worker/` and `browser/` are tested by tests of their own. */
const NAMES = [...Deno.readDirSync(`${ROOT}/examples`)].filter(({ isFile }) => isFile)
  .map(({ name }) => name);

function source(name: string): string {
  return Deno.readTextFileSync(`${ROOT}/examples/${name}`);
}

/**
 * The command that an example's first comment gives, type-checking it.
 *
 * @param paths What stands for the files and folders that it names, in its permissions too.
 */
function command(
  name: string,
  paths: Readonly<Record<string, string[]>>,
  env: Readonly<Record<string, string>> = {},
): Deno.Command {
  const comment = source(name).split("*/")[0].replaceAll(/ \\\n \* */g, " ");
  const [kind, ...words] = new RegExp(`deno (.*examples/${name}.*)`).exec(comment)![1].split(" ");
  const real = (word: string): string[] => paths[word] ?? [word];
  const args = words.filter((word) => !/^[>`]|labels\.jsonl/.test(word)).flatMap((word) => {
    const [flag, list] = word.split("=");
    return list === undefined ? real(word) : [`${flag}=${list.split(",").flatMap(real)}`];
  });
  return new Deno.Command(Deno.execPath(), {
    // The packages of an example are not this project's.
    args: [kind, "--check", "--no-prompt", "--no-lock", ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...env },
    stdout: "piped",
    stderr: "piped",
  });
}

async function linesOf(
  name: string,
  paths: Record<string, string[]>,
  env: Record<string, string> = {},
): Promise<string[]> {
  const { code, stdout, stderr } = await command(name, paths, env).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trimEnd().split("\n");
}

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What an example imports besides the package: its subject. */
const SUBJECTS: Readonly<Record<string, readonly string[]>> = {
  "search_sqlite.ts": ["node:sqlite", "npm:sqlite-vec@0.1.9"],
  "search_postgres.ts": ["npm:postgres@3.4.9"],
};

Deno.test("each example is short, imports the package and its subject alone, and is in the list", () => {
  const list = source("README.md");
  for (const name of NAMES.filter((name) => name !== "README.md")) {
    assert(list.includes(`(${name})`), `${name} is not in examples/README.md`);
    assert(source(name).trimEnd().split("\n").length < 40, `${name} has 40 lines or more`);
    for (const [, from] of source(name).matchAll(/ from "(.*)"/g)) {
      if (SUBJECTS[name]?.includes(from)) continue;
      assertMatch(from, /^@edge\/vgg16(\/\w+)?$/, name);
    }
  }
});

Deno.test("examples/classify.ts labels pictures, and goes on after one that is none", async () => {
  const files = {
    "cat.png": [`${PHOTOS}/cat.png`, "LICENSE"],
    "coffee.png": [`${PHOTOS}/coffee.png`],
  };
  const [cat, license, coffee] = await linesOf("classify.ts", files);
  assertMatch(cat, /^\S+\/cat\.png tabby cat 0\.\d\d/);
  assertMatch(license, /^LICENSE Expected JPEG, PNG, .*found text that starts with "MIT License/);
  assertMatch(coffee, /^\S+\/coffee\.png espresso (0\.\d\d|1\.00)/);
});

Deno.test("examples/edge_handler.ts answers a picture with its label, and others with what is wrong", async () => {
  const port = freePort();
  const host = { "127.0.0.1": ["127.0.0.1", "--port", `${port}`] };
  const server = command("edge_handler.ts", host).spawn();
  const url = `http://127.0.0.1:${port}`;
  const post = async (body: BodyInit): Promise<[number, { label: string; error: string }]> => {
    const response = await fetch(url, { method: "POST", body });
    return [response.status, await response.json()];
  };
  try {
    await until(() => fetch(url).then((r) => r.text()).then(() => true, () => false));
    const [status, best] = await post(await Deno.readFile(`${ROOT}/${PHOTOS}/cat.png`));
    assertEquals([status, best.label], [200, "tabby cat"]);
    assertEquals((await post("no picture"))[0], 415);
    const huge = { data: new Uint8Array(3 * 5000 * 5000), width: 5000, height: 5000 };
    assertEquals((await post(await encodePng(huge)))[0], 413);
    const response = await fetch(url);
    assertEquals([response.status, await response.json()], [400, { error: "POST a picture" }]);
  } finally {
    server.kill();
    await server.output();
  }
});

Deno.test("examples/batch_job.ts gives a line for each picture, broken ones too", async () => {
  await inFolder(async (folder) => {
    for (let n = 0; n < 20; n++) {
      await Deno.copyFile(`${ROOT}/${PHOTOS}/cat.png`, `${folder}/${n + 10}.png`);
    }
    await Deno.writeTextFile(`${folder}/12.png`, "no picture");
    const lines = (await linesOf("batch_job.ts", { photos: [folder] })).map((line) =>
      JSON.parse(line)
    );
    assertEquals(
      lines.map(({ file }) => file),
      Array.from({ length: 20 }, (_, n) => `${n + 10}.png`),
    );
    const [broken] = lines.splice(2, 1);
    assertMatch(broken.error, /found text that starts with "no picture"/);
    assert(lines.every(({ label }) => label === "tabby cat"));
  });
});

Deno.test("examples/own_classes.ts learns two classes from folders of pictures", async () => {
  // Two that can be told apart at 32 pixels, for which the embedded model was not made.
  const SIDE = 32, CAR = 1, FROG = 6;
  const sheet = await decodeImage(
    await Deno.readFile(new URL("fixtures/cifar10/sheet.png", import.meta.url)),
  );
  const write = async (file: string, row: number, column: number): Promise<void> => {
    const box = { left: column * SIDE, top: row * SIDE, width: SIDE, height: SIDE };
    await Deno.writeFile(file, await encodePng(cropImage(sheet, box)));
  };
  await inFolder(async (folder) => {
    for (const [name, row] of [["car", CAR], ["frog", FROG]] as const) {
      await Deno.mkdir(`${folder}/pets/${name}`, { recursive: true });
      for (let n = 0; n < 15; n++) await write(`${folder}/pets/${name}/${n}.png`, row, n);
    }
    await write(`${folder}/new.png`, FROG, 20);
    await Deno.mkdir(`${folder}/models`);
    const [first, second, third] = await linesOf("own_classes.ts", {
      "pets": [`${folder}/pets`],
      "models": [`${folder}/models`],
      "models/pets.safetensors": [`${folder}/models/pets.safetensors`],
      "new.jpg": [`${folder}/new.png`],
    });
    // Of thirty pictures at most three are wrong.
    assertMatch(first, /^car, frog: right on (9\d|100) %$/);
    assertEquals(second, "of 30 pictures, each judged by what had not learned from it");
    assertMatch(third, /new\.png: frog (0\.[5-9]\d|1\.00)$/);
  });
});

/** Three photos, and what is none. */
async function withPhotos(test: (folder: string) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    for (const name of ["boats.jpg", "cat.png", "rocket.jpg"]) {
      await Deno.copyFile(`${ROOT}/${PHOTOS}/${name}`, `${folder}/${name}`);
    }
    await Deno.writeTextFile(`${folder}/notes.txt`, "no picture");
    await test(folder);
  });
}

/** What is found for the cat: itself, and the two others, which are unlike it. */
function assertFound(lines: readonly string[], folder: string): void {
  assertEquals(lines[0], `1.000 ${folder}/cat.png`);
  assertEquals(
    lines.slice(1).map((line) => line.slice(6)).sort(),
    ["boats.jpg", "rocket.jpg"].map((name) => `${folder}/${name}`),
  );
  assert(lines.slice(1).every((line) => Number(line.slice(0, 5)) < 0.7), lines.join("\n"));
}

Deno.test("examples/similar.ts finds the same picture first, and nothing that is no picture", () =>
  withPhotos(async (folder) => {
    const paths = { "cat.png": [`${PHOTOS}/cat.png`], photos: [folder] };
    assertFound(await linesOf("similar.ts", paths), folder);
  }));

Deno.test("examples/search_sqlite.ts finds the same, and keeps what it has seen", () =>
  withPhotos(async (folder) => {
    const paths = {
      "cat.png": [`${PHOTOS}/cat.png`],
      photos: [folder],
      "photos.db": [`${folder}/photos.db`],
    };
    assertFound(await linesOf("search_sqlite.ts", paths), folder);
    // To insert a picture again would be an error.
    assertFound(await linesOf("search_sqlite.ts", paths), folder);
  }));

devTest("examples/search_postgres.ts finds the same, and keeps what it has seen", {
  file: import.meta.url,
  packages: [
    "@electric-sql/pglite",
    "@electric-sql/pglite-pgvector",
    "@electric-sql/pglite-socket",
  ],
}, (packages) =>
  withPhotos(async (folder) => {
    // deno-lint-ignore no-explicit-any -- the packages are not downloaded for the type check
    const [{ PGlite }, { vector }, { PGLiteSocketServer }] = Object.values(packages) as any[];
    const db = await PGlite.create({ extensions: { vector } });
    const server = new PGLiteSocketServer({ db, host: "127.0.0.1", port: 0 });
    await server.start();
    try {
      const host = server.getServerConn();
      const env = { DATABASE_URL: `postgres://postgres@${host}/postgres` };
      const paths = {
        "127.0.0.1:5432": [host],
        "cat.png": [`${PHOTOS}/cat.png`],
        photos: [folder],
      };
      assertFound(await linesOf("search_postgres.ts", paths, env), folder);
      // To insert a picture again would be an error.
      assertFound(await linesOf("search_postgres.ts", paths, env), folder);
    } finally {
      await server.stop();
      await db.close();
    }
  }));

Deno.test("examples/page.html has a script whose types are right", async () => {
  const [, script] = /<script type="module">(.*)<\/script>/s.exec(source("page.html"))!;
  await inFolder(async (folder) => {
    const compilerOptions = {
      checkJs: true,
      strictNullChecks: false, // The elements are there: the page is one file.
      lib: ["dom", "dom.iterable", "esnext"],
    };
    await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify({ compilerOptions }));
    await Deno.writeTextFile(`${folder}/page.js`, `${script}\nexport {};\n`);
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "page.js"],
      cwd: folder,
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
  });
});

devTest("examples/page.html shows a picture's label in a browser, and what is wrong with another", {
  file: import.meta.url,
  packages: ["playwright-core"],
  programs: { chromium: "chromium" },
}, async (packages) => {
  const quiet = { hostname: "127.0.0.1", port: 0, onListen() {} };
  await using pages = Deno.serve(
    quiet,
    () => new Response(source("page.html"), { headers: { "content-type": "text/html" } }),
  );
  const origin = `http://127.0.0.1:${pages.addr.port}`;
  const handler = createHandler({ corsOrigins: [origin], backend: "wasm", logLevel: "off" });
  await using service = Deno.serve(quiet, handler);
  // deno-lint-ignore no-explicit-any -- the package is not downloaded for the type check
  const { chromium } = packages["playwright-core"] as any;
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox"],
  });
  try {
    const page = await browser.newPage();
    await page.goto(`${origin}/?service=http://127.0.0.1:${service.addr.port}`);
    const answers = [["cat.png", /^tabby cat, \d+ %$/], [
      "coffee.png",
      /^espresso, \d+ %$/,
    ]] as const;
    for (const [name, answer] of answers) {
      await page.getByLabel("A picture").setInputFiles(`${ROOT}/${PHOTOS}/${name}`);
      await page.getByText(answer).waitFor({ timeout: 10_000 });
    }
    await page.getByLabel("A picture").setInputFiles(`${ROOT}/LICENSE`);
    await page.getByText("Expected JPEG, PNG").waitFor({ timeout: 10_000 });
  } finally {
    await browser.close();
  }
});

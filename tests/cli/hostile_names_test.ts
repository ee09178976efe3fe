/** What others name files, labels, layers and models is printed by every command, and obeyed by none. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { ProgressLine } from "../../lib/cli/progress.ts";
import { print, redraw, tellError } from "../../lib/cli/terminal.ts";
import { convert } from "../../lib/convert/convert.ts";
import { textWidth } from "../../lib/report/canvas.ts";
import { htmlTable, linePlot } from "../../lib/report/html.ts";
import { Log } from "../../lib/http/server/telemetry.ts";
import { printedBy } from "../support/printed.ts";
import { random } from "../support/random_model.ts";
import { CIFAR10 } from "../support/cifar10.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const FIXTURES = join(ROOT, "tests/fixtures/checkpoints");
const CAT = join(ROOT, "tests/data/photos/cat.png");

/** Writes a clipboard, begins a line, turns the rest around, colors it, hides it. */
const ATTACKS = [
  ...[
    "\x1b]52;c;ZXZpbA==\x07",
    "\r\nFORGED truck 100.0 %",
    "\nFORGED",
    "\r\x1b[KFORGED",
    "\x1b[2J",
  ],
  ...["\u202eFORGED", "\u2066", "\u009b31m", "\x9dFORGED\x9c", "\x7f", "\x08\x08", "\u2028FORGED"],
  ...["\u2029", "\u061c", "\u200e", "\t", "\u0085FORGED", "\ufeff"],
];

/** For messages that quote the beginning of a text. */
const SHORT = "FORGED\x1b[2J\u202e\u009b";

const next = random(17);

/** A name of some of them, that holds `FORGED` and fits a file system. */
function hostile(): string {
  const drawn = Array.from({ length: 5 }, () => ATTACKS[Math.floor(next() * ATTACKS.length)]);
  return `n${drawn.join("o")}\nFORGED`;
}

/** Texts that a terminal takes for nothing but text. */
function assertTame(text: string, what: string): void {
  const raw =
    // deno-lint-ignore no-control-regex -- what terminals obey
    /[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/;
  assertEquals(raw.exec(text), null, `${what}: ${JSON.stringify(text)}`);
  assertEquals(/^\s*FORGED/m.exec(text), null, `${what}: ${text}`);
}

async function runTame(program: string, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--no-check", "-A", join(ROOT, program), ...args],
    env: { NO_COLOR: "1", XDG_RUNTIME_DIR: "/tmp" },
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assertTame(text, args.join(" "));
  return text;
}

/** A model and its labels. */
async function hostileModel(folder: string): Promise<string> {
  const path = join(folder, "model.safetensors");
  const source = join(FIXTURES, "zip_b_grey.pth");
  const { architecture } = await convert(source);
  const labels = Array.from({ length: architecture.dense.at(-1)! }, hostile);
  await convert(source, { out: path, id: hostile(), labels });
  return path;
}

/** A legacy PyTorch file whose pickle refers to a function by a name of any characters. */
function pickleOf(global: string): Uint8Array {
  const name = new TextEncoder().encode(global);
  const head = "8002 8a0a 6cfc9c46f9206aa85019 2e  8002 4de903 2e  8002 7d 2e".replaceAll(" ", "");
  const text = [0x8c, 2, 0x6f, 0x73, 0x8c, name.length, ...name]; // "os" and the name.
  return new Uint8Array([...Uint8Array.fromHex(head), 0x80, 2, ...text, 0x93, 0x2e]);
}

Deno.test("every command shows hostile names, and no terminal obeys them", async () => {
  const folder = await Deno.makeTempDir();
  // A status line may hold bytes above 0x7f, and C1 is there.
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const answering = (async () => {
    for await (const connection of listener) {
      await connection.read(new Uint8Array(4096)).catch(() => {});
      const head =
        "HTTP/1.1 404 \x9b31mFORGED\x9d\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
      await connection.write(Uint8Array.from(head, (c) => c.charCodeAt(0))).catch(() => {});
      connection.close();
    }
  })();
  try {
    const model = await hostileModel(folder);
    const file = async (name: string, content: string | Uint8Array): Promise<string> => {
      const path = join(folder, name);
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      await Deno.writeFile(path, bytes);
      return path;
    };
    const photo = await Deno.readFile(CAT);
    const pictures = join(folder, "pictures");
    const classes = join(folder, "classes");
    for (const name of [hostile(), hostile()]) {
      await Deno.mkdir(join(classes, name), { recursive: true });
      await Deno.writeFile(join(classes, name, `${hostile()}.png`), photo);
      await Deno.writeTextFile(join(classes, name, `${hostile()}.jpg`), "no picture");
    }
    await Deno.mkdir(pictures);
    await Deno.writeFile(join(pictures, `${hostile()}.png`), photo);
    await Deno.writeTextFile(join(pictures, `${hostile()}.gif`), "GIF89a");
    const url = `http://127.0.0.1:${listener.addr.port}/${encodeURIComponent(hostile())}.png`;
    const out = join(folder, "out"), wasm = ["--model", CIFAR10, "--backend", "wasm"];
    const made = join(folder, `${hostile()}.safetensors`);
    const list = await file("list.csv", `"${hostile()}.png","${hostile()}"\n`);
    const shown = `${hostile()}.png`, missing = `${hostile()}.png`;
    await file(shown, photo);
    const known = await file("known.csv", `"${shown}",0\n"${missing}",0\n`);
    const topology = { modelTopology: {}, weightsManifest: [{ paths: [hostile()], weights: [] }] };
    const weight = { name: hostile(), shape: [1], dtype: hostile() };
    const typed = { ...topology, weightsManifest: [{ paths: [], weights: [weight] }] };
    const legacy = join(FIXTURES, "zip_b_grey.pth");
    const lines: string[][] = [
      ["classify", ...wasm, "--model", model, pictures, url, join(folder, hostile())],
      ["classify", ...wasm, "--json", "--model", model, pictures],
      ["classify", ...wasm, "--model", hostile(), CAT],
      ["classify", ...wasm, "--model", `./${hostile()}.safetensors`, CAT],
      ["classify", ...wasm, "--out", await file("diary", SHORT), CAT],
      ["classify", `--${hostile().replaceAll("=", "")}`, CAT], // An option's name ends before "=".
      ["classify", "--top-k", hostile(), CAT],
      ["embed", ...wasm, "--model", model, "--layer", "pool5", pictures],
      ["embed", ...wasm, "--layer", hostile(), CAT],
      ["explain", ...wasm, "--model", model, "--out", out, pictures],
      ["explain", ...wasm, "--out", out, "--label", hostile(), CAT],
      ["evaluate", ...wasm, "--model", model, "--out", out, known],
      ["evaluate", ...wasm, "--compare", SHORT, known],
      ["evaluate", ...wasm, list],
      ["evaluate", ...wasm, classes],
      ["fit", ...wasm, "--out", made, classes],
      ["fit", ...wasm, "--skip-bad", "--layer", "pool5", "--out", made, classes],
      ["convert", await file("evil.pth", pickleOf(hostile())), "--out", made],
      ["convert", await file("shard.json", JSON.stringify(topology)), "--out", made],
      ["convert", await file("type.json", JSON.stringify(typed)), "--out", made],
      ["convert", legacy, "--describe", await file("bad.json", SHORT), "--out", made],
      ["convert", legacy, "--preprocess", hostile(), "--out", made],
      ["convert", url, "--out", made],
      ["convert", legacy, "--out", made],
      ["profile", ...wasm, "--model", model, "--runs", "1"],
      ["models", "info", hostile()],
      ["models", hostile()],
      ["pull", hostile()],
      [hostile()],
    ];
    for (const line of lines) {
      const text = await runTame("cli.ts", line);
      assertStringIncludes(text, "FORGED", line[0]);
    }
    assertStringIncludes(await runTame("serve.ts", [`--port=${hostile()}`]), "FORGED");
    for (const folder of [out, made.replace(".safetensors", "-fit")]) {
      assertTame(await Deno.readTextFile(join(folder, "report.html")), "report.html");
    }
  } finally {
    listener.close();
    await answering;
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a progress line holds no control but its own, and is gone before anything else", async () => {
  Deno.env.set("TERM", "xterm"); // A dumb one shows no progress.
  for (let n = 0; n < 50; n++) {
    const label = hostile();
    const { both } = await printedBy(() => {
      using progress = new ProgressLine(label);
      progress.update(1, 1, hostile());
      print([hostile(), "two"]);
      redraw(hostile());
      tellError(new Error(hostile()), hostile());
    }, { isTerminal: true });
    // deno-lint-ignore no-control-regex -- the color of an error
    const written = both.replace(/\x1b\[(31|39)m/g, "");
    assertEquals(written.split("\r\x1b[K").length, 5, "drawn and erased twice");
    assertTame(written.replaceAll("\r\x1b[K", ""), "progress");
    assert(written.replaceAll("\r\x1b[K", "|").split("\n")[1] === "two", JSON.stringify(written));
  }
});

Deno.test("a log's lines are its own, as text and as JSON", () => {
  for (let n = 0; n < 50; n++) {
    for (const format of ["text", "json"] as const) {
      const lines: string[] = [];
      const path = hostile(), agent = hostile();
      new Log("info", format, (line) => lines.push(line)).write("info", hostile(), { path, agent });
      // deno-lint-ignore no-control-regex -- the color of the level
      assertTame(lines.join("\n").replace(/\x1b\[\d+m/g, ""), format);
      if (format === "json") assertEquals(JSON.parse(lines[0]!).path, path);
    }
  }
});

Deno.test("a report shows what its names hold", () => {
  for (let n = 0; n < 50; n++) {
    const axis = { label: hostile(), min: 0, max: 1 };
    const lines = [{ label: hostile(), points: [[0, 0]] as const }];
    const plot = linePlot({ title: hostile(), x: axis, y: axis, lines });
    assertTame(plot + htmlTable([[hostile()], [hostile()]]), "report");
  }
  assertEquals(textWidth("\u202e", 32), textWidth("12345678", 32), "as \\u{202e}");
});

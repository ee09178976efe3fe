/** What earlier runs found is believed only of the same images, classes, models and settings. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { classifyCommand } from "../../lib/cli/classify.ts";
import { type Command, runCommand } from "../../lib/cli/command.ts";
import { evaluateCommand } from "../../lib/cli/evaluate.ts";
import { settingsOf } from "../../lib/cli/settings.ts";
import { UsageError } from "../../lib/cli/usage_error.ts";
import { VERSION } from "../../lib/version.ts";
import { encodePng } from "../../lib/image/codecs/encode_png.ts";
import type { Table } from "../../lib/options.ts";
import { randomFrom } from "../../lib/train/random.ts";
import { CIFAR10 } from "../support/cifar10.ts";
import { withFiles } from "../support/files.ts";
import { modelBytes } from "../support/model_bytes.ts";
import { printedBy } from "../support/printed.ts";
import { randomModel } from "../support/random_model.ts";
import { smallVgg } from "../support/small_vgg.ts";
import { until } from "../support/serve_process.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const CPU = ["--backend", "wasm", "--threads", "1"];

const small = await smallVgg();
const { labels } = small.model;
const MODEL = await modelBytes(small.model);
const OTHER = await modelBytes({ ...randomModel(small.model.architecture, 5).model, labels });

/** A picture of random pixels. */
async function picture(seed: number): Promise<Uint8Array> {
  const next = randomFrom(seed), data = new Uint8Array(3 * 36 * 40);
  return await encodePng({
    data: data.map((_, n) => 128 * next() + 100 * Math.sin(n / (20 + seed))),
    width: 40,
    height: 36,
  });
}

/** What a command prints, and says besides. */
async function run<T extends Table>(
  command: Command<T>,
  ...args: string[]
): Promise<{ code: number; out: string; err: string }> {
  let code = 0;
  const { out, err } = await printedBy(async () => {
    code = await runCommand(command as unknown as Command, [...CPU, ...args]);
  });
  return { code, out, err };
}

/** Runs a test in a folder with two models, two labels' pictures and a list of these. */
function testRecords(
  name: string,
  work: (paths: {
    readonly folder: string;
    readonly list: string;
    readonly model: string;
    readonly other: string;
    readonly out: string;
    /** Evaluates the list, and gives the report. */
    readonly evaluate: (...args: string[]) => Promise<Report>;
  }) => Promise<void>,
): void {
  Deno.test(name, async () => {
    const files = {
      "list.csv": `1.png,${labels[0]}\n2.png,${labels[1]}\n3.png,${labels[2]}\n`,
      "1.png": await picture(1),
      "2.png": await picture(2),
      "3.png": await picture(3),
      "a/m.safetensors": MODEL,
      "b/m.safetensors": OTHER,
    };
    await withFiles(files, async (folder) => {
      const list = join(folder, "list.csv"), out = join(folder, "out");
      const model = join(folder, "a/m.safetensors"), other = join(folder, "b/m.safetensors");
      const evaluate = async (...args: string[]): Promise<Report> => {
        const given = args.includes("--model") ? args : ["--model", model, ...args];
        const { out: text, err } = await run(evaluateCommand, ...given, "--json", list);
        return { variants: JSON.parse(text).variants, said: err };
      };
      await work({ folder, list, model, other, out, evaluate });
    });
  });
}

interface Report {
  readonly variants: readonly {
    readonly images: number;
    readonly crossEntropy: number;
    readonly confusion: readonly (readonly number[])[];
    readonly imagesPerSecond: number | null;
  }[];
  readonly said: string;
}

testRecords("a model that was fitted again under its path has no records of the old one", async (
  { model, out, evaluate },
) => {
  const { variants: [old] } = await evaluate("--out", out);
  await Deno.writeFile(model, OTHER);
  await assertRejects(() => evaluate("--out", out), UsageError, `${out} has a report`);
  const { variants: [again] } = await evaluate("--out", out, "--force");
  const { variants: [fresh] } = await evaluate();
  assertEquals(again!.crossEntropy, fresh!.crossEntropy);
  assertEquals(again!.crossEntropy === old!.crossEntropy, false);
});

testRecords("two models of one name are compared, each with its own records", async (
  { model, other, out, evaluate },
) => {
  const compare = `model=${model}; model=${other}; model=${model} model=${other}`;
  const [a, b, both] = (await evaluate("--out", out, "--compare", compare)).variants;
  assertEquals(new Set([a, b, both].map((one) => one!.crossEntropy)).size, 3);
  const { variants: [fused] } = await evaluate("--model", model, "--fuse", other);
  assertEquals(fused!.crossEntropy, both!.crossEntropy);
});

testRecords("a + in a model's path is one of its characters", async ({ folder, evaluate }) => {
  const path = join(folder, "c++.safetensors");
  await Deno.writeFile(path, OTHER);
  const { variants: [own] } = await evaluate("--model", path);
  const { variants: [compared] } = await evaluate("--compare", `model=${path}`);
  assertEquals(compared!.crossEntropy, own!.crossEntropy);
});

Deno.test("records of floats are one backend's, those of integers every backend's", () => {
  const of = (backend: string, precision: string) =>
    settingsOf("evaluate", [small.model], { backend, precision }, {});
  assertEquals(of("wasm", "int8"), of("webgpu", "int8"));
  assertEquals(of("wasm", "float").backend, "wasm");
  assertEquals(of("webgpu", "float").backend, "webgpu");
  const on = (device: string) =>
    settingsOf("evaluate", [small.model], { backend: "wasm", precision: "float", device }, {});
  assertEquals(on("relaxed SIMD").device, "relaxed SIMD");
});

testRecords("a label that was corrected counts, and it is said", async (
  { folder, list, out, evaluate },
) => {
  await evaluate("--out", out);
  await Deno.writeTextFile(list, `1.png,${labels[0]}\n2.png,${labels[3]}\n3.png,${labels[2]}\n`);
  const { variants: [again], said } = await evaluate("--out", out);
  assertStringIncludes(said, `Changed since, and done again: ${join(folder, "2.png")}\n`);
  const { variants: [fresh] } = await evaluate();
  assertEquals({ ...again, imagesPerSecond: 0 }, { ...fresh, imagesPerSecond: 0 });
  const anew = await evaluate("--out", out, "--force");
  assertEquals(typeof anew.variants[0]!.imagesPerSecond, "number", "all were looked at again");
  const third = await evaluate("--out", out);
  assertEquals(third.said.includes("Changed"), false);
  assertEquals(third.variants[0]!.imagesPerSecond, null);
});

testRecords(
  "a picture that was replaced is looked at again, and one that was removed does not count",
  async (
    { folder, list, out, evaluate },
  ) => {
    await evaluate("--out", out);
    await Deno.writeFile(join(folder, "1.png"), await picture(9));
    await Deno.writeTextFile(list, `1.png,${labels[0]}\n3.png,${labels[2]}\n`);
    const { variants: [again], said } = await evaluate("--out", out);
    assertStringIncludes(said, `Changed since, and done again: ${join(folder, "1.png")}\n`);
    const { variants: [fresh] } = await evaluate();
    assertEquals({ ...again, imagesPerSecond: 0 }, { ...fresh, imagesPerSecond: 0 });
    assertEquals(again!.images, 2);
  },
);

testRecords(
  "another picture of the same size and time is another, and so is one at another URL",
  async (
    { folder, model, out },
  ) => {
    const [one, two, link] = ["1.bmp", "2.bmp", "link.bmp"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    const time = new Date(0);
    for (const [path, seed] of [[one, 1], [two, 2]] as const) {
      const bmp = new Uint8Array(54 + 3 * 40 * 36), view = new DataView(bmp.buffer);
      bmp.set([0x42, 0x4d]);
      for (
        const [at, value] of [[2, bmp.length], [10, 54], [14, 40], [18, 40], [22, 36]] as const
      ) {
        view.setUint32(at, value, true);
      }
      view.setUint16(26, 1, true);
      view.setUint16(28, 24, true);
      const next = randomFrom(seed);
      for (let at = 54; at < bmp.length; at++) bmp[at] = 256 * next();
      await Deno.writeFile(path, bmp);
      await Deno.utime(path, time, time);
    }
    await Deno.symlink(one, link);
    const classify = async (...places: string[]): Promise<string[]> => {
      const { code, err } = await run(classifyCommand, "--model", model, "--out", out, ...places);
      assertEquals(code, 0, err);
      return (await Deno.readTextFile(out)).trimEnd().split("\n").slice(1)
        .map((line) => JSON.stringify(JSON.parse(line).predictions));
    };
    const [first] = await classify(link);
    await Deno.remove(link);
    await Deno.symlink(two, link);
    const [other] = await classify(link);
    assertEquals(other === first, false);
    // A name that another file got.
    await classify(one);
    // Of a change the system tells the second, by a clock that is up to a tick of 10 ms behind.
    const next = 1000 * (Math.floor(Date.now() / 1000) + 1) + 50;
    await until(() => Date.now() > next);
    await Deno.rename(two, one);
    assertEquals((await classify(one)).at(-1), other);

    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      async ({ url }) =>
        new Response(await picture(Number(new URL(url).searchParams.get("id"))) as BodyInit),
    );
    const url = `http://127.0.0.1:${server.addr.port}/p.png?id=`;
    const before = (await classify(`${url}1`)).length;
    const found = await classify(`${url}2`);
    assertEquals([found.length, found.at(-2) === found.at(-1)], [before, false]);
  },
);

Deno.test("relative paths of another folder are other pictures", async () => {
  const files = {
    "x/set/cat/1.png": await picture(1),
    "y/set/cat/1.png": await picture(2),
    "m.safetensors": await modelBytes({ ...small.model, labels: ["cat", ...labels.slice(1)] }),
  };
  await withFiles(files, async (folder) => {
    const time = new Date(0);
    for (const one of ["x", "y"]) await Deno.utime(join(folder, one, "set/cat/1.png"), time, time);
    const evaluate = async (cwd: string, ...args: string[]) => {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "--no-prompt", "--no-check", "--allow-all", join(ROOT, "cli.ts"), "evaluate"],
          ...[...CPU, "--model", "../m.safetensors", "--out", "../out", "--json", ...args, "set"],
        ],
        cwd: join(folder, cwd),
        env: { NO_COLOR: "1" },
      }).output();
      const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
      return { code, out: text(stdout), err: text(stderr) };
    };
    const first = await evaluate("x");
    assertEquals(first.code, 0, first.err);
    const refused = await evaluate("y");
    assertEquals([refused.code, refused.out], [2, ""]);
    assertStringIncludes(refused.err, "../out has a report");
    const second = await evaluate("y", "--force");
    const crossEntropy = ({ out }: { out: string }): number =>
      JSON.parse(out).variants[0].crossEntropy;
    assertEquals(crossEntropy(second) === crossEntropy(first), false);
  });
});

testRecords("a report that is not of this evaluation is kept", async ({ out, evaluate }) => {
  await evaluate("--out", out);
  const page = join(out, "report.html"), data = join(out, "report.json");
  const before = [await Deno.readTextFile(page), await Deno.readTextFile(data)];
  await assertRejects(() => evaluate("--out", out, "--flip"), UsageError, "--force");
  assertEquals([await Deno.readTextFile(page), await Deno.readTextFile(data)], before);
  await Deno.remove(data);
  await assertRejects(() => evaluate("--out", out), UsageError, "--force");
  for (const text of ["", "[1]", '{"a":1}', "diary"]) {
    await Deno.writeTextFile(data, text);
    await assertRejects(() => evaluate("--out", out), UsageError, "--force");
    assertEquals(await Deno.readTextFile(data), text);
  }
  await evaluate("--out", out, "--force");
  assertEquals([await Deno.readTextFile(page), await Deno.readTextFile(data)], before);
});

testRecords("a report has no times, and a line for each row of its matrix", async (
  { out, evaluate },
) => {
  await evaluate("--out", out);
  const text = await Deno.readTextFile(join(out, "report.json"));
  const { program, version } = JSON.parse(text);
  assertEquals([program, version], ["vgg16 evaluate", VERSION]);
  assertEquals(JSON.parse(text).variants[0].imagesPerSecond, undefined);
  assertEquals((await Deno.readTextFile(join(out, "report.html"))).includes("images/s"), false);
  const row = `  [${labels.map(() => "\\d").join(", ")}]`;
  assertMatch(text, new RegExp(`"confusion": \\[\n *${row.trim().replace("[", "\\[")}`));
  assertEquals(text.split("\n").length < 40 + 10 * labels.length + 15 * 10, true);
});

testRecords(
  "a share without images is no error: there is nothing to do",
  async ({ list, model }) => {
    const shares = Array.from({ length: 40 }, (_, n) => `${n + 1}/40`), said: string[] = [];
    for (const share of shares) {
      const { code, err } = await run(evaluateCommand, "--shard", share, "--model", model, list);
      assertEquals(code, 0);
      if (err.includes("No image falls to")) said.push(share);
      if (said.length > 0) break;
    }
    assertEquals(said.length, 1);
  },
);

testRecords(
  "lines of classify are of one model and its settings, and of pictures as they are",
  async (
    { folder, model, out },
  ) => {
    const [one, two] = ["1.png", "2.png"].map((name) => join(folder, name)) as [string, string];
    const gone = join(folder, "gone.png");
    const classify = (...args: string[]) =>
      run(classifyCommand, "--model", model, "--out", out, ...args, one, gone, two, one);
    const lines = async () =>
      (await Deno.readTextFile(out)).trimEnd().split("\n").map((l) => JSON.parse(l));
    assertEquals((await classify()).code, 1);
    const [head, first, failed, second, ...more] = await lines();
    assertEquals([head.program, head.crops, more], ["vgg16 classify", "center", []]);
    assertEquals([first.file, failed.file, second.file], [one, gone, two]);
    assertEquals([first.latencyMs, failed.error.retryable], [undefined, false]);

    const before = await Deno.readTextFile(out);
    for (
      const other of [["--flip"], ["--top-k", "1"], ["--score-threshold", "0.5"], [
        "--crops",
        "ten",
      ]]
    ) {
      await assertRejects(() => classify(...other), UsageError, "other settings");
    }
    assertEquals(await Deno.readTextFile(out), before);

    await Deno.writeFile(two, await picture(7));
    await Deno.writeFile(gone, await picture(8));
    const { code, err } = await classify();
    assertEquals(code, 0);
    assertStringIncludes(err, `Changed since, and done again: ${two}\n2 of 3 classified in `);
    const [, ...again] = await lines();
    assertEquals(again.map(({ file }) => file), [one, gone, two]);
    assertEquals(again[0], first);
    assertNotEquals(again[2].predictions, second.predictions);

    await Deno.writeFile(model, OTHER);
    await assertRejects(() => classify(), UsageError, "sha256");
    assertEquals((await classify("--force")).code, 0);
    assertEquals((await lines()).length, 4);
  },
);

Deno.test("an evaluation that is killed again and again, divided or overtaken by changes gives an undisturbed one's bytes", async () => {
  const seed = Math.floor(Math.random() * 2 ** 31), next = randomFrom(seed);
  const files: Record<string, string | Uint8Array> = {}, names = ["cat", "dog", "ship", "bird"];
  for (let n = 0; n < 60; n++) files[`${n}.png`] = await picture(n);
  const rows = Array.from({ length: 60 }, (_, n) => `${n}.png,${names[n % 4]}`);
  files["list.csv"] = rows.join("\n");
  await withFiles(files, async (folder) => {
    const start = (out: string, ...args: string[]) =>
      new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "--no-prompt", "--no-check", "--allow-all", join(ROOT, "cli.ts"), "evaluate"],
          ...["--model", CIFAR10, ...CPU, "--out", join(folder, out)],
          ...["--compare", "center; dense 40,64 flip precision=float", ...args],
          join(folder, "list.csv"),
        ],
        env: { NO_COLOR: "1" },
        stdout: "null",
        stderr: "piped",
      }).spawn();
    const finish = async (out: string, ...args: string[]): Promise<void> => {
      const { code, stderr } = await start(out, ...args).output();
      assertEquals(code, 0, `seed ${seed}: ${new TextDecoder().decode(stderr)}`);
    };
    const found = async (out: string): Promise<number> => {
      let lines = 0;
      for await (const { name } of listed(join(folder, out))) {
        if (name.endsWith(".jsonl")) {
          lines += (await Deno.readTextFile(join(folder, out, name))).split("\n").length - 1;
        }
      }
      return lines;
    };
    let kills = 0;
    const killed = async (out: string, ...args: string[]): Promise<void> => {
      const more = await found(out) + Math.floor(12 * next());
      const child = start(out, ...args);
      let isOver = false;
      const end = child.output().finally(() => isOver = true);
      await until(async () => isOver || await found(out) > more);
      if (!isOver) child.kill("SIGKILL");
      const { signal, code, stderr } = await end;
      if (signal === "SIGKILL") kills++;
      else assertEquals(code, 0, `seed ${seed}: ${new TextDecoder().decode(stderr)}`);
    };
    const report = async (out: string): Promise<string[]> => {
      const files = ["report.json", "report.html"].map((name) => join(folder, out, name));
      // Pictures are long lines.
      return (await Promise.all(files.map((path) => Deno.readTextFile(path)))).join("\n").split(
        "\n",
      )
        .map((line) => line.slice(0, 4000));
    };
    await finish("whole");
    const whole = await report("whole");
    for (let n = 0; n < 10; n++) await killed("resumed");
    assert(kills > 0, `seed ${seed}: each of 10 ended before it could be killed`);
    await finish("resumed");
    assertEquals(await report("resumed"), whole, `seed ${seed}`);

    await killed("parts", "--shard", "2/3");
    for (const part of ["3/3", "1/3", "2/3"]) await finish("parts", "--shard", part);
    const before = await found("parts");
    await finish("parts");
    assertEquals(await report("parts"), whole, `seed ${seed}`);
    // The settings of two variants: what the parts found was not looked for again.
    assertEquals(await found("parts") - before, 2);

    const changed = rows.toSpliced(Math.floor(50 * next()), 3)
      .map((row) => next() < 0.1 ? row.replace(/,.*/, ",truck") : row);
    await Deno.writeTextFile(join(folder, "list.csv"), changed.join("\n"));
    const replaced = `${Math.floor(60 * next())}.png`;
    await Deno.writeFile(join(folder, replaced), await picture(99));
    await finish("fresh");
    const fresh = await report("fresh");
    assertEquals(fresh.join() === whole.join(), false);
    for (const out of ["resumed", "parts"]) {
      await killed(out);
      await finish(out);
      assertEquals(await report(out), fresh, `seed ${seed}, ${out}`);
    }
  });
});

async function* listed(folder: string): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(folder);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

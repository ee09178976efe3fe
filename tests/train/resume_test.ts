import { assertEquals, assertRejects } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { decodeImage } from "../../lib/image/decode.ts";
import { encodePng } from "../../lib/image/codecs/encode_png.ts";
import { cropImage } from "../../lib/image/resize.ts";
import type { Dataset } from "../../lib/input/dataset.ts";
import { listSamples } from "../../lib/input/list_samples.ts";
import type { Progress, ProgressOptions } from "../../lib/progress.ts";
import { fit, type FitOptions } from "../../lib/train/fit.ts";
import { fitFromScratch } from "../../lib/train/fit_from_scratch.ts";
import { COLOR_BINS } from "../../lib/train/baselines.ts";
import { FeatureFile } from "../../lib/train/feature_file.ts";
import { CIFAR10 } from "../support/cifar10.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));

/** A folder with 40 pictures of cats and 40 of dogs, each 32x32. */
async function withPictures(use: (folder: string, data: Dataset) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  const sheet = await decodeImage(
    await Deno.readFile(join(ROOT, "tests/fixtures/cifar10/sheet.png")),
  );
  try {
    for (const [label, row] of [["cat", 3], ["dog", 5]] as const) {
      await Deno.mkdir(join(folder, "pictures", label), { recursive: true });
      for (let n = 0; n < 40; n++) {
        const place = { left: n * 32, top: row * 32, width: 32, height: 32 };
        const png = await encodePng(cropImage(sheet, place));
        await Deno.writeFile(join(folder, "pictures", label, `${n}.png`), png);
      }
    }
    await use(folder, await listSamples(join(folder, "pictures")));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const FITS = {
  fit: (data: Dataset, options: { directory: string } & ProgressOptions) =>
    fit(data, { ...options, model: CIFAR10, backend: "wasm", hidden: 8, epochs: 3 }),
  fitFromScratch: (data: Dataset, options: { directory: string } & ProgressOptions) =>
    fitFromScratch(data, { ...options, backend: "wasm", epochs: 2, width: 0.125, dense: [16] }),
};

for (const [name, run] of Object.entries(FITS)) {
  Deno.test(`${name}() refuses a directory that another fit has`, async () => {
    await withPictures(async (folder, data) => {
      const directory = join(folder, "fit");
      let second: Promise<unknown> | undefined;
      const onProgress = ({ stage }: Progress) => {
        // Before that, it has not taken the directory yet.
        if (stage !== "features") return;
        second ??= assertRejects(
          () => run({ ...data, samples: data.samples.toReversed() }, { directory }),
          Error,
          `Another run writes ${directory}: wait until it ends`,
        );
      };
      const { bytes: model } = await run(data, { directory, onProgress });
      await second;
      assertEquals((await run(data, { directory })).bytes, model, "it is free again");
    });
  });

  Deno.test(`${name}() begins again where its state is an empty file, or a damaged one`, async () => {
    await withPictures(async (folder, data) => {
      const directory = join(folder, "fit");
      const { bytes: model } = await run(data, { directory });
      const names = await Array.fromAsync(Deno.readDir(directory), ({ name: file }) => file);
      const state = join(directory, names.find((file) => file.startsWith("training-"))!);
      for (const part of [0, 0.5]) {
        await Deno.truncate(state, Math.floor(part * (await Deno.stat(state)).size));
        assertEquals((await run(data, { directory })).bytes, model);
      }
    });
  });
}

Deno.test("a file of features keeps whole pictures, and does not write them again", async () => {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  const [rows, lines] = ["features-key.bin", "features-key.txt"].map((name) => join(folder, name));
  const file = new FeatureFile(folder, "key", 2);
  const record = (fingerprint: string, value: number) => ({
    fingerprint,
    features: Float32Array.of(value, value + 1),
    colors: new Float32Array(COLOR_BINS).fill(value),
  });
  const [a, b, c] = [record("a", 1), record("b", 3), record("c", 5)];
  const broken = { reason: "it is damaged", code: "image-damaged" } as const;
  assertEquals(await file.load(), []);
  await file.append([a, broken, b]);
  // Cut off as they were written: a row more than lines, half a row, half a line.
  const row = 4 * (2 + COLOR_BINS);
  for (const [path, rest] of [[rows, new Uint8Array(row + 3)], [lines, new Uint8Array([99])]]) {
    await Deno.writeFile(path as string, rest as Uint8Array, { append: true });
  }
  const { ino } = await Deno.stat(rows!);
  assertEquals(await file.load(), [a, broken, b]);
  assertEquals((await Deno.stat(rows!)).ino, ino);
  assertEquals((await Deno.readTextFile(lines!)).split("\n").length, 4);
  await file.append([c]);
  assertEquals(await file.load(), [a, broken, b, c]);
  // What a bit of the disk has changed is computed again, with what follows.
  const damages = [[rows, 0, 0], [rows, 2 * row + 5, 2], [lines, 0, 0], [lines, 70, 1]] as const;
  for (const [path, at, left] of damages) {
    const bytes = await Deno.readFile(path!);
    bytes[at]! ^= 4;
    await Deno.writeFile(path!, bytes);
    assertEquals(await file.load(), [a, broken, b, c].slice(0, left));
    assertEquals((await Deno.stat(rows!)).size, left * row);
    await file.append([a, broken, b, c].slice(left));
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a fit that ended for bad pictures goes on from what it had read", async () => {
  await withPictures(async (folder, data) => {
    const directory = join(folder, "fit");
    const broken = Array.from({ length: 10 }, (_, n) => ({
      ...{ file: `broken-${n}`, label: 0, image: new TextEncoder().encode(`garbage ${n}`) },
    }));
    const bad = { ...data, samples: [...data.samples, ...broken] };
    const options = { model: CIFAR10, backend: "wasm", directory, sides: [32] } as const;
    await assertRejects(() => fit(bad, options), RangeError, "10 of 50 pictures");
    let computed = 0;
    const { skipped, bytes } = await fit(bad, {
      ...options,
      skipBad: true,
      onProgress: ({ stage, done, total }) => {
        if (stage === "features" && done < total!) computed++;
      },
    });
    assertEquals([skipped.length, computed], [10, 0]);
    assertEquals(bytes, (await fit(data, { ...options, directory: undefined })).bytes);
  });
});

Deno.test("a picture that could not be fetched is asked for again, and no other is read again", async () => {
  await withPictures(async (folder, data) => {
    const file = await Deno.readFile(join(folder, "pictures/cat/0.png"));
    let isUp = false, asked = 0;
    await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
      asked++;
      return isUp ? new Response(file) : new Response(null, { status: 404 });
    });
    const url = `http://127.0.0.1:${server.addr.port}/cat.png`;
    const samples = data.samples.map((sample, n) => n === 0 ? { ...sample, file: url } : sample);
    const directory = join(folder, "fit");
    const run = async () => {
      const reached: number[] = [];
      const { skipped, bytes } = await fit({ ...data, samples }, {
        ...{ model: CIFAR10, backend: "wasm", directory, sides: [32] },
        onProgress: ({ stage, done }) => void (stage === "features" && reached.push(done)),
      });
      return { skipped, bytes, first: reached[0] };
    };
    const down = await run();
    assertEquals(down.skipped.map(({ code }) => code), ["image-fetch"]);
    const before = asked;
    isUp = true;
    const up = await run();
    assertEquals([up.skipped, up.first, asked > before], [[], 79, true]);
    const options = { model: CIFAR10, backend: "wasm", sides: [32] } as const;
    assertEquals(up.bytes, (await fit(data, options)).bytes);
  });
});

Deno.test("a directory keeps what one fit needs to go on, and whatever else is in it", async () => {
  await withPictures(async (folder, data) => {
    const directory = join(folder, "fit");
    const namesLike = async (pattern: RegExp): Promise<string[]> =>
      (await Array.fromAsync(Deno.readDir(directory), ({ name }) => name))
        .filter((name) => pattern.test(name)).sort();
    const others = ["features-of-mine.txt", "training-0123456789abcdef.json.bak"];
    await Deno.mkdir(directory);
    for (const name of others) await Deno.writeTextFile(join(directory, name), "mine");
    const computed: number[] = [];
    const run = async (options: FitOptions) => {
      let reached: number | undefined;
      await fit(data, {
        ...{ model: CIFAR10, backend: "wasm", directory, sides: [32], mirror: "off", ...options },
        onProgress: ({ stage, done }) => void (stage === "features" && (reached ??= done)),
      });
      computed.push(80 - reached!);
      return [await namesLike(/^features.*(bin|txt)$/), await namesLike(/^training.*safetensors$/)];
    };
    const [features] = await run({});
    assertEquals(features!.length, 3);
    const [replaced] = await run({ layer: "pool3" });
    assertEquals(replaced!.filter((name) => features!.includes(name)), ["features-of-mine.txt"]);
    assertEquals(replaced!.length, 3);
    // Another head goes on with the same features; one state of a training is kept.
    const [same, [state, ...more]] = await run({ layer: "pool3", hidden: 4, epochs: 2 });
    assertEquals([same, more], [replaced, []]);
    const [, states] = await run({ layer: "pool3", hidden: 6, epochs: 2 });
    assertEquals([states!.length, states!.includes(state!)], [1, false]);
    assertEquals(computed, [80, 80, 0, 0]);
    for (const name of others) assertEquals(await Deno.readTextFile(join(directory, name)), "mine");
  });
});

for (
  const [name, options] of Object.entries({
    "fit": ["--model", CIFAR10],
    "fit --hidden": ["--model", CIFAR10, "--hidden", "32", "--epochs", "40", "--patience", "40"],
    "fit --scratch": [
      ...["--scratch", "A", "--width", "0.25", "--dense", "32", "--epochs", "5", "--side", "32"],
    ],
  })
) {
  Deno.test(`${name} that is killed again and again makes the model of one that is not`, async () => {
    await withPictures(async (folder) => {
      const start = (out: string): Deno.ChildProcess =>
        new Deno.Command(Deno.execPath(), {
          args: [
            ...["run", "--no-check", "--allow-all", "cli.ts", "fit", join(folder, "pictures")],
            ...["--backend", "wasm", "--out", join(folder, out, "m.safetensors"), ...options],
          ],
          cwd: ROOT,
          stdout: "null",
          stderr: "null",
        }).spawn();
      for (const out of ["whole", "killed"]) await Deno.mkdir(join(folder, out));
      const begun = performance.now();
      assertEquals((await start("whole").status).code, 0);
      const wholeMs = performance.now() - begun;
      const moments: number[] = [];
      for (let kills = 0; kills < 6; kills++) {
        const child = start("killed");
        const moment = wholeMs * (0.15 + 0.85 * Math.random());
        const timer = setTimeout(() => child.kill("SIGKILL"), moment);
        const { signal } = await child.status;
        clearTimeout(timer);
        moments.push(Math.round(moment));
        if (signal === null) break;
      }
      const message = `killed after ${moments.join(", ")} ms`;
      assertEquals((await start("killed").status).code, 0, message);
      const [whole, killed] = ["whole", "killed"].map((out) =>
        Deno.readFileSync(join(folder, out, "m.safetensors"))
      );
      assertEquals(killed!.length, whole!.length, message);
      assertEquals(killed!.findIndex((byte, at) => byte !== whole![at]), -1, message);
      const names = (await Array.fromAsync(Deno.readDir(join(folder, "killed", "m-fit"))))
        .map(({ name }) => name);
      assertEquals(names.filter((name) => name.endsWith(".tmp")), [], message);
    });
  });
}

import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import type { Dataset } from "../../lib/input/dataset.ts";
import type { Progress, ProgressOptions } from "../../lib/progress.ts";
import { fit, type FitOptions } from "../../lib/train/fit.ts";
import { fitFromScratch } from "../../lib/train/fit_from_scratch.ts";
import { CIFAR10 } from "../support/cifar10.ts";
import { withPictures } from "../support/picture_folder.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));

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
    assertEquals(features!.length, 2);
    const [replaced] = await run({ layer: "pool3" });
    assertEquals(replaced!.filter((name) => features!.includes(name)), ["features-of-mine.txt"]);
    assertEquals(replaced!.length, 2);
    // Another head goes on with the same features; one state of a training is kept.
    const [same, [state, ...more]] = await run({ layer: "pool3", hidden: 4, epochs: 2 });
    assertEquals([same, more], [replaced, []]);
    const [, states] = await run({ layer: "pool3", hidden: 6, epochs: 2 });
    assertEquals([states!.length, states!.includes(state!)], [1, false]);
    assertEquals(computed, [80, 80, 0, 0]);
    for (const name of others) assertEquals(await Deno.readTextFile(join(directory, name)), "mine");
  });
});

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

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
      const start = (out: string, ...more: string[]): Deno.ChildProcess =>
        new Deno.Command(Deno.execPath(), {
          args: [
            ...["run", "--no-check", "--allow-all", "cli.ts", "fit", join(folder, "pictures")],
            ...[
              "--backend",
              "wasm",
              "--out",
              join(folder, out, "m.safetensors"),
              ...options,
              ...more,
            ],
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
        const timer = setTimeout(() => {
          try {
            child.kill("SIGKILL");
          } catch (error) {
            // It has ended by itself, which nobody has heard of yet.
            if (!(error instanceof TypeError)) throw error;
          }
        }, moment);
        const { signal } = await child.status;
        clearTimeout(timer);
        moments.push(Math.round(moment));
        if (signal === null) break;
      }
      const message = `killed after ${moments.join(", ")} ms`;
      const [isDone, isShown] = ["m.safetensors", "m-fit/report.html"].map((name) =>
        isThere(join(folder, "killed", name))
      );
      // A model that is there is kept: the report that should have followed it takes --force.
      const more = isDone ? ["--force"] : [];
      if (!isShown) assertEquals((await start("killed", ...more).status).code, 0, message);
      assert(isThere(join(folder, "killed/m-fit/report.html")), message);
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

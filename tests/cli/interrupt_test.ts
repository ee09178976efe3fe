import { assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { fromFileUrl, join } from "@std/path";
import { encodePng } from "../../lib/image/codecs/encode_png.ts";
import { layersOf } from "../../lib/model/architecture.ts";
import { withModelLock } from "../../lib/io/cache.ts";
import { type FlakyServer, serveFlaky } from "../support/flaky_server.ts";
import { until } from "../support/serve_process.ts";
import { catsAndDogs } from "../support/fitted.ts";
import { CIFAR10, CIFAR10_FILE } from "../support/cifar10.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const PHOTO = join(ROOT, "tests/data/photos/rocket.jpg");
const MODEL = await Deno.readFile(fromFileUrl(CIFAR10_FILE));
const CIFAR = ["--model", CIFAR10];
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** A command that works, and what it works with. */
interface Work {
  readonly folder: string;
  readonly child: Deno.ChildProcess;
  /** What is on standard output so far. */
  readonly printed: () => string;
}

interface Case {
  /** The command line; `folder` is empty but for what this puts there. */
  readonly args: (folder: string) => readonly string[] | Promise<readonly string[]>;
  /** Resolves once the command is at work. */
  readonly started: (work: Work) => Promise<unknown>;
  readonly signal?: keyof typeof EXIT_CODES;
  /** Whether the command says that it goes on when it is run again. Default: no. */
  readonly goesOn?: boolean;
}

/** Starts a command, sends it a signal at work, and checks how it ends. */
function endsOnSignal(
  name: string,
  { args, started, signal = "SIGINT", goesOn = false }: Case,
): void {
  Deno.test(`${signal} ends ${name}`, { ignore: Deno.build.os === "windows" }, async () => {
    const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
    const temporary = join(folder, "temporary");
    await Deno.mkdir(temporary);
    const line = await args(folder);
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "--no-check", "--allow-all", "cli.ts", ...line],
      cwd: ROOT,
      env: { NO_COLOR: "1", TMPDIR: temporary, XDG_RUNTIME_DIR: "/tmp", VGG16_CACHE_DIR: folder },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    let printed = "";
    const reading = child.stdout.pipeThrough(new TextDecoderStream() as ReadableWritablePair)
      .pipeTo(new WritableStream({ write: (text) => void (printed += text) }));
    const stderr = new Response(child.stderr).text();
    await Promise.race([
      started({ folder, child, printed: () => printed }),
      child.status.then(async () => Promise.reject(new Error(`ended early: ${await stderr}`))),
    ]);
    child.kill(signal);
    const hung = setTimeout(() => child.kill("SIGKILL"), 20_000);
    const { code, signal: killedBy } = await child.status;
    clearTimeout(hung);
    await reading;
    await child.stdin.abort().catch(() => {});
    assertEquals({ code, killedBy }, { code: EXIT_CODES[signal], killedBy: null }, await stderr);
    assertEquals(/^Stopped.*: run the same command to go on$/m.test(await stderr), goesOn);
    assertEquals(await filesBelow(temporary), []);
    assertEquals((await filesBelow(folder)).filter((file) => file.endsWith(".tmp")), []);
    await Deno.remove(folder, { recursive: true });
  });
}

async function filesBelow(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    files.push(...isDirectory ? await filesBelow(path) : [path]);
  }
  return files;
}

/** Folders of many links to a picture, one for each label. */
async function pictures(folder: string, labels: readonly string[], each: number): Promise<string> {
  for (const label of labels) {
    await Deno.mkdir(join(folder, "pictures", label), { recursive: true });
    for (let i = 0; i < each; i++) {
      await Deno.symlink(PHOTO, join(folder, "pictures", label, `${i}.jpg`));
    }
  }
  return join(folder, "pictures");
}

/** Folders of cats and dogs, no two of which are the same. */
async function different(folder: string): Promise<string> {
  const { labels, samples } = catsAndDogs(40);
  for (const label of labels) {
    await Deno.mkdir(join(folder, "pictures", label), { recursive: true });
  }
  for (const { file, image } of samples) {
    await Deno.writeFile(join(folder, "pictures", `${file}.png`), await encodePng(image));
  }
  return join(folder, "pictures");
}

const many = (folder: string): Promise<string> => pictures(folder, ["cat", "dog"], 1000);

/** Waits for a file that matches, of so many bytes. */
const fileSeen = (name: RegExp, bytes = 1) => ({ folder }: Work): Promise<void> =>
  until(async () => {
    for (const file of await filesBelow(folder)) {
      if (name.test(file) && (await Deno.stat(file)).size >= bytes) return true;
    }
    return false;
  });

const lineSeen = ({ printed }: Work): Promise<void> => until(() => printed().includes("\n"));

/** Fills a pipe: the command has read most of it then. */
const fed = (bytes: Uint8Array) => async ({ child }: Work): Promise<void> => {
  const writer = child.stdin.getWriter();
  await writer.write(bytes);
  writer.releaseLock();
};

/** Waits for the handler of SIGTERM, and a little longer, where nothing else shows from outside. */
const atWork = async ({ child }: Work): Promise<void> => {
  if (Deno.build.os !== "linux") return await delay(3000);
  await until(async () => {
    const status = await Deno.readTextFile(`/proc/${child.pid}/status`).catch(() => "");
    return (parseInt(/SigCgt:\s*\w*(\w{8})/.exec(status)?.[1] ?? "0", 16) & 0x4000) !== 0;
  });
  await delay(1500);
};

/** A checkpoint of VGG-16 for ImageNet, 553 MB of zeros that take no place on the disk. */
async function largeCheckpoint(folder: string): Promise<string> {
  const path = join(folder, "large.safetensors");
  const layers = layersOf({
    configuration: "D",
    input: { height: 224, width: 224, channels: 3 },
    convolutions: [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512],
    dense: [4096, 4096, 1000],
  });
  const places = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28];
  let end = 0;
  const header: Record<string, unknown> = {};
  layers.forEach(({ filterSize, inChannels, outChannels }, n) => {
    const name = n < 13 ? `features.${places[n]}` : `classifier.${(n - 13) * 3}`;
    const shape = n < 13
      ? [outChannels, inChannels, 3, 3]
      : [outChannels, filterSize[0] * filterSize[1] * inChannels];
    for (const [kind, extents] of [["weight", shape], ["bias", [outChannels]]] as const) {
      const begin = end;
      end += 4 * extents.reduce((product, extent) => product * extent, 1);
      header[`${name}.${kind}`] = { dtype: "F32", shape: extents, data_offsets: [begin, end] };
    }
  });
  const json = new TextEncoder().encode(JSON.stringify(header));
  const head = new Uint8Array(8 + json.length);
  new DataView(head.buffer).setBigUint64(0, BigInt(json.length), true);
  head.set(json, 8);
  await Deno.writeFile(path, head);
  await Deno.truncate(path, head.length + end);
  return path;
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  endsOnSignal("classify of a folder", {
    goesOn: true,
    args: async (folder) => [
      ...["classify", ...CIFAR, await many(folder)],
      ...["--out", join(folder, "all.jsonl")],
    ],
    started: fileSeen(/all\.jsonl$/),
    signal,
  });
}
endsOnSignal("classify of a pipe", {
  args: () => ["classify", ...CIFAR, "-"],
  started: fed(new Uint8Array(2 ** 20)),
});
endsOnSignal("classify with --draw", {
  args: async (folder) => [
    ...["classify", ...CIFAR, await many(folder)],
    ...["--draw", join(folder, "drawn")],
  ],
  started: fileSeen(/\.png$/),
});
endsOnSignal("classify in the floats of one thread", {
  args: async (folder) => [
    ...["classify", ...CIFAR, await many(folder), "--precision", "float", "--threads", "1"],
    ...["--backend", "wasm", "--crops", "dense", "--scales", "512"],
  ],
  started: lineSeen,
});
endsOnSignal("embed", {
  args: async (folder) => ["embed", ...CIFAR, await many(folder)],
  started: lineSeen,
});
endsOnSignal("embed into one file", {
  goesOn: true,
  args: async (folder) => ["embed", ...CIFAR, await many(folder), "--out", join(folder, "all.npy")],
  started: atWork,
});
endsOnSignal("explain", {
  args: async (folder) => ["explain", ...CIFAR, await many(folder), "--out", join(folder, "drawn")],
  started: fileSeen(/\.png$/),
});
endsOnSignal("evaluate", {
  goesOn: true,
  args: async (folder) => [
    ...["evaluate", ...CIFAR, await many(folder)],
    ...["--out", join(folder, "report")],
  ],
  started: fileSeen(/\.jsonl$/, 1000),
});
const FIT = ["--hidden", "8", "--epochs", "1000", "--patience", "1000"];
endsOnSignal("fit as it computes features", {
  goesOn: true,
  args: async (folder) => [
    ...["fit", ...CIFAR, await many(folder)],
    ...["--out", join(folder, "m.safetensors")],
  ],
  started: fileSeen(/features-.*\.bin$/, 1),
});
endsOnSignal("fit as it trains", {
  goesOn: true,
  args: async (folder) => [
    ...["fit", ...CIFAR, await different(folder)],
    ...["--out", join(folder, "m.safetensors"), ...FIT],
  ],
  started: fileSeen(/training-.*\.safetensors$/),
});
endsOnSignal("fit as it finds 512 principal axes", {
  goesOn: true,
  args: async (folder) => [
    ...["fit", ...CIFAR, await different(folder), "--whitening", "pca"],
    ...["--out", join(folder, "m.safetensors")],
  ],
  started: async (work) => {
    // All records: three hashes, and floats, which are features and a histogram of colors.
    await fileSeen(/features-.*\.bin$/, 80 * (3 * 32 + 4 * (512 + 192)))(work);
    await delay(100);
  },
});
endsOnSignal("fit --scratch", {
  goesOn: true,
  args: async (folder) => [
    ...["fit", await different(folder)],
    ...["--out", join(folder, "m.safetensors"), "--scratch", "A", "--epochs", "1000"],
  ],
  started: fileSeen(/training-.*\.safetensors$/),
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  endsOnSignal("convert of a file", {
    args: async (folder) => [
      ...["convert", await largeCheckpoint(folder), "--out", join(folder, "m.safetensors")],
    ],
    started: fileSeen(/m\.safetensors\..*\.tmp$/, 2 ** 24),
    signal,
  });
  endsOnSignal("convert of a pipe", {
    args: (folder) => ["convert", "-", "--out", join(folder, "m.safetensors")],
    started: fed(new Uint8Array(2 ** 20)),
    signal,
  });
}
endsOnSignal("models remove that waits", {
  args: (folder) => ["models", "remove", "vgg16-torchvision", "--cache-dir", folder],
  started: async (work) => {
    const { folder, child } = work;
    const { promise, resolve } = Promise.withResolvers<void>();
    withModelLock("vgg16-torchvision", folder, undefined, async () => {
      resolve();
      await child.status;
    });
    await promise;
    await atWork(work);
  },
});
endsOnSignal("profile", {
  args: () => [
    ...["profile", ...CIFAR, "--runs", "100", "--batch", "64", "--threads", "1"],
    ...["--backend", "wasm"],
  ],
  started: atWork,
});

/** A server that sends the beginning of a model, and no more; vgg16-torchvision has its own size. */
const server = (): FlakyServer =>
  serveFlaky(({ path }) => ({
    status: 200,
    headers: { "content-length": path.endsWith(".pth") ? "553433881" : `${MODEL.length}` },
    body: MODEL,
    cutAfter: 200_000,
    isHeld: true,
  }));

const convertOfUrl = (url: string, folder: string): readonly string[] => [
  ...["convert", url, "--out", join(folder, "m.safetensors")],
];
const pull = (url: string, folder: string): readonly string[] => [
  ...["pull", "vgg16-torchvision", "--cache-dir", folder, "--base-url", url],
];

for (
  const [name, signal, args] of [
    ["convert of a URL", "SIGINT", convertOfUrl],
    ["convert of a URL", "SIGTERM", convertOfUrl],
    ["convert of a URL", "SIGHUP", convertOfUrl],
    ["pull", "SIGINT", pull],
    ["pull", "SIGTERM", pull],
    ["pull", "SIGHUP", pull],
    ["classify of a URL", "SIGINT", (url) => ["classify", ...CIFAR, url]],
    ["classify with a model of a URL", "SIGINT", (url) => ["classify", "--model", url, PHOTO]],
    ["explain with a model of a URL", "SIGINT", (url, out) => [
      ...["explain", "--model", url, "--out", out, PHOTO],
    ]],
    ["evaluate with a model of a URL", "SIGINT", (url, out) => ["evaluate", "--model", url, out]],
    ["fit on a model of a URL", "SIGINT", (url, folder) => [
      ...["fit", "--model", url, "--out", join(folder, "m.safetensors"), join(folder, "pictures")],
    ]],
    ["profile of a model of a URL", "SIGINT", (url) => ["profile", "--model", url]],
  ] as readonly (readonly [
    string,
    keyof typeof EXIT_CODES,
    (url: string, folder: string) => readonly string[],
  ])[]
) {
  let running: FlakyServer;
  endsOnSignal(name, {
    signal,
    goesOn: name.startsWith("fit"),
    args: async (folder) => {
      running = server();
      await pictures(folder, ["cat", "dog"], 5);
      return args(`${running.url}/model`, folder);
    },
    started: async ({ child }) => {
      child.status.then(() => running[Symbol.asyncDispose]());
      await until(() => running.requests.length > 0);
      await delay(200);
    },
  });
}

for (const work of ["writes a file", "reads a pipe"]) {
  Deno.test(`a second SIGINT ends at once what ${work} and heeds none`, {
    ignore: Deno.build.os === "windows",
  }, async () => {
    const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--allow-all", "tests/cli/stubborn_process.ts", work, folder],
      cwd: ROOT,
      env: { TMPDIR: folder },
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const lines = child.stdout.pipeThrough(new TextDecoderStream() as ReadableWritablePair)
      .getReader();
    assertEquals((await lines.read()).value, "at work\n");
    child.kill("SIGINT");
    assertEquals((await lines.read()).value, "goes on\n");
    child.kill("SIGINT");
    assertEquals((await child.status).code, 130);
    await lines.cancel();
    assertEquals(await filesBelow(folder), []);
    await Deno.remove(folder, { recursive: true });
  });
}

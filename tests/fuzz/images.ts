/**
 * Decodes damaged files: `deno task fuzz [count] [seed] [format]`, such as `20000 1 avif`. Without a seed it draws one.
 *
 * Each is a file of the corpus with bits flipped, cut short, pieces moved, or numbers overwritten, by a seed of its own,
 * from the given one on. A run fails on an error of another class than the documented ones, on a file that takes over
 * two seconds, on memory that grows, or on a valid file that no longer decodes as before. What fails names its seed,
 * which belongs into `failed_seeds.ts` then.
 *
 * @module
 */

import { ImageDecodeError, ImageTooLargeError } from "../../lib/errors.ts";
import { crc32 } from "../../lib/image/codecs/codec.ts";
import { decodeImage } from "../../lib/image/decode.ts";
import { seededRandom } from "./checkpoints.ts";
import { FAILED_IMAGES } from "./failed_seeds.ts";

const FOLDERS = ["images", "avif"].map((name) =>
  new URL(`../fixtures/${name}/files/`, import.meta.url)
);
/** Longest time for a file. */
const MAX_MS = 2000;
/** Most memory. The limit of 50 million pixels alone allows images of 200 MB as RGBA. */
const MAX_RSS = 1.5e9;
/** How often a valid file of each format is decoded. */
const CHECK_EVERY = 1000;

/** Draws a whole number below `n`. */
type Random = (n: number) => number;

type Mutation = (bytes: Uint8Array, random: Random) => Uint8Array;

const EXTREMES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0xffffffff];

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  flipBits(bytes, random) {
    for (let i = 1 + random(16); i > 0; i--) bytes[random(bytes.length)] ^= 1 << random(8);
    return bytes;
  },
  flipHeaderBits(bytes, random) {
    const end = Math.min(bytes.length, 128);
    for (let i = 1 + random(4); i > 0; i--) bytes[random(end)] ^= 1 << random(8);
    return bytes;
  },
  truncate(bytes, random) {
    return bytes.subarray(0, random(bytes.length));
  },
  swapPieces(bytes, random) {
    const length = 1 + random(Math.min(64, bytes.length >> 1));
    const a = random(bytes.length - length), b = random(bytes.length - length);
    const piece = bytes.slice(a, a + length);
    bytes.copyWithin(a, b, b + length);
    bytes.set(piece, b);
    return bytes;
  },
  overwriteNumber(bytes, random) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const value = random(3) === 0 ? random(2 ** 31) : EXTREMES[random(EXTREMES.length)];
    const at = random(Math.min(bytes.length, random(2) ? 256 : bytes.length) - 4);
    const little = random(2) === 0;
    if (random(2)) view.setUint16(at, value, little);
    else view.setUint32(at, value, little);
    return bytes;
  },
  repeatPiece(bytes, random) {
    const at = random(bytes.length), length = 1 + random(256);
    const piece = bytes.subarray(at, at + length);
    const result = new Uint8Array(bytes.length + piece.length * 8);
    result.set(bytes.subarray(0, at));
    for (let i = 0; i < 8; i++) result.set(piece, at + i * piece.length);
    result.set(bytes.subarray(at), at + 8 * piece.length);
    return result;
  },
};

/** Makes the checksums of a PNG right again, so that what is behind them is reached. */
function repairChecksums(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 8; at + 12 <= bytes.length;) {
    const end = at + 8 + view.getUint32(at);
    if (end + 4 > bytes.length) return;
    view.setUint32(end, crc32(bytes.subarray(at + 4, end)));
    at = end + 4;
  }
}

/** A PNG's pixel data, mutated before it was compressed: its decoder sees what no checksum stops. */
async function mutateInside(bytes: Uint8Array, random: Random): Promise<Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const parts = [bytes.slice(0, 8)];
  for (let at = 8; at < bytes.length;) {
    const end = at + 12 + view.getUint32(at);
    let chunk = bytes.slice(at, end);
    if (new TextDecoder().decode(chunk.subarray(4, 8)) === "IDAT") {
      const raw = await through(chunk.slice(8, -4), new DecompressionStream("deflate"));
      const data = await through(mutateBytes(raw, random), new CompressionStream("deflate"));
      const length = chunk.slice(0, 8);
      new DataView(length.buffer).setUint32(0, data.length);
      chunk = new Uint8Array(await new Blob([length, data, new Uint8Array(4)]).arrayBuffer());
    }
    parts.push(chunk);
    at = end;
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

function mutateBytes(bytes: Uint8Array<ArrayBuffer>, random: Random): Uint8Array<ArrayBuffer> {
  for (let i = 1 + random(8); i > 0; i--) bytes[random(bytes.length)] = random(256);
  return random(4) ? bytes : bytes.slice(0, random(bytes.length));
}

async function through(
  bytes: Uint8Array<ArrayBuffer>,
  transform: DecompressionStream | CompressionStream,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(transform);
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** What became of the mutants of a format. */
export interface Tally {
  decoded: number;
  refused: number;
  maxMs: number;
}

/** Options of {@linkcode fuzzImages}. */
export interface FuzzOptions {
  /** One of the corpus, by its ending. */
  readonly only?: string | undefined;
  /** Whether a mutant that takes long, and memory that grows, are errors: by `deno task fuzz` alone. */
  readonly isMeasured?: boolean;
}

async function decodeMutant(bytes: Uint8Array, what: string, tally: Tally): Promise<void> {
  const start = performance.now();
  try {
    await decodeImage(bytes);
    tally.decoded++;
  } catch (error) {
    const isNamed = error instanceof ImageDecodeError || error instanceof ImageTooLargeError;
    if (!isNamed || error.message === "") throw new Error(`${what}: ${error}`, { cause: error });
    tally.refused++;
  }
  tally.maxMs = Math.max(tally.maxMs, performance.now() - start);
}

/** The sum of an image's bytes by place: enough to see that it is the same. */
async function fingerprint(bytes: Uint8Array): Promise<string> {
  const { data, width, height } = await decodeImage(bytes);
  return `${width}x${height} ${crc32(data)}`;
}

/** The files of the corpus, by name. */
function corpus(only: string | undefined): Map<string, Uint8Array<ArrayBuffer>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const folder of FOLDERS) {
    for (const { name } of Deno.readDirSync(folder)) {
      if (only && !name.endsWith(`.${only}`)) continue;
      files.set(name, Deno.readFileSync(new URL(name, folder)));
    }
  }
  if (files.size === 0) throw new RangeError(`Expected a format of the corpus, found ${only}`);
  return new Map([...files].toSorted(([a], [b]) => a < b ? -1 : 1));
}

/**
 * Decodes a mutant of each seed.
 *
 * @returns What became of them, by format.
 * @throws {Error} With the seed, if one ends with anything but an image or a named error.
 */
export async function fuzzImages(
  seeds: readonly number[],
  { only, isMeasured = false }: FuzzOptions = {},
): Promise<Map<string, Tally>> {
  const files = corpus(only), names = [...files.keys()];
  const byFormat = Map.groupBy(names, (name) => name.split(".").at(-1)!);
  const formats = [...byFormat.keys()], mutations = Object.keys(MUTATIONS);
  const valid = await Promise.all(names.map((name) => fingerprint(files.get(name)!)));
  const tallies = new Map(formats.map((f) => [f, { decoded: 0, refused: 0, maxMs: 0 }]));
  for (const [index, seed] of seeds.entries()) {
    const fraction = seededRandom(seed), random: Random = (n) => Math.floor(fraction() * n);
    const format = formats[random(formats.length)]!, choices = byFormat.get(format)!;
    const name = choices[random(choices.length)]!;
    const mutation = mutations[random(mutations.length)]!;
    const isInside = format === "png" && random(3) === 0;
    const mutant = isInside
      ? await mutateInside(files.get(name)!, random)
      : MUTATIONS[mutation]!(files.get(name)!.slice(), random);
    if (format === "png" && random(4) !== 0) repairChecksums(mutant);
    const what = `Seed ${seed}, ${mutation} of ${name}`, tally = tallies.get(format)!;
    await decodeMutant(mutant, what, tally);
    const { rss } = Deno.memoryUsage();
    if (isMeasured && tally.maxMs > MAX_MS) throw new Error(`${what} took ${tally.maxMs} ms`);
    if (isMeasured && rss > MAX_RSS) throw new Error(`After ${what} ${rss} bytes are resident`);
    if ((index + 1) % CHECK_EVERY === 0 || index === seeds.length - 1) {
      const again = await Promise.all(names.map((name) => fingerprint(files.get(name)!)));
      const changed = names.filter((_, k) => again[k] !== valid[k]);
      if (changed.length > 0) throw new Error(`After ${what} ${changed} decode differently`);
    }
  }
  return tallies;
}

if (import.meta.main) {
  const [given, first, only] = Deno.args, count = Number(given ?? 20_000);
  const seed = Number(first ?? Math.floor(Math.random() * 2 ** 31));
  if (!Number.isInteger(count) || count < 1 || !Number.isInteger(seed)) {
    throw new RangeError(
      `Expected a positive count and a whole seed, found ${Deno.args.join(" ")}`,
    );
  }
  console.log(`From seed ${seed}`);
  const seeds = [...FAILED_IMAGES, ...Array.from({ length: count }, (_, i) => seed + i)];
  for (const [format, tally] of await fuzzImages(seeds, { only, isMeasured: true })) {
    const { decoded, refused, maxMs } = tally;
    console.log(
      `${format.padEnd(5)} ${decoded} decoded, ${refused} refused, ${maxMs.toFixed(0)} ms at most`,
    );
  }
  console.log(`${count} files from seed ${seed}: named errors only`);
}

/**
 * From a file's bytes to a 224x224 input, against sharp (libvips, native code), on one thread, in
 * turns. `deno task bench:image [rounds]`
 *
 * @module
 */

import { makePhoto, PHOTO, sharp } from "./photo.ts";
import { decodeImage } from "../lib/image/decode.ts";
import { prepareInput } from "../lib/input/prepare.ts";

const SHORTER_SIDE = 256, INPUT = { width: 224, height: 224, channels: 3 };
const PREPROCESSING = {
  resize: "shorter-side",
  size: SHORTER_SIDE,
  filter: "bilinear",
  scale: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
} as const;

async function makeFiles(): Promise<Record<string, Uint8Array>> {
  const pixels = await makePhoto();
  const whole = () => sharp(pixels, { raw: { ...PHOTO, channels: 3 } });
  const small = () => whole().resize(1200, 900);
  return {
    "12 MP JPEG 4:2:0": await whole().jpeg({ quality: 90 }).toBuffer(),
    "12 MP JPEG 4:4:4": await whole().jpeg({ quality: 90, chromaSubsampling: "4:4:4" }).toBuffer(),
    "12 MP JPEG progressive": await whole().jpeg({ quality: 90, progressive: true }).toBuffer(),
    "1 MP JPEG 4:2:0": await small().jpeg({ quality: 90 }).toBuffer(),
    "1 MP PNG": await small().png().toBuffer(),
    "1 MP WebP": await small().webp({ quality: 85 }).toBuffer(),
    "1 MP AVIF": await small().avif({ quality: 60 }).toBuffer(),
  };
}

async function withSharp(bytes: Uint8Array): Promise<void> {
  await sharp(bytes).resize(INPUT.width, INPUT.height).removeAlpha().raw().toBuffer();
}

/** @returns milliseconds of decoding and of resizing */
async function withOurs(bytes: Uint8Array): Promise<[number, number]> {
  const start = performance.now();
  const image = await decodeImage(bytes, { shorterSide: SHORTER_SIDE });
  const decoded = performance.now();
  prepareInput(image, PREPROCESSING, INPUT);
  return [decoded - start, performance.now() - decoded];
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

sharp.cache(false);
sharp.concurrency(1);
const rounds = Number(Deno.args[0] ?? 15);
const files = await makeFiles();
console.log("file                     KiB   sharp ms   ours ms (decode + resize)   ratio");
for (const [name, bytes] of Object.entries(files)) {
  const theirs: number[] = [], decode: number[] = [], resize: number[] = [], ratios: number[] = [];
  await withOurs(bytes);
  await withSharp(bytes);
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    await withSharp(bytes);
    theirs.push(performance.now() - start);
    const [decoding, resizing] = await withOurs(bytes);
    decode.push(decoding);
    resize.push(resizing);
    ratios.push((decoding + resizing) / theirs[round]);
  }
  const [d, r] = [median(decode), median(resize)];
  console.log(
    `${name.padEnd(22)} ${(bytes.length / 1024).toFixed(0).padStart(5)}   ` +
      `${median(theirs).toFixed(1).padStart(8)}   ` +
      `${(d + r).toFixed(1).padStart(7)} (${d.toFixed(1)} + ${r.toFixed(1)})`.padEnd(28) +
      `   ${median(ratios).toFixed(2).padStart(5)}`,
  );
}

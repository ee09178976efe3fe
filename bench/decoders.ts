/**
 * What each format's decoder takes for 12 megapixels: time and memory, of this checkout and of another
 * one. `deno task bench:decoders [CHECKOUT]`
 *
 * Each number is the median of processes that decode a file once and then five times again. Time is
 * the processor's, which others on the machine disturb less than the clock. Memory is what the first
 * time adds to the process at its peak.
 *
 * @module
 */

import process from "node:process";
import { fromFileUrl } from "@std/path";
import { measure, median } from "./measure.ts";
import { makePhoto, PHOTO, sharp } from "./photo.ts";

const { width, height } = PHOTO;

async function makeFiles(): Promise<Record<string, Uint8Array>> {
  const pixels = await makePhoto();
  const photo = () => sharp(pixels, { raw: { width, height, channels: 3 } });
  return {
    "JPEG 4:2:0": await photo().jpeg({ quality: 90 }).toBuffer(),
    "JPEG 4:4:4": await photo().jpeg({ quality: 90, chromaSubsampling: "4:4:4" }).toBuffer(),
    "JPEG progressive": await photo().jpeg({ quality: 90, progressive: true }).toBuffer(),
    "WebP lossy": await photo().webp({ quality: 85 }).toBuffer(),
    "WebP lossless": await photo().webp({ lossless: true, effort: 0 }).toBuffer(),
    "AVIF 4:4:4": await photo().avif({ quality: 60, effort: 2 }).toBuffer(),
    "AVIF 4:2:0": await photo().avif({ quality: 60, effort: 2, chromaSubsampling: "4:2:0" })
      .toBuffer(),
    "PNG": await photo().png().toBuffer(),
    "GIF": await photo().gif({ effort: 1 }).toBuffer(),
    "TIFF, LZW": await photo().tiff({ compression: "lzw" }).toBuffer(),
    "BMP": bmpOf(pixels),
  };
}

/** 24 bits a pixel: blue, green, red, rows from bottom to top. */
function bmpOf(pixels: Uint8Array): Uint8Array {
  const stride = width * 3, start = 54;
  const file = new Uint8Array(start + stride * height);
  const view = new DataView(file.buffer);
  file.set([0x42, 0x4d]);
  for (const [at, value] of [[10, start], [14, 40], [18, width], [22, height]]) {
    view.setUint32(at, value, true);
  }
  view.setUint16(26, 1, true);
  view.setUint16(28, 24, true);
  for (let y = 0; y < height; y++) {
    const row = start + (height - 1 - y) * stride;
    for (let x = 0; x < stride; x++) file[row + x] = pixels[y * stride + x + 2 - 2 * (x % 3)];
  }
  return file;
}

/** Decodes a file with a checkout's decoder, and prints times and memory. */
async function decode(checkout: string, path: string): Promise<void> {
  const { decodeImage } = await import(`${checkout}/lib/image/decode.ts`);
  const bytes = await Deno.readFile(path);
  const before = Deno.memoryUsage().rss;
  const times: number[] = [];
  let peakMb = 0;
  for (let i = 0; i <= 5; i++) {
    const start = processorMs();
    await decodeImage(bytes);
    times.push(processorMs() - start);
    peakMb ||= (peakBytes() - before) / 1e6;
  }
  console.log(JSON.stringify({ first: times[0], again: median(times.slice(1)), peakMb }));
}

/** The time that the processor has spent on all threads of this process. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** The most memory that this process ever had. */
function peakBytes(): number {
  const kib = /VmHWM:\s*(\d+) kB/.exec(Deno.readTextFileSync("/proc/self/status"))![1];
  return Number(kib) * 1024;
}

async function compare(checkouts: readonly string[]): Promise<void> {
  const script = fromFileUrl(import.meta.url);
  const path = await Deno.makeTempFile();
  console.log("12 megapixels        KiB   checkout           first ms   again ms   peak MB");
  for (const [name, file] of Object.entries(await makeFiles())) {
    await Deno.writeFile(path, file);
    const subjects = checkouts.map((checkout) => ({
      engine: checkout,
      backend: "wasm" as const,
      precision: "int8" as const,
      threads: 1,
      command: [
        ...[Deno.execPath(), "run", "--no-lock", "--allow-all", "--config"],
        ...[`${checkout}/deno.json`, script, "--decode", checkout, path],
      ],
    }));
    const turns = { warmUp: 0, rounds: 5, runs: 1 };
    const results = await measure({ name, work: name, subjects, fresh: true, turns });
    for (const { subject, parts, peakMb } of results) {
      console.log(
        name.padEnd(17) + (file.length / 1024).toFixed(0).padStart(7) + "   " +
          subject.engine.split("/").at(-1)!.padEnd(18) +
          [parts!.first, parts!.again, peakMb].map((n) => n.toFixed(0).padStart(9)).join("  "),
      );
    }
  }
  await Deno.remove(path);
}

if (Deno.args[0] === "--decode") await decode(Deno.args[1], Deno.args[2]);
else await compare([fromFileUrl(new URL("../", import.meta.url)).slice(0, -1), ...Deno.args]);

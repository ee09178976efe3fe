/**
 * The pictures that the embedded models are measured with: Tiny ImageNet's validation pictures, sharp
 * photographs of the same and of other classes, and drawings, documents and noise, which are made here.
 *
 * Tiny ImageNet is the public repository `seshuad/IMagenet` (its folder `tiny-imagenet-200`), the
 * photographs are `EliSchwartz/imagenet-sample-images`, one of each of ImageNet's 1000 classes.
 *
 * @module
 */

import { join } from "@std/path";
import type { Pixels } from "../lib/image/image.ts";
import { Canvas, type Color } from "../lib/report/canvas.ts";
import { normalFrom, randomFrom } from "../lib/train/random.ts";

/** A picture, and its class where it has one of the model's. */
export interface Picture {
  readonly name: string;
  /** The WordNet id of what it shows; absent for what is no photograph. */
  readonly id?: string;
  readonly image: string | Pixels;
}

/** The 10,000 validation pictures, 64x64, in the order of their list. */
export async function validationPictures(folder: string): Promise<Picture[]> {
  const list = await Deno.readTextFile(join(folder, "val", "val_annotations.txt"));
  return list.trim().split("\n").map((line) => {
    const [name = "", id = ""] = line.split("\t");
    return { name, id, image: join(folder, "val", "images", name) };
  });
}

/** Photographs whose names begin with a WordNet id, sorted. */
export async function photographs(folder: string): Promise<Picture[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (/^n\d{8}_.*\.jpe?g$/i.test(name)) names.push(name);
  }
  return names.sort().map((name) => ({ name, id: name.slice(0, 9), image: join(folder, name) }));
}

/** Kinds of pictures that are made here, and how. */
const KINDS: Readonly<Record<string, (next: () => number) => Pixels | Promise<Pixels>>> = {
  drawings: drawing,
  documents: document,
  noise,
};

/** Pictures of nothing, by kind: the same ones each time. */
export async function madePictures(count: number): Promise<Record<string, Picture[]>> {
  const made: Record<string, Picture[]> = {};
  for (const [k, [kind, make]] of Object.entries(KINDS).entries()) {
    made[kind] = [];
    for (let n = 0; n < count; n++) {
      made[kind].push({ name: `${kind} ${n}`, image: await make(randomFrom(1000 * k + n)) });
    }
  }
  return made;
}

/** Side in pixels of the pictures that are made. */
const SIDE = 256;

const colorFrom = (next: () => number): Color => [next() * 255, next() * 255, next() * 255];

/** Three to twenty colored discs, rings and lines on a plain ground. */
function drawing(next: () => number): Pixels {
  const canvas = new Canvas(SIDE, SIDE, colorFrom(next));
  for (let n = 3 + Math.floor(next() * 18); n > 0; n--) {
    const color = colorFrom(next), size = 1 + Math.floor(next() * 8);
    const x = next() * SIDE, y = next() * SIDE, radius = next() * SIDE / 3, isDisc = next() < 0.5;
    if (next() < 0.4) {
      const dx = next() - 0.5, dy = next() - 0.5;
      for (let t = 0; t < SIDE; t++) {
        canvas.rectangle(Math.round(x + dx * t), Math.round(y + dy * t), size, size, color);
      }
      continue;
    }
    for (let step = 0; step < 720; step++) {
      const angle = step * Math.PI / 360;
      const reach = Math.round(radius * Math.cos(angle)), row = Math.round(radius * Math.sin(angle));
      const at = Math.round(x), top = Math.round(y) + row;
      if (!isDisc) canvas.rectangle(at + reach, top, size, size, color);
      else canvas.rectangle(at - Math.abs(reach), top, 2 * Math.abs(reach) + 1, 1, color);
    }
  }
  return canvas;
}

const LETTERS = "etaoinshrdlucmfwypvbgkjqxz";

/** A page of lines of words, some of them bold headings, dark on light. */
async function document(next: () => number): Promise<Pixels> {
  const paper = 225 + next() * 30, ink = next() * 70;
  const canvas = new Canvas(SIDE, SIDE, [paper, paper, paper - next() * 20]);
  const margin = Math.floor(next() * 32), height = 9 + Math.floor(next() * 10);
  for (let top = margin; top < SIDE - margin; top += Math.round(height * (1.2 + next() * 0.4))) {
    if (next() < 0.1) continue;
    let line = "";
    const length = (SIDE - 2 * margin) * 2 / height * (0.5 + next() / 2);
    while (line.length < length) {
      for (let n = 1 + Math.floor(next() * 9); n > 0; n--) {
        line += LETTERS[Math.floor(next() ** 2 * LETTERS.length)];
      }
      line += " ";
    }
    await canvas.text(line, margin, top, next() < 0.08 ? height + 5 : height, [ink, ink, ink]);
  }
  return canvas;
}

/** Noise around a color, in blocks of 1 to 64 pixels, of one color or each channel its own. */
function noise(next: () => number): Pixels {
  const normal = normalFrom(next), data = new Uint8ClampedArray(SIDE * SIDE * 3);
  const block = 2 ** Math.floor(next() * 7), deviation = 10 + next() * 90, isGray = next() < 0.3;
  const ground = colorFrom(next), across = Math.ceil(SIDE / block);
  const values = Float64Array.from({ length: across * across * 3 }, normal);
  for (let i = 0; i < data.length; i++) {
    const x = Math.floor(i / 3) % SIDE, y = Math.floor(i / 3 / SIDE), c = i % 3;
    const at = (Math.floor(y / block) * across + Math.floor(x / block)) * 3;
    data[i] = ground[c]! + deviation * values[at + (isGray ? 0 : c)]!;
  }
  return { data: new Uint8Array(data.buffer), width: SIDE, height: SIDE };
}

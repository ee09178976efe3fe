/**
 * Writes CIFAR-10's images as PNG files, one folder per class.
 *
 *     deno run --allow-read --allow-write=.cache,DIRECTORY --allow-run \
 *       weights/cifar10/export_cifar10.ts test|train DIRECTORY [IMAGES PER CLASS] [CLASS ...]
 *
 * @module
 */

import { join } from "@std/path";
import { encodePng } from "../../lib/image/codecs/encode_png.ts";
import { openModel } from "../../lib/model/file.ts";
import { imageAt, loadCifar10 } from "./cifar10.ts";
import { model } from "./mod.ts";

const [part, directory, most = "Infinity", ...classes] = Deno.args;
if ((part !== "test" && part !== "train") || directory === undefined) {
  throw new TypeError("Expected test or train, and a directory");
}
const { labels } = await openModel(model);
const set = await loadCifar10(part);
const counts = labels.map(() => 0);
for (const [n, label] of set.labels.entries()) {
  const name = labels[label];
  if (counts[label] >= Number(most) || (classes.length > 0 && !classes.includes(name))) continue;
  if (counts[label]++ === 0) await Deno.mkdir(join(directory, name), { recursive: true });
  const file = `${String(n).padStart(5, "0")}.png`;
  await Deno.writeFile(join(directory, name, file), await encodePng(imageAt(set, n)));
}

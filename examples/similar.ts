/**
 * Finds the pictures of a folder that look most like one picture.
 *
 *     deno run --allow-read=lib,cat.png,photos examples/similar.ts cat.png photos
 */

import { loadClassifier, similarity } from "@edge/vgg16";

const [picture, folder] = Deno.args;
await using classifier = await loadClassifier({ backend: "wasm" });

async function* pictures(): AsyncGenerator<string> {
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (isFile && /\.(jpe?g|png|webp|avif|gif|bmp|tiff?)$/i.test(name)) yield `${folder}/${name}`;
  }
}

const wanted = await classifier.embed(picture);
const found: { file: string; score: number }[] = [];
for await (const { name, embedding, error } of classifier.embedStream(pictures())) {
  if (error === undefined) found.push({ file: name!, score: similarity(wanted, embedding) });
  else console.error(error.message);
}
found.sort((a, b) => b.score - a.score);
for (const { file, score } of found.slice(0, 5)) console.log(score.toFixed(3), file);

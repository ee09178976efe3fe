/**
 * Finds the pictures of a folder that look most like one picture.
 *
 *     deno run --allow-read=weights,lib,cat.png,photos examples/similar.ts cat.png photos
 */

import { type Embedding, loadClassifier, similarity } from "@edge/vgg16";

const [picture, folder] = Deno.args;
await using classifier = await loadClassifier({ backend: "wasm" });

/** What the last pool says, averaged over the picture: what is in it, wherever it is. */
function embed(file: string): Promise<Embedding> {
  return classifier.embed(file, { layer: "pool5", pooling: "avg" });
}

const wanted = await embed(picture);
const found: { file: string; score: number }[] = [];
for await (const { name, isFile } of Deno.readDir(folder)) {
  if (!isFile || !/\.(jpe?g|png|webp|avif|gif|bmp|tiff?)$/i.test(name)) continue;
  const file = `${folder}/${name}`;
  found.push({ file, score: similarity(wanted, await embed(file)) });
}
found.sort((a, b) => b.score - a.score);
for (const { file, score } of found.slice(0, 5)) console.log(score.toFixed(3), file);

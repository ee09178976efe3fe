/**
 * Finds the pictures of a folder that look most like one picture, with SQLite: each is looked at once, and
 * the next search only looks at what is new.
 *
 *     deno run --allow-read=lib,cat.png,photos,photos.db --allow-write=photos.db --allow-ffi \
 *       examples/search_sqlite.ts cat.png photos photos.db
 */

import { DatabaseSync } from "node:sqlite";
import { loadClassifier } from "@edge/vgg16";
import { load } from "npm:sqlite-vec@0.1.9";

const [picture, folder, file] = Deno.args;
await using classifier = await loadClassifier({ backend: "wasm" });
const { data } = await classifier.embed(picture);

const db = new DatabaseSync(file, { allowExtension: true });
load(db);
db.exec(`create virtual table if not exists photos using vec0(
  file text primary key, embedding float[${data.length}] distance_metric=cosine)`);
const known = new Set(db.prepare("select file from photos").all().map(({ file }) => file));
const insert = db.prepare("insert into photos (file, embedding) values (?, ?)");

async function* pictures(): AsyncGenerator<string> {
  for await (const { name, isFile } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isFile && /\.(jpe?g|png|webp|avif)$/i.test(name) && !known.has(path)) yield path;
  }
}
for await (const { name, embedding, error } of classifier.embedStream(pictures())) {
  if (error === undefined) insert.run(name!, embedding.data);
  else console.error(error.message);
}
const nearest = db.prepare("select file, distance from photos where embedding match ? and k = 5");
for (const { file, distance } of nearest.all(data)) {
  console.log((1 - Number(distance)).toFixed(3), file);
}

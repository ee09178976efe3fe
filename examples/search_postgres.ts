/**
 * Finds the pictures of a folder that look most like one picture, with Postgres and pgvector: each is looked
 * at once, by whichever program comes first.
 *
 *     DATABASE_URL=postgres://postgres@127.0.0.1:5432/postgres deno run --allow-env \
 *       --allow-net=127.0.0.1:5432 --allow-read=lib,cat.png,photos \
 *       examples/search_postgres.ts cat.png photos
 */

import { loadClassifier } from "@edge/vgg16";
import postgres from "npm:postgres@3.4.9";

const [picture, folder] = Deno.args;
await using classifier = await loadClassifier({ backend: "wasm" });
const { data } = await classifier.embed(picture);

const sql = postgres(Deno.env.get("DATABASE_URL")!, { onnotice() {} });
await sql`create extension if not exists vector`;
await sql.unsafe(`create table if not exists photos (
  file text primary key, embedding vector(${data.length}))`);
await sql`create index if not exists nearest on photos using hnsw (embedding vector_cosine_ops)`;
const known = new Set((await sql`select file from photos`).map(({ file }) => file));

async function* pictures(): AsyncGenerator<string> {
  for await (const { name, isFile } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isFile && /\.(jpe?g|png|webp|avif)$/i.test(name) && !known.has(path)) yield path;
  }
}
for await (const { name, embedding, error } of classifier.embedStream(pictures())) {
  if (error !== undefined) console.error(error.message);
  else await sql`insert into photos values (${name!}, ${`[${embedding.data}]`})`;
}
const wanted = `[${data}]`;
const found = await sql`select file, 1 - (embedding <=> ${wanted}) as score
  from photos order by embedding <=> ${wanted} limit 5`;
for (const { file, score } of found) console.log(score.toFixed(3), file);
await sql.end();

/**
 * What embeddings find: altered copies among the pictures of a folder, and pictures of the same class.
 *
 *     deno run --allow-all bench/search.ts copies FOLDER TRUTH.tsv ... [-- LAYER[:POOLING] ...]
 *     deno run --allow-all bench/search.ts classes FOLDER-OF-FOLDERS|LIST [-- LAYER[:POOLING] ...]
 *
 * A line of TRUTH.tsv is a copy, its original, and how it was altered. A copy counts as found if its original is
 * the most similar of all other pictures. Of classes it prints the part of the five most similar pictures
 * that are of the same one, on average.
 *
 * @module
 */

import { type EmbedOptions, loadClassifier } from "../lib/classifier.ts";
import { listSamples } from "../lib/input/list_samples.ts";
import type { EmbeddingName } from "../lib/model/architecture.ts";

const split = Deno.args.indexOf("--");
const [what, ...paths] = split < 0 ? Deno.args : Deno.args.slice(0, split);
const layers = split < 0 ? ["search"] : Deno.args.slice(split + 1);

await using classifier = await loadClassifier({ backend: "wasm" });

/** Vectors of length 1, in the order of the files. */
async function vectorsOf(files: readonly string[], options: EmbedOptions): Promise<Float32Array[]> {
  const vectors: Float32Array[] = [];
  for await (const { embedding, error } of classifier.embedStream(files, options)) {
    if (error !== undefined) throw error;
    const length = Math.hypot(...embedding.data);
    vectors.push(embedding.data.map((value) => value / length));
  }
  return vectors;
}

/** The most similar others, best first. */
function nearest(vectors: readonly Float32Array[], query: number, count: number): number[] {
  const own = vectors[query]!;
  const similarity = Float64Array.from(vectors, (other, n) => {
    if (n === query) return -Infinity;
    let sum = 0;
    for (let i = 0; i < own.length; i++) sum += own[i]! * other[i]!;
    return sum;
  });
  return [...similarity.keys()].sort((a, b) => similarity[b]! - similarity[a]!).slice(0, count);
}

async function copies(options: EmbedOptions): Promise<string> {
  const [folder, ...truths] = paths as [string, ...string[]];
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  const vectors = await vectorsOf(names.map((name) => `${folder}/${name}`), options);
  return truths.map((truth) => {
    const lines = Deno.readTextFileSync(truth).trim().split("\n").map((line) => line.split("\t"));
    const found = lines.filter(([copy, original]) =>
      names[nearest(vectors, names.indexOf(copy!), 1)[0]!] === original
    );
    return `${found.length} of ${lines.length}`;
  }).join(" | ");
}

async function classes(options: EmbedOptions): Promise<string> {
  const { samples } = await listSamples(paths[0]!);
  const vectors = await vectorsOf(samples.map(({ file }) => file), options);
  let same = 0;
  for (const [n, { label }] of samples.entries()) {
    same += nearest(vectors, n, 5).filter((other) => samples[other]!.label === label).length / 5;
  }
  return (same / samples.length).toFixed(3);
}

for (const name of layers) {
  const [layer, pooling] = name.split(":") as [EmbeddingName, EmbedOptions["pooling"]];
  const options = layer === "search" ? { layer } : { layer, pooling };
  console.log(`| ${name} | ${await (what === "copies" ? copies(options) : classes(options))} |`);
}

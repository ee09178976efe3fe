/** Reads networks in several files, which Hugging Face's `….index.json` lists: where each tensor is. */

import { Cleanup } from "../../cleanup.ts";
import { CheckpointFormatError } from "../../errors.ts";
import type { ByteSource } from "../../io/byte_source.ts";
import { isRecord } from "../../model/json.ts";
import type { Checkpoint, OpenOptions } from "./checkpoint.ts";
import type { CheckpointTensor } from "./tensor.ts";

const MAX_JSON_BYTES = 16 << 20;
/** Files of a network; one of 138 million weights has one or two. */
const MAX_SHARDS = 1000;

/** Without which a layer would be another one; integers are left out, such as counters. */
const PARAMETER = /(^|[._/])(weight|bias|kernel|gamma|beta|running_mean|running_var)$/;

/**
 * Opens the files that an index lists, beside it.
 *
 * @param open Opens one of them.
 */
export async function readSharded(
  source: ByteSource,
  options: OpenOptions,
  open: (shard: ByteSource, options: OpenOptions) => Promise<Checkpoint>,
): Promise<Checkpoint> {
  const file = source.name;
  const fail = (message: string): never => {
    throw new CheckpointFormatError(`Expected a list of a network's files in ${file}: ${message}`, {
      file,
    });
  };
  const places = await readIndex(source, fail);
  const names = [...new Set(places.values())];
  if (names.length > MAX_SHARDS) fail(`it has ${names.length} files`);
  using opened = new Cleanup();
  // Files of a network list no others, so that no list goes on without end.
  const openSibling = (name: string) => fail(`one of its files lists ${name}`);
  const tensors: CheckpointTensor[] = [];
  let first: Checkpoint | undefined;
  for (const name of names) {
    // A file name and nothing else, so that an index cannot read elsewhere on the disk.
    if (!/^[^/\\:]+$/.test(name) || name === "..") fail(`${JSON.stringify(name)} is no file name`);
    const bytes = opened.adopt(await options.openSibling(name), (shard) => shard.close());
    const shard = opened.adopt(
      await open(bytes, { ...options, openSibling }),
      (checkpoint) => checkpoint.close(),
    );
    first ??= shard;
    // A weight that is made of its parts has a name that the list has not.
    tensors.push(...shard.tensors.filter((tensor) => (places.get(tensor.name) ?? name) === name));
  }
  if (first === undefined) return fail("it lists none");
  const found = new Set(tensors.map(({ name }) => name));
  const missing = [...places].find(([name]) => PARAMETER.test(name) && !found.has(name));
  if (missing !== undefined) fail(`${missing[1]} has no ${missing[0]}`);
  const held = opened.move();
  return { ...first, tensors, order: "none", close: () => held.dispose() };
}

/** The file of each tensor. */
async function readIndex(
  source: ByteSource,
  fail: (message: string) => never,
): Promise<Map<string, string>> {
  const size = source.size!;
  if (size > MAX_JSON_BYTES) fail(`it has ${size} bytes`);
  const bytes = new Uint8Array(size);
  await source.read(0, bytes);
  let index: unknown;
  try {
    index = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    fail((error as Error).message);
  }
  const map = isRecord(index) ? index.weight_map : undefined;
  if (!isRecord(map)) return fail("it has no weight_map");
  return new Map(
    Object.entries(map).map(([name, shard]) => [
      name,
      typeof shard === "string" ? shard : fail(`the file of ${name} is no text`),
    ]),
  );
}

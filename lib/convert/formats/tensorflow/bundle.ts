/**
 * Reads TensorFlow's checkpoints of the second version: an index, and the tensors in files beside it.
 *
 * @see {@link https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/protobuf/tensor_bundle.proto}
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import { type CheckpointTensor, type OpenSibling, OUTPUTS_LAST, sizeOf } from "../checkpoint.ts";
import { Cursor } from "../cursor.ts";
import { readMessage, readVarint } from "../protobuf.ts";
import { bytesOf, rawTensor } from "../tensors.ts";
import type { TableEntry } from "./table.ts";
import { elementType, readShape } from "./tensor_proto.ts";

/** The tensors of a checkpoint by their keys. */
export interface Bundle {
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  /** Where the message lies that tells the names of objects, if there is one. */
  readonly objectGraph?: {
    readonly source: ByteSource;
    readonly begin: number;
    readonly end: number;
  };
}

/** A name with dots and slashes that only objects have. */
const OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH";

/** `DT_STRING`. */
const STRING = 7;

interface BundleEntry {
  readonly name: string;
  readonly dataType: number;
  readonly shape: readonly number[];
  readonly shard: number;
  readonly offset: number;
  readonly size: number;
  readonly isPartitioned: boolean;
}

/**
 * Reads an index.
 *
 * @param header The first entry of the table.
 * @param entries The others.
 * @param stem What the names of the files with the tensors begin with.
 * @param openShard Opens such a file; whoever gives it closes what it opened.
 */
export async function readBundle(
  source: ByteSource,
  header: TableEntry,
  entries: readonly TableEntry[],
  stem: string,
  openShard: OpenSibling,
): Promise<Bundle> {
  const shards = await readHeader(source, header);
  const opened = new Map<number, ByteSource>();
  const tensors = new Map<string, CheckpointTensor>();
  let objectGraph: Bundle["objectGraph"];
  for (const { key, begin, end } of entries) {
    const entry = await readBundleEntry(source, key, { begin, end });
    const type = elementType(entry.dataType);
    if (type === undefined && key !== OBJECT_GRAPH) continue;
    if (entry.isPartitioned) {
      throw new CheckpointFormatError(
        `Variable ${key} of ${source.name} is partitioned: save the checkpoint without a partitioner`,
        { code: "checkpoint-unsupported", file: source.name, offset: begin },
      );
    }
    const { shard, offset, size, shape } = entry;
    if (shard >= shards) fail(source, begin, `${key} lies in file ${shard} of ${shards}`);
    const file = opened.get(shard) ?? await openShard(shardName(stem, shard, shards));
    opened.set(shard, file);
    if (offset + size > file.size!) {
      fail(file, file.size!, `it ends before ${key}, which needs ${offset + size} bytes`);
    }
    if (type === undefined) {
      if (entry.dataType === STRING) {
        objectGraph = { source: file, ...await textIn(file, offset, size) };
      }
      continue;
    }
    if (size !== sizeOf(shape) * bytesOf(type)) {
      fail(source, begin, `${key} of shape [${shape}] has ${size} bytes`);
    }
    const about = { name: key, shape, layout: OUTPUTS_LAST, position: shard * 2 ** 40 + offset };
    tensors.set(key, rawTensor(file, about, type, offset));
  }
  return { tensors, objectGraph };
}

/** `NAME.data-00000-of-00001`. */
function shardName(stem: string, shard: number, shards: number): string {
  const [index, count] = [shard, shards].map((number) => `${number}`.padStart(5, "0"));
  return `${stem}.data-${index}-of-${count}`;
}

/** @returns How many files there are. */
async function readHeader(source: ByteSource, range: TableEntry): Promise<number> {
  let shards = 1;
  for await (const field of readMessage(source, range)) {
    if (field.number === 1 && field.wire === 0) shards = field.value;
    if (field.number === 2 && field.wire === 0 && field.value === 1) {
      throw new CheckpointFormatError(
        `${source.name} is of a machine with the high byte first: save the checkpoint on another one`,
        { code: "checkpoint-unsupported", file: source.name, offset: range.begin },
      );
    }
  }
  return shards;
}

async function readBundleEntry(
  source: ByteSource,
  name: string,
  range: { begin: number; end: number },
): Promise<BundleEntry> {
  let dataType = 0, shard = 0, offset = 0, size = 0, isPartitioned = false;
  let shape: readonly number[] = [];
  for await (const field of readMessage(source, range)) {
    if (field.wire === 0) {
      if (field.number === 1) dataType = field.value;
      if (field.number === 3) shard = field.value;
      if (field.number === 4) offset = field.value;
      if (field.number === 5) size = field.value;
    }
    if (field.wire !== 2) continue;
    if (field.number === 2) shape = (await readShape(source, field) ?? []).map((n) => n ?? -1);
    if (field.number === 7) isPartitioned = true;
  }
  if ([shard, offset, size, ...shape].some((number) => number < 0)) {
    fail(source, range.begin, `${name} has a negative size`);
  }
  return { name, dataType, shape, shard, offset, size, isPartitioned };
}

/** One text: its length, a checksum, and itself. */
async function textIn(
  source: ByteSource,
  offset: number,
  size: number,
): Promise<{ begin: number; end: number }> {
  const cursor = new Cursor(source, offset, offset + size);
  const length = await readVarint(cursor);
  cursor.skip(4);
  const begin = cursor.skip(length);
  return { begin, end: begin + length };
}

function fail(source: ByteSource, offset: number, message: string): never {
  const text = `${source.name} is damaged: ${message}`;
  throw new CheckpointFormatError(text, { file: source.name, offset });
}

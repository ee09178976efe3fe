/** Messages of `.caffemodel` files, whose fields have the numbers of caffe.proto. */

import type { ByteSource } from "../../../io/byte_source.ts";
import { Cursor } from "../cursor.ts";
import {
  type ProtoField,
  type ProtoRange,
  readIntegers,
  readMessage,
  readText,
} from "../protobuf.ts";

/** Far more than a layer has. */
const MAX_FIELDS = 10_000;

/** A small message, all of whose fields are read. */
export class Message {
  private constructor(
    private readonly source: ByteSource,
    private readonly fields: ReadonlyMap<number, readonly ProtoField[]>,
  ) {}

  /** @param ranges Where it lies: in one place as a rule; in none, all fields have their defaults. */
  static async read(source: ByteSource, ranges: readonly ProtoRange[]): Promise<Message> {
    const fields = new Map<number, ProtoField[]>();
    let count = 0;
    for (const range of ranges) {
      for await (const field of readMessage(source, range)) {
        const { begin, end } = range;
        if (++count > MAX_FIELDS) new Cursor(source, begin, end).fail("a layer has no end");
        const others = fields.get(field.number);
        if (others === undefined) fields.set(field.number, [field]);
        else others.push(field);
      }
    }
    return new Message(source, fields);
  }

  has(field: number): boolean {
    return this.fields.has(field);
  }

  /** A number that is there once: the last one counts. */
  number(field: number, otherwise: number): number {
    const last = this.fields.get(field)?.at(-1);
    return last === undefined || last.wire === 2 ? otherwise : last.value;
  }

  /** A list of integers, packed or not. */
  async integers(field: number): Promise<number[]> {
    const values: number[] = [];
    for (const found of this.fields.get(field) ?? []) {
      values.push(...await readIntegers(this.source, found));
    }
    return values;
  }

  /** A list of float32, packed or not. */
  async floats(field: number): Promise<number[]> {
    const values: number[] = [];
    for (const found of this.fields.get(field) ?? []) {
      if (found.wire !== 2) {
        values.push(found.value);
        continue;
      }
      const cursor = new Cursor(this.source, found.begin, found.end);
      while (!cursor.done && values.length < MAX_FIELDS) values.push(await cursor.float32());
    }
    return values;
  }

  /** A list of texts. */
  async texts(field: number): Promise<string[]> {
    return await Promise.all(this.ranges(field).map((range) => readText(this.source, range)));
  }

  /** The messages or blobs of a field. */
  ranges(field: number): ProtoRange[] {
    return (this.fields.get(field) ?? []).filter((found) => found.wire === 2);
  }

  /** The message of a field. */
  async message(field: number): Promise<Message> {
    return await Message.read(this.source, this.ranges(field));
  }
}

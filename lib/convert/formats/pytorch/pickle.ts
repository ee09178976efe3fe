/**
 * A restricted reader of Python's pickles: it builds dictionaries, lists, numbers, strings and what a
 * table of known functions makes of them. It calls nothing else, so nothing in a file can execute.
 *
 * @see {@link https://github.com/python/cpython/blob/main/Lib/pickletools.py} for the opcodes
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { Cursor } from "../cursor.ts";

/** A byte string, left where it is: the data of an array can be half a gigabyte. */
export class PickledBytes {
  /** @param offset In the file. */
  constructor(readonly offset: number, readonly length: number) {}
}

/** A function or class that a pickle refers to, by its full name. It is a name, nothing more. */
export class PickledGlobal {
  constructor(readonly name: string) {}
}

/** What is on the stack: Python's values in JavaScript's types. */
export type PickledValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | PickledBytes
  | PickledGlobal
  | PickledValue[]
  | Map<PickledValue, PickledValue>
  | object;

/** A key or a name as text. What is neither has none: it may be nested without end. */
export function pickledText(value: PickledValue | undefined): string {
  return typeof value === "object" && value !== null ? "(no text)" : String(value);
}

/** What a pickle may refer to, and what becomes of it. */
export interface PickleVocabulary {
  /** Makes the result of calling a function by its full name. */
  readonly functions: Readonly<Record<string, (...args: PickledValue[]) => PickledValue>>;
  /** Names that may stand as values, such as storage types. */
  readonly values: readonly string[];
  /** Sets the state of an object that a function made; by default state is ignored. */
  readonly setState?: (object: PickledValue, state: PickledValue) => void;
  /** Finds what lies outside the pickle. */
  readonly persistent?: (id: PickledValue) => PickledValue;
}

/** Far more than a checkpoint has; a bound for files that are made to keep a reader busy. */
const MAX_OPCODES = 1_000_000;

/**
 * Reads the pickle at the cursor, and leaves the cursor behind it.
 *
 * @throws {CheckpointFormatError} If it is damaged, or refers to anything that is not in `vocabulary`;
 *   the message names it.
 */
export async function readPickle(
  cursor: Cursor,
  vocabulary: PickleVocabulary,
): Promise<PickledValue> {
  const machine = new Machine(cursor, vocabulary);
  for (let count = 0; count < MAX_OPCODES; count++) {
    const opcode = await cursor.uint8();
    if (opcode === STOP) return machine.pop();
    const execute = OPCODES[opcode];
    if (execute === undefined) {
      cursor.fail(`pickle opcode 0x${opcode.toString(16)} is unknown or not allowed`);
    }
    // Awaited only where it reads on, which most opcodes do not.
    const reading = execute(machine, cursor);
    if (reading !== undefined) await reading;
  }
  return cursor.fail(`the pickle has more than ${MAX_OPCODES} opcodes`);
}

class Machine {
  readonly stack: PickledValue[] = [];
  readonly marks: number[] = [];
  readonly memo = new Map<number, PickledValue>();

  constructor(readonly cursor: Cursor, readonly vocabulary: PickleVocabulary) {}

  push(value: PickledValue): void {
    this.stack.push(value);
  }

  pop(): PickledValue {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) this.cursor.fail("the stack is empty");
    return this.stack.pop()!;
  }

  top(): PickledValue {
    if (this.stack.length === 0) this.cursor.fail("the stack is empty");
    return this.stack.at(-1)!;
  }

  popToMark(): PickledValue[] {
    const mark = this.marks.pop();
    return mark === undefined ? this.cursor.fail("a mark is missing") : this.stack.splice(mark);
  }

  popMany(count: number): PickledValue[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  put(index: number): void {
    this.memo.set(index, this.top());
  }

  get(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined) this.cursor.fail(`memo ${index} was never set`);
    this.push(value);
  }

  refer(name: string): void {
    const { functions, values } = this.vocabulary;
    if (!Object.hasOwn(functions, name) && !values.includes(name)) {
      throw new CheckpointFormatError(
        `${this.cursor.source.name} refers to ${name}, which is refused: only tensors, dictionaries, lists, numbers and strings are read. Nothing was executed. Save the state_dict() or the plain arrays alone`,
        {
          code: "checkpoint-unsupported",
          file: this.cursor.source.name,
          offset: this.cursor.position,
        },
      );
    }
    this.push(new PickledGlobal(name));
  }

  call(): void {
    const args = this.pop();
    const callee = this.pop();
    const { functions } = this.vocabulary;
    const make = callee instanceof PickledGlobal && Object.hasOwn(functions, callee.name)
      ? functions[callee.name]
      : undefined;
    if (make === undefined) this.cursor.fail("something that is not a function is called");
    if (!Array.isArray(args)) this.cursor.fail("the arguments of a call are not a tuple");
    this.push(make(...args));
  }

  append(items: PickledValue[]): void {
    const list = this.top();
    if (!Array.isArray(list)) this.cursor.fail("something that is not a list is appended to");
    for (const item of items) list.push(item);
  }

  setItems(items: PickledValue[]): void {
    const map = this.top();
    if (!(map instanceof Map)) this.cursor.fail("something that is not a dictionary is set");
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i], value = items[i + 1];
      if (key === undefined || value === undefined) this.cursor.fail("a key has no value");
      map.set(key, value);
    }
  }

  setState(state: PickledValue): void {
    this.vocabulary.setState?.(this.top(), state);
  }

  persistent(id: PickledValue): void {
    const { persistent } = this.vocabulary;
    if (persistent === undefined) this.cursor.fail("a persistent id is not expected");
    this.push(persistent(id));
  }
}

type Execute = (machine: Machine, cursor: Cursor) => Promise<void> | void;

const STOP = 0x2e;

const code = (character: string): number => character.charCodeAt(0);

const OPCODES: Readonly<Record<number, Execute>> = {
  0x80: async (_, c) => void await c.uint8(), // PROTO
  0x95: async (_, c) => void await c.uint64(), // FRAME

  [code("N")]: (m) => m.push(null),
  0x88: (m) => m.push(true),
  0x89: (m) => m.push(false),
  [code("I")]: async (m, c) => m.push(decimal(await c.line(), c)),
  [code("L")]: async (m, c) => m.push(decimal((await c.line()).replace(/L$/, ""), c)),
  [code("F")]: async (m, c) => m.push(Number(await c.line())),
  [code("J")]: async (m, c) => m.push(await c.int32()),
  [code("K")]: async (m, c) => m.push(await c.uint8()),
  [code("M")]: async (m, c) => m.push(await c.uint16()),
  [code("G")]: async (m, c) => m.push(await c.float64(true)),
  0x8a: async (m, c) => m.push(long(await c.bytes(await c.uint8()))), // LONG1

  [code("S")]: async (m, c) => m.push(quoted(await c.line(), c)), // STRING
  [code("V")]: async (m, c) => m.push(await c.line()), // UNICODE
  [code("X")]: async (m, c) => m.push(await c.text(await c.uint32())), // BINUNICODE
  0x8c: async (m, c) => m.push(await c.text(await c.uint8())), // SHORT_BINUNICODE
  0x8d: async (m, c) => m.push(await c.text(await c.uint64())), // BINUNICODE8
  // Python 2's str is text and bytes in one: short ones are text.
  [code("U")]: async (m, c) => m.push(await python2String(await c.uint8(), c)), // SHORT_BINSTRING
  [code("T")]: async (m, c) => m.push(await python2String(await c.uint32(), c)), // BINSTRING
  [code("C")]: async (m, c) => m.push(bytes(await c.uint8(), c)), // SHORT_BINBYTES
  [code("B")]: async (m, c) => m.push(bytes(await c.uint32(), c)), // BINBYTES
  0x8e: async (m, c) => m.push(bytes(await c.uint64(), c)), // BINBYTES8
  0x96: async (m, c) => m.push(bytes(await c.uint64(), c)), // BYTEARRAY8

  [code("(")]: (m) => void m.marks.push(m.stack.length),
  [code("0")]: (m) => void m.pop(),
  [code("1")]: (m) => void m.popToMark(),
  [code("2")]: (m) => m.push(m.top()),
  [code(")")]: (m) => m.push([]),
  [code("]")]: (m) => m.push([]),
  [code("}")]: (m) => m.push(new Map()),
  [code("t")]: (m) => m.push(m.popToMark()),
  [code("l")]: (m) => m.push(m.popToMark()),
  [code("d")]: (m) => {
    const items = m.popToMark();
    m.push(new Map());
    m.setItems(items);
  },
  0x85: (m) => m.push(m.popMany(1)),
  0x86: (m) => m.push(m.popMany(2)),
  0x87: (m) => m.push(m.popMany(3)),
  [code("a")]: (m) => m.append([m.pop()]),
  [code("e")]: (m) => m.append(m.popToMark()),
  [code("s")]: (m) => m.setItems(m.popMany(2)),
  [code("u")]: (m) => m.setItems(m.popToMark()),

  [code("p")]: async (m, c) => m.put(Number(await c.line())),
  [code("q")]: async (m, c) => m.put(await c.uint8()),
  [code("r")]: async (m, c) => m.put(await c.uint32()),
  0x94: (m) => m.put(m.memo.size), // MEMOIZE
  [code("g")]: async (m, c) => m.get(Number(await c.line())),
  [code("h")]: async (m, c) => m.get(await c.uint8()),
  [code("j")]: async (m, c) => m.get(await c.uint32()),

  [code("c")]: async (m, c) => m.refer(`${await c.line()}.${await c.line()}`), // GLOBAL
  0x93: (m) => m.refer(m.popMany(2).map(pickledText).join(".")), // STACK_GLOBAL
  [code("R")]: (m) => m.call(), // REDUCE
  0x81: (m) => m.call(), // NEWOBJ
  [code("b")]: (m) => m.setState(m.pop()), // BUILD
  [code("Q")]: (m) => m.persistent(m.pop()), // BINPERSID
};

function decimal(text: string, cursor: Cursor): PickledValue {
  // Protocol 0 writes True and False so.
  if (text === "01" || text === "00") return text === "01";
  return /^-?\d{1,15}$/.test(text) ? Number(text) : cursor.fail(`${text} is not an integer`);
}

function quoted(text: string, cursor: Cursor): string {
  const inner = /^(['"])([^\\]*)\1$/.exec(text)?.[2];
  return inner ?? cursor.fail("a string with escapes is not read");
}

/** Little-endian two's complement of any length. */
function long(digits: Uint8Array): PickledValue {
  const unsigned = digits.reduceRight((value, digit) => value << 8n | BigInt(digit), 0n);
  const value = BigInt.asIntN(8 * digits.length, unsigned);
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function bytes(length: number, cursor: Cursor): PickledBytes {
  return new PickledBytes(cursor.skip(length), length);
}

async function python2String(length: number, cursor: Cursor): Promise<PickledValue> {
  const text = length < 64 ? await cursor.bytes(length) : undefined;
  if (text?.every((byte) => byte >= 32 && byte < 127)) return new TextDecoder().decode(text);
  return text === undefined
    ? bytes(length, cursor)
    : new PickledBytes(cursor.position - length, length);
}

/**
 * A restricted reader of Python's pickles. It makes values of what the pickle says, and of what a table of
 * known functions makes of them; what calls anything else becomes a {@linkcode PickledObject}. Nothing in a
 * file can execute.
 *
 * @see {@link https://github.com/python/cpython/blob/main/Lib/pickletools.py} for the opcodes
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { Budget } from "../budget.ts";
import type { Cursor } from "../cursor.ts";
import {
  PickledBytes,
  PickledGlobal,
  PickledObject,
  pickledText,
  type PickledValue,
  ShortBytes,
} from "./pickled.ts";
import { isExecutable } from "./refused.ts";

/** What becomes of what a pickle calls. */
export interface PickleVocabulary {
  /** Makes the result of calling a function by its full name. */
  readonly functions: Readonly<Record<string, (...args: PickledValue[]) => PickledValue>>;
  /** Sets the state of an object that a function made; by default state is ignored. */
  readonly setState?: (object: PickledValue, state: PickledValue) => void;
  /** Finds what lies outside the pickle. */
  readonly persistent?: (id: PickledValue) => PickledValue;
}

/** Of Python itself. */
const PYTHON: PickleVocabulary["functions"] = {
  "collections.OrderedDict": (pairs) => dictionary(pairs),
  "collections.defaultdict": (_factory, pairs) => dictionary(pairs),
  "collections.Counter": (pairs) => dictionary(pairs),
  "builtins.dict": (pairs) => dictionary(pairs),
  "__builtin__.dict": (pairs) => dictionary(pairs),
  "builtins.tuple": (items) => items ?? [],
  "builtins.list": (items) => items ?? [],
  "builtins.set": (items) => items ?? [],
  "builtins.frozenset": (items) => items ?? [],
  "__builtin__.set": (items) => items ?? [],
  "__builtin__.frozenset": (items) => items ?? [],
  // Python 3's bytes in a pickle that Python 2 can read.
  "_codecs.encode": (text, encoding) =>
    text instanceof PickledBytes || typeof text !== "string" || encoding !== "latin1"
      ? text ?? null
      : new ShortBytes(-1, text),
};

/** What a dictionary is made of: another one, or pairs of keys and values. */
function dictionary(from: PickledValue | undefined): PickledValue {
  if (from instanceof Map) return new Map(from);
  const pairs = Array.isArray(from) ? from : [];
  return new Map(
    pairs.flatMap((pair): [PickledValue, PickledValue][] =>
      Array.isArray(pair) && pair.length === 2 ? [[keyOf(pair[0]), pair[1]]] : []
    ),
  );
}

/** Texts of Python 2 are the same keys as those of Python 3. */
function keyOf(key: PickledValue): PickledValue {
  return key instanceof ShortBytes ? key.text : key;
}

/** The most bytes of a name; what is longer is data, or a text that nobody asks for. */
const MAX_NAME_BYTES = 1024;

/** More than any function has. */
const MAX_ARGUMENTS = 255;

/** Functions of Python that make an object of the class that they are given first. */
const MAKERS = ["copy_reg._reconstructor", "copyreg._reconstructor", "copyreg.__newobj__"];

/**
 * Reads the pickle at the cursor, and leaves the cursor behind it.
 *
 * @throws {CheckpointFormatError} If it is damaged, or refers to something that executes; the message names it.
 */
export async function readPickle(
  cursor: Cursor,
  vocabulary: PickleVocabulary,
  budget: Budget,
): Promise<PickledValue> {
  const machine = new Machine(cursor, vocabulary);
  for (;;) {
    budget.visit();
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

  /** Drops a value, or a mark where one is on top. */
  drop(): void {
    if (this.marks.at(-1) === this.stack.length) this.marks.pop();
    else this.pop();
  }

  put(index: number): void {
    this.memo.set(index, this.top());
  }

  get(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined) this.cursor.fail(`memo ${index} was never set`);
    this.push(value);
  }

  refer(name: string): PickledGlobal {
    if (!isExecutable(name)) return new PickledGlobal(name);
    const { source, position } = this.cursor;
    throw new CheckpointFormatError(
      `${source.name} refers to ${name}, which can execute what it is given: such a file is refused. Nothing was executed. Do not load it with Python either, unless you know where it is from`,
      { code: "checkpoint-unsupported", file: source.name, offset: position },
    );
  }

  call(callee: PickledValue, args: PickledValue): PickledValue {
    if (!Array.isArray(args) || args.length > MAX_ARGUMENTS) {
      this.cursor.fail("the arguments of a call are not a tuple");
    }
    if (callee instanceof PickledObject) return new PickledObject(`${callee.name}()`, args);
    if (!(callee instanceof PickledGlobal)) {
      this.cursor.fail("something that is not a function is called");
    }
    const { name } = callee;
    const functions = [this.vocabulary.functions, PYTHON].find((of) => Object.hasOwn(of, name));
    if (functions !== undefined) return functions[name]!(...args);
    const [first, second, third] = args;
    if (/^(builtins|__builtin__)\.getattr$/.test(name) && first instanceof PickledGlobal) {
      return this.refer(`${first.name}.${pickledText(second)}`);
    }
    if (MAKERS.includes(name) && first instanceof PickledGlobal) {
      const given = name.endsWith("__newobj__") ? args.slice(1) : third === null ? [] : [third];
      return this.call(first, given);
    }
    return new PickledObject(name, args);
  }

  /** Calls what is on the stack: a function, its arguments, and perhaps named ones. */
  reduce(named = 0): void {
    const [callee, args] = this.popMany(2 + named) as [PickledValue, PickledValue];
    this.push(this.call(callee, args));
  }

  append(items: PickledValue[]): void {
    const top = this.top();
    const list = top instanceof PickledObject ? top.items : top;
    if (!Array.isArray(list)) this.cursor.fail("something that is not a list is appended to");
    for (const item of items) list.push(item);
  }

  setItems(items: PickledValue[]): void {
    const top = this.top();
    const map = top instanceof PickledObject ? top.entries : top;
    if (!(map instanceof Map)) this.cursor.fail("something that is not a dictionary is set");
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i], value = items[i + 1];
      if (key === undefined || value === undefined) this.cursor.fail("a key has no value");
      map.set(keyOf(key), value);
    }
  }

  setState(state: PickledValue): void {
    const object = this.top();
    if (object instanceof PickledObject) object.state = state;
    else this.vocabulary.setState?.(object, state);
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
  0x8a: async (m, c) => m.push(await long(await c.uint8(), c)), // LONG1
  0x8b: async (m, c) => m.push(await long(await c.uint32(), c)), // LONG4

  [code("S")]: async (m, c) => m.push(quoted(await c.line(), c)), // STRING
  [code("V")]: async (m, c) => m.push(await c.line()), // UNICODE
  [code("X")]: async (m, c) => m.push(await unicode(await c.uint32(), c)), // BINUNICODE
  0x8c: async (m, c) => m.push(await c.text(await c.uint8())), // SHORT_BINUNICODE
  0x8d: async (m, c) => m.push(await unicode(await c.uint64(), c)), // BINUNICODE8
  [code("U")]: async (m, c) => m.push(await bytes(await c.uint8(), c)), // SHORT_BINSTRING
  [code("T")]: async (m, c) => m.push(await bytes(await c.uint32(), c)), // BINSTRING
  [code("C")]: async (m, c) => m.push(await bytes(await c.uint8(), c)), // SHORT_BINBYTES
  [code("B")]: async (m, c) => m.push(await bytes(await c.uint32(), c)), // BINBYTES
  0x8e: async (m, c) => m.push(await bytes(await c.uint64(), c)), // BINBYTES8
  0x96: async (m, c) => m.push(await bytes(await c.uint64(), c)), // BYTEARRAY8

  [code("(")]: (m) => void m.marks.push(m.stack.length),
  [code("0")]: (m) => m.drop(),
  [code("1")]: (m) => void m.popToMark(),
  [code("2")]: (m) => m.push(m.top()),
  [code(")")]: (m) => m.push([]),
  [code("]")]: (m) => m.push([]),
  0x8f: (m) => m.push([]), // EMPTY_SET
  0x91: (m) => m.push(m.popToMark()), // FROZENSET
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
  0x90: (m) => m.append(m.popToMark()), // ADDITEMS
  [code("s")]: (m) => m.setItems(m.popMany(2)),
  [code("u")]: (m) => m.setItems(m.popToMark()),

  [code("p")]: async (m, c) => m.put(Number(await c.line())),
  [code("q")]: async (m, c) => m.put(await c.uint8()),
  [code("r")]: async (m, c) => m.put(await c.uint32()),
  0x94: (m) => m.put(m.memo.size), // MEMOIZE
  [code("g")]: async (m, c) => m.get(Number(await c.line())),
  [code("h")]: async (m, c) => m.get(await c.uint8()),
  [code("j")]: async (m, c) => m.get(await c.uint32()),

  [code("c")]: async (m, c) => m.push(m.refer(await globalName(c))), // GLOBAL
  0x93: (m) => m.push(m.refer(m.popMany(2).map(pickledText).join("."))), // STACK_GLOBAL
  [code("R")]: (m) => m.reduce(), // REDUCE
  0x81: (m) => m.reduce(), // NEWOBJ
  0x92: (m) => m.reduce(1), // NEWOBJ_EX
  [code("i")]: async (m, c) => {
    const callee = m.refer(await globalName(c));
    m.push(m.call(callee, m.popToMark()));
  }, // INST
  [code("o")]: (m) => {
    const [callee = null, ...args] = m.popToMark();
    m.push(m.call(callee, args));
  }, // OBJ
  [code("b")]: (m) => m.setState(m.pop()), // BUILD
  [code("Q")]: (m) => m.persistent(m.pop()), // BINPERSID
};

function decimal(text: string, cursor: Cursor): PickledValue {
  // Protocol 0 writes True and False so.
  if (text === "01" || text === "00") return text === "01";
  return /^-?\d{1,1000}$/.test(text) ? asNumber(BigInt(text)) : cursor.fail("a number is none");
}

/** A text in Python's quotes, with its escapes. */
function quoted(text: string, cursor: Cursor): ShortBytes {
  const inner = /^(['"])(.*)\1$/s.exec(text)?.[2] ?? cursor.fail("a text has no quotes");
  const plain = inner.replace(/\\(x[0-9a-f]{2}|[0-7]{1,3}|[^])/gi, (_, escape: string) => {
    if (/^x./.test(escape)) return String.fromCharCode(parseInt(escape.slice(1), 16));
    if (/^[0-7]/.test(escape)) return String.fromCharCode(parseInt(escape, 8));
    return ESCAPES[escape] ?? escape;
  });
  return new ShortBytes(-1, plain);
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", a: "\x07", b: "\b" };

/** Little-endian two's complement of any length; what is longer than a name is data. */
async function long(length: number, cursor: Cursor): Promise<PickledValue> {
  if (length > MAX_NAME_BYTES) return new PickledBytes(cursor.skip(length), length);
  const digits = await cursor.bytes(length);
  const unsigned = digits.reduceRight((value, digit) => value << 8n | BigInt(digit), 0n);
  return asNumber(BigInt.asIntN(8 * digits.length, unsigned));
}

function asNumber(value: bigint): PickledValue {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** Python 2's texts are bytes too. */
async function bytes(length: number, cursor: Cursor): Promise<PickledBytes> {
  const offset = cursor.position;
  if (length > MAX_NAME_BYTES) return new PickledBytes(cursor.skip(length), length);
  return new ShortBytes(offset, String.fromCharCode(...await cursor.bytes(length)));
}

async function unicode(length: number, cursor: Cursor): Promise<string | PickledBytes> {
  if (length > MAX_NAME_BYTES) return new PickledBytes(cursor.skip(length), length, true);
  return await cursor.text(length);
}

async function globalName(cursor: Cursor): Promise<string> {
  return `${await cursor.line()}.${await cursor.line()}`;
}

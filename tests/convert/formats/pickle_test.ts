import { assertEquals, assertRejects } from "@std/assert";
import { Budget } from "../../../lib/convert/formats/budget.ts";
import { Cursor } from "../../../lib/convert/formats/cursor.ts";
import { readPickle } from "../../../lib/convert/formats/pytorch/pickle.ts";
import {
  PickledBytes,
  PickledObject,
  pickledText,
  ShortBytes,
} from "../../../lib/convert/formats/pytorch/pickled.ts";
import { readPickled } from "../../../lib/convert/formats/pytorch/read.ts";
import { PickledTensor, vocabulary } from "../../../lib/convert/formats/pytorch/vocabulary.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { BytesSource } from "../../../lib/io/byte_source.ts";

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Reads opcodes, as Python's `pickletools` writes them, and `K` for the number 75. */
async function read(opcodes: string): Promise<unknown> {
  const bytes = bytesOf(opcodes);
  const cursor = new Cursor(new BytesSource(bytes, "some.pth"), 0, bytes.length);
  return await readPickle(cursor, { functions: {} }, new Budget("some.pth", bytes.length));
}

/** Reads opcodes that make a value of a class. */
async function readAs<T>(
  type: new (...args: never[]) => T,
  opcodes: string,
): Promise<T> {
  const value = await read(opcodes);
  if (value instanceof type) return value;
  throw new Error(`${opcodes} made something else`);
}

const readObject = (opcodes: string): Promise<PickledObject> => readAs(PickledObject, opcodes);

Deno.test("a pickled dictionary, list, set and long number are read", async () => {
  assertEquals(await read("(KKKLd."), new Map([[75, 76]]));
  assertEquals(await read("](KAKBe."), [65, 66]);
  assertEquals(await read("\x8f(KAKB\x90."), [65, 66]);
  assertEquals(await read("(KAKB\x91."), [65, 66]);
  // Little-endian two's complement: -2 in two bytes, and 2 ** 64 in nine.
  assertEquals(await read("\x8a\x02\xfe\xff."), -2);
  assertEquals(await read("\x8b\x02\0\0\0\xfe\xff."), -2);
  assertEquals(await read("\x8a\x09" + "\0".repeat(8) + "\x01."), 2n ** 64n);
  assertEquals(await read("L18446744073709551616L\n."), 2n ** 64n);
});

Deno.test("texts of Python 2 are names as those of Python 3 are, in Latin-1 and with escapes", async () => {
  for (const opcodes of ["U\x03a\xe9b.", "T\x03\0\0\0a\xe9b.", "C\x03a\xe9b.", "S'a\\xe9b'\n."]) {
    assertEquals(pickledText(await readAs(ShortBytes, opcodes)), "aéb");
  }
  assertEquals(await read("(U\x01aKAd."), new Map([["a", 65]]));
  const codec = "c_codecs\nencode\n(X\x03\0\0\0aéb".replace("é", "\xc3\xa9").replace(
    "\x03",
    "\x04",
  );
  assertEquals(pickledText(await read(`${codec}X\x06\0\0\0latin1tR.`) as ShortBytes), "aéb");
});

Deno.test("a text too long for a name is left where it is", async () => {
  const value = await readAs(PickledBytes, `X\0\x20\0\0${"a".repeat(0x2000)}.`);
  assertEquals([value.offset, value.length, value.isText], [5, 0x2000, true]);
});

Deno.test("a pickled OrderedDict is a dictionary, however it was made", async () => {
  const made = "ccollections\nOrderedDict\n";
  assertEquals(await read(`${made})RU\x01aKAs.`), new Map([["a", 65]]));
  // Python 2 gives a list of pairs.
  assertEquals(
    await read(`${made}](](U\x01aKAe](U\x01bKBee\x85R.`),
    new Map([["a", 65], ["b", 66]]),
  );
  assertEquals(
    await read(`ccollections\ndefaultdict\nc__builtin__\nlist\n\x85RU\x01aKAs.`),
    new Map([["a", 65]]),
  );
});

Deno.test("a class that is not known makes an object that nobody calls", async () => {
  const reduced = await readObject("cargparse\nNamespace\nKA\x85R}(U\x02lrKBub.");
  assertEquals([reduced.name, reduced.args], ["argparse.Namespace", [65]]);
  assertEquals(reduced.attribute("lr"), 66);
  // With `__new__`, with named arguments, as an instance of Python 2 in both ways, and by `copy_reg`.
  assertEquals((await readObject("cnet\nA\nKA\x85\x81.")).args, [65]);
  assertEquals((await readObject("cnet\nA\nKA\x85}\x92.")).args, [65]);
  assertEquals((await readObject("(KAinet\nA\n.")).args, [65]);
  assertEquals((await readObject("(cnet\nA\nKAo.")).args, [65]);
  const restored = await readObject(
    "ccopy_reg\n_reconstructor\ncnet\nA\nc__builtin__\nobject\nN\x87R.",
  );
  assertEquals([restored.name, restored.args], ["net.A", []]);
  // One derived from a list, and one from a dictionary.
  assertEquals((await readObject("cnet\nA\n)R(KAKBe.")).items, [65, 66]);
  assertEquals((await readObject("cnet\nA\n)RU\x01aKAs.")).entries, new Map([["a", 65]]));
  // What a call gave is called.
  assertEquals((await readObject("cfunctools\npartial\n)R)R.")).name, "functools.partial()");
  // A class in a class, before protocol 4.
  const inner = "c__builtin__\ngetattr\ncnet\nA\nU\x05Inner\x86R";
  assertEquals((await readObject(`${inner})R.`)).name, "net.A.Inner");
});

const EXECUTABLE = [
  ["os", "system"],
  ["posix", "system"],
  ["subprocess", "Popen"],
  ["builtins", "eval"],
  ["__builtin__", "exec"],
  ["builtins", "__import__"],
  ["builtins", "getattr.__self__"],
  ["torch", "os.system"],
  ["torch.utils.data", "subprocess.run"],
  ["net", "A.__init__.__globals__"],
  ["torch.hub", "load"],
  ["pickle", "loads"],
] as const;

for (const [module, name] of EXECUTABLE) {
  Deno.test(`a pickle that refers to ${module}.${name} is refused by its name`, async () => {
    const refused = (opcodes: string) =>
      assertRejects(
        () => read(opcodes),
        CheckpointFormatError,
        `some.pth refers to ${module}.${name}, which can execute`,
      );
    await refused(`c${module}\n${name}\n)R.`);
    const short = (text: string) => `\x8c${String.fromCharCode(text.length)}${text}`;
    await refused(`${short(module)}${short(name)}\x93.`);
  });
}

Deno.test("what getattr leads to is refused by its name", async () => {
  const opcodes = "c__builtin__\ngetattr\nctorch\nserialization\nU\x02os\x86R.";
  await assertRejects(() => read(opcodes), CheckpointFormatError, "torch.serialization.os, which");
});

const DAMAGED: Readonly<Record<string, string>> = {
  ".": "the stack is empty",
  "2.": "the stack is empty",
  "KA0.": "the stack is empty",
  "t.": "a mark is missing",
  "(KKd.": "a key has no value",
  "KK)R.": "something that is not a function is called",
  "cnet\nA\nKKR.": "the arguments of a call are not a tuple",
  [`cnet\nA\n(${"N".repeat(300)}tR.`]: "the arguments of a call are not a tuple",
  "KK(KAe.": "something that is not a list",
  "KKKAKBs.": "something that is not a dictionary",
  "hA.": "memo 65 was never set",
  "\xff.": "pickle opcode 0xff",
  "S'a\n.": "a text has no quotes",
};

for (const [opcodes, message] of Object.entries(DAMAGED)) {
  Deno.test(`a pickle of ${opcodes.slice(0, 20)} is refused: ${message}`, async () => {
    await assertRejects(() => read(opcodes), CheckpointFormatError, message);
  });
}

Deno.test("a pickle with more steps than its bytes allow is refused", async () => {
  const many = "N0".repeat(600_000);
  const error = await assertRejects(
    () => read(`${many}N.`),
    CheckpointFormatError,
    "steps to read",
  );
  assertEquals(error.code, "budget");
});

Deno.test("a name that is no text is no reason to fail, however deep it is nested", async () => {
  const deep = "]".repeat(20_000) + "a".repeat(19_999);
  assertEquals((await readObject(`${deep}KA\x93)R.`)).name, "(no text).65");
  // Of the older format, the second of whose pickles is a version.
  const magic = "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
  const bytes = bytesOf(`${magic}\x80\x02${deep}.`);
  const openSibling = () => Promise.reject(new Error("nothing is beside it"));
  const budget = new Budget("some.pth", bytes.length);
  await assertRejects(
    () => readPickled(new BytesSource(bytes, "some.pth"), { openSibling, budget }),
    CheckpointFormatError,
    "found (no text)",
  );
});

Deno.test("a tensor that says its own type is of that, and refused if it is none", async () => {
  // A storage of 8 bytes, and two elements from its first on.
  const storage = "(U\x07storagectorch.storage\nUntypedStorage\nU\x010U\x03cpuK\x08tQ";
  const of = async (type: string) => {
    const bytes = bytesOf(
      `ctorch._utils\n_rebuild_tensor_v3\n(${storage}K\x00K\x02\x85K\x01\x85\x89N${type}tR.`,
    );
    const cursor = new Cursor(new BytesSource(bytes, "some.pth"), 0, bytes.length);
    return await readPickle(cursor, vocabulary("some.pth"), new Budget("some.pth", bytes.length));
  };
  const tensor = await of("ctorch\nuint32\n");
  if (!(tensor instanceof PickledTensor)) throw new Error("it is no tensor");
  assertEquals(tensor.type, { dtype: "U32", bytes: 4 });
  assertEquals([tensor.offset, tensor.shape, tensor.strides], [0, [2], [1]]);
  await assertRejects(() => of("ctorch\nuint7\n"), CheckpointFormatError, "of torch.uint7");
  await assertRejects(() => of("N"), CheckpointFormatError, "a tensor of no type");
});

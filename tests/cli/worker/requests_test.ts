import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { concat } from "@std/bytes/concat";
import type { Read } from "../../../lib/cli/worker/byte_reader.ts";
import { ProtocolError, readRequests, type Request } from "../../../lib/cli/worker/requests.ts";
import { isVggError } from "../../../lib/errors.ts";
import { IMAGE_OPTIONS } from "../../../lib/options.ts";

const LARGEST = IMAGE_OPTIONS.maxBytes.default, BUFFER = 2 ** 16;
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const NEVER = new AbortController().signal;

/** A stream that is read in parts, none of which an array is too small for. */
function reading(parts: readonly Uint8Array[]): Read {
  let left = parts.filter((part) => part.length > 0);
  return (into) => {
    const [first, ...others] = left;
    if (first === undefined) return Promise.resolve(null);
    const count = Math.min(first.length, into.length);
    into.set(first.subarray(0, count));
    left = count < first.length ? [first.subarray(count), ...others] : others;
    return Promise.resolve(count);
  };
}

/** A request for an assertion: bytes as a text, an error as its code. */
function shown({ id, picture, isBroken = false }: Request): readonly unknown[] {
  const what = picture instanceof Uint8Array
    ? new TextDecoder("latin1").decode(picture)
    : picture instanceof URL
    ? picture.href
    : picture instanceof ProtocolError
    ? "PROTOCOL"
    : isVggError(picture)
    ? picture.code
    : picture;
  return isBroken ? [id, what, "broken"] : [id, what];
}

async function read(
  parts: readonly Uint8Array[] | Read,
  { isLines = false, isFetching = false, stop = NEVER } = {},
): Promise<readonly unknown[][]> {
  const from = typeof parts === "function" ? parts : reading(parts);
  const requests = await Array.fromAsync(readRequests(from, { isLines, isFetching, stop }));
  return requests.map((request) => [...shown(request)]);
}

const FRAMES: Uint8Array = concat([
  utf8('{"id":1,"bytes":5}\nab\ncd'),
  utf8('{"id":"é\\n","bytes":0}\r\n'),
  utf8('{ "data" : "AAEC", "id" : -7 }\n'),
  utf8('{"id":1,"url":"https://example.com/a b.png"}\n'),
  utf8('{"id":"","data":"no base64!"}\n'),
  utf8('{"id":9007199254740991,"bytes":3,"label":"more is let be"}\n{}\n'),
]);
const FOUND = [
  [1, "ab\ncd"],
  ["é\n", ""],
  [-7, "\x00\x01\x02"],
  [1, "https://example.com/a%20b.png"],
  ["", "image-damaged"],
  [Number.MAX_SAFE_INTEGER, "{}\n"],
];

Deno.test("requests are the same wherever their bytes are cut", async () => {
  const options = { isFetching: true };
  for (let cut = 0; cut <= FRAMES.length; cut++) {
    const parts = [FRAMES.subarray(0, cut), FRAMES.subarray(cut)];
    assertEquals(await read(parts, options), FOUND, `cut at ${cut}`);
  }
  const each = Array.from(FRAMES, (byte) => Uint8Array.of(byte));
  assertEquals(await read(each, options), FOUND, "one by one");
});

Deno.test("a stream that ends before a request does says which one", async () => {
  const text = '{"id":3,"data":"AAEC"}\n{"id":4,"bytes":6}\nabcdef', bytes = utf8(text);
  const whole: readonly unknown[][] = [[3, "\x00\x01\x02"], [4, "abcdef"]];
  const line = text.indexOf("\n"), frame = text.lastIndexOf("\n") + 1;
  for (let end = 0; end <= bytes.length; end++) {
    const found = await read([bytes.subarray(0, end)]);
    const broken = (id: number | null): unknown[] => [id, "PROTOCOL", "broken"];
    if (end === 0) assertEquals(found, []);
    // An id is known once what follows it begins.
    else if (end < line) {
      assertEquals(found, [broken(end < '{"id":3,'.length ? null : 3)], `${end}`);
    } else if (end <= line + 1) assertEquals(found, whole.slice(0, 1), `${end}`);
    else if (end < frame - 2) {
      const isKnown = end - line - 1 >= '{"id":4,'.length;
      assertEquals(found, [whole[0], broken(isKnown ? 4 : null)], `${end}`);
    } else if (end < bytes.length) assertEquals(found, [whole[0], broken(4)], `${end}`);
    else assertEquals(found, whole);
  }
});

Deno.test("a last line without its break is whole, however much was before it", async () => {
  const bytes = utf8('{"id":1,"data":""}\n{"id":2,"data":"' + "A".repeat(80) + '"}');
  for (const isLines of [true, false]) {
    assertEquals(await read([bytes], { isLines }), [[1, ""], [2, "\0".repeat(60)]]);
  }
});

/** What is no request, as a line. */
const NO_REQUESTS = [
  "",
  "hello",
  "[]",
  "null",
  "{}",
  '{"id":1}',
  '{"bytes":1}',
  '{"id":null,"bytes":1}',
  '{"id":1.5,"bytes":1}',
  '{"id":9007199254740992,"bytes":1}',
  '{"id":["a"],"bytes":1}',
  `{"id":"${"x".repeat(1025)}","bytes":1}`,
  '{"id":1,"bytes":-1}',
  '{"id":1,"bytes":1.5}',
  '{"id":1,"bytes":"1"}',
  '{"id":1,"bytes":1e300}',
  '{"id":1,"bytes":null}',
  '{"id":1,"data":1}',
  '{"id":1,"url":{}}',
  '{"id":1,"data":"","url":""}',
  '{"id":1,"bytes":0,"data":""}',
  '{"id":1,"bytes":1',
];

Deno.test("what is no request ends frames, and is one of many lines", async () => {
  const next = utf8('{"id":2,"data":"AA=="}\n');
  const lines = [...NO_REQUESTS.map(utf8), Uint8Array.of(0x7b, 0xff, 0x7d)];
  for (const line of lines) {
    const bytes = concat([next, line, utf8("\n"), next]), said = new TextDecoder().decode(line);
    assertEquals(await read([bytes]), [[2, "\0"], [null, "PROTOCOL", "broken"]], said);
    assertEquals(await read([bytes], { isLines: true }), [[2, "\0"], [null, "PROTOCOL"], [
      2,
      "\0",
    ]]);
  }
});

Deno.test("an id may have 1,024 characters, and any", async () => {
  const id = '\u{1f600}\ud800"\\'.repeat(204) + "abcd";
  assertEquals(id.length, 1024);
  const bytes = utf8(JSON.stringify({ id, bytes: 1 }) + "\nx");
  assertEquals(await read([bytes]), [[id, "x"]]);
});

Deno.test("lines have no frames: a request for one is refused by its id", async () => {
  const bytes = utf8('{"id":1,"bytes":3}\n{"id":2,"data":""}\n');
  assertEquals(await read([bytes], { isLines: true }), [[1, "PROTOCOL"], [2, ""]]);
});

Deno.test("a URL is fetched if that is asked for, and is never a path", async () => {
  const urls = ["https://h/x", "http://h/", "file:///etc/passwd", "/etc/passwd", "data:,x", ""];
  const bytes = utf8(urls.map((url) => JSON.stringify({ id: 0, url }) + "\n").join(""));
  const none = [0, "image-fetch"];
  assertEquals(await read([bytes]), urls.map(() => none));
  assertEquals(await read([bytes], { isFetching: true }), [
    ...[[0, "https://h/x"], [0, "http://h/"]],
    ...[none, none, none, none],
  ]);
});

Deno.test("a large frame is read into its place at once", async () => {
  const count = 3 * BUFFER, head = utf8(`{"id":1,"bytes":${count}}\n`);
  const bytes = concat([head, new Uint8Array(count).fill(65), utf8('{"id":2,"bytes":1}\nB')]);
  const from = reading([bytes.subarray(0, head.length + 10), bytes.subarray(head.length + 10)]);
  const sizes: number[] = [];
  const found = await read((into) => {
    sizes.push(into.length);
    return from(into);
  });
  assertEquals(found, [[1, "A".repeat(count)], [2, "B"]]);
  assertEquals(sizes.slice(0, 2), [BUFFER, count - 10]);
});

/** A stream of a beginning, so many equal bytes, and an end. */
function around(start: string, count: number, end: string): Read {
  const before = reading([utf8(start)]), after = reading([utf8(end)]);
  let left = count;
  return async (into) => {
    const begun = await before(into);
    if (begun !== null) return begun;
    if (left === 0) return await after(into);
    const filled = Math.min(left, into.length);
    into.fill(65, 0, filled);
    left -= filled;
    return filled;
  };
}

Deno.test("a frame that is too large is skipped, and the next is read", async () => {
  const next = '{"id":2,"bytes":1}\nx';
  const most = around(`{"id":1,"bytes":${LARGEST + 1}}\n`, LARGEST + 1, next);
  let largest = 0;
  const found = await read((into) => {
    largest = Math.max(largest, into.buffer.byteLength);
    return most(into);
  });
  assertEquals(found, [[1, "image-bytes"], [2, "x"]]);
  assertEquals(largest, BUFFER, "none of it is held");
  const short = around(`{"id":1,"bytes":${Number.MAX_SAFE_INTEGER}}\n`, 2 ** 20, "");
  assertEquals(await read(short), [[1, "PROTOCOL", "broken"]]);
});

Deno.test("a line is as long as its picture needs, and no longer", async () => {
  const isLines = true;
  for (const chars of [BUFFER - 40, BUFFER - 20, BUFFER - 16, BUFFER, 4 * BUFFER]) {
    const line = (): Read => around('{"id":1,"data":"', chars, '"}\n{"id":2,"data":""}\n');
    for (const options of [{ isLines }, {}]) {
      const [first, ...others] = await read(line(), options);
      assertEquals(first, [1, "\0".repeat(chars / 4 * 3)], `${chars}`);
      assertEquals(others, [[2, ""]]);
    }
  }
  const longer = (start: string, end = '"}\n{"id":2,"data":""}\n'): Read =>
    around(start, LARGEST * 1.4, end);
  for (const options of [{ isLines }, {}]) {
    const found = await read(longer('{"id":1,"data":"'), options);
    assertEquals(found, [[1, "image-bytes"], [2, ""]]);
    assertEquals(await read(longer('{"id":1,"data":"', ""), options), [[1, "PROTOCOL", "broken"]]);
  }
  for (const start of ['{"data":"', '{"id":1,"url":"', '{"id":"', ""]) {
    assertEquals(await read(longer(start)), [[null, "PROTOCOL", "broken"]]);
    assertEquals(await read(longer(start), { isLines }), [[null, "PROTOCOL"], [2, ""]]);
  }
});

Deno.test("once it is stopped no request is taken, and none that is not whole", async () => {
  const stop = new AbortController();
  const waiting = Promise.withResolvers<null>();
  const [first] = [utf8('{"id":1,"bytes":1}\na{"id":2,"bytes":9}\nb')];
  let reads = 0;
  const from: Read = (into) => {
    if (reads++ > 0) return waiting.promise;
    into.set(first);
    return Promise.resolve(first.length);
  };
  const requests = readRequests(from, { isLines: false, isFetching: false, stop: stop.signal });
  assertEquals((await requests.next()).value?.id, 1);
  const second = requests.next();
  stop.abort();
  assertEquals(await second, { done: true, value: undefined });
  waiting.resolve(null);
});

Deno.test("a stream that fails ends the requests with its error", async () => {
  const requests = readRequests(() => Promise.reject(new Error("unplugged")), {
    ...{ isLines: false, isFetching: false, stop: NEVER },
  });
  const error = await requests.next().catch((error) => error);
  assertInstanceOf(error, Error);
  assert(error.message === "unplugged");
});

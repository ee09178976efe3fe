/** Connections that say nothing, that break, and that go on with something else. */

import { assertEquals, assertRejects } from "@std/assert";
import { fetchWhole } from "../../lib/convert/repository/fetch_whole.ts";
import { WeightsDownloadError } from "../../lib/errors.ts";
import { type HttpOptions, HttpSource, VersionChangedError } from "../../lib/io/http_source.ts";
import { notedPauses } from "../support/noted_pauses.ts";

/** Lets timers of half a minute or more, as long as a stall is, fire at once. */
function withoutStalls(): Disposable {
  const { setTimeout } = globalThis;
  globalThis.setTimeout =
    ((run: () => void, ms = 0) => setTimeout(run, ms >= 30_000 ? 200 : ms)) as typeof setTimeout;
  return { [Symbol.dispose]: () => void (globalThis.setTimeout = setTimeout) };
}

Deno.test("a connection on which no byte comes is ended, and another is tried", async () => {
  using _shorter = withoutStalls();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const opening = HttpSource.open(new URL(`http://127.0.0.1:${listener.addr.port}/`));
  const request = new Uint8Array(4096);
  using silent = await listener.accept();
  await silent.read(request);
  using answering = await listener.accept();
  await answering.read(request);
  const answer = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc";
  await answering.write(new TextEncoder().encode(answer));
  const source = await opening;
  const into = new Uint8Array(3);
  await source.read(0, into);
  assertEquals(new TextDecoder().decode(into), "abc");
  let isOpen = true;
  const timer = setTimeout(() => silent.close(), 2000);
  await silent.read(request).then((count) => isOpen = count !== null, () => {});
  clearTimeout(timer);
  assertEquals(isOpen, false);
  source.close();
});

Deno.test("closing a source ends the read under way, and it does not connect again", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const opening = HttpSource.open(new URL(`http://127.0.0.1:${listener.addr.port}/`));
  using connection = await listener.accept();
  const request = new Uint8Array(4096);
  await connection.read(request);
  const answer = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc";
  await connection.write(new TextEncoder().encode(answer));
  const source = await opening;
  const reading = source.read(0, new Uint8Array(10));
  const refused = assertRejects(async () => await reading, DOMException, "aborted");
  source.close();
  await refused;
  assertEquals(await connection.read(request).catch(() => null), null);
});

const FILE = new URL("https://host.example/file");
const OLD = Uint8Array.from({ length: 10 }, (_, i) => i);
/** It differs only behind what is read before the connection breaks. */
const NEW = OLD.map((byte, i) => i < 6 ? byte : byte + 100);

/** An answer whose connection breaks after so many bytes, as `fetch` tells it. */
function broken(bytes: Uint8Array, after: number, headers: HeadersInit): Response {
  let isSent = false;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (isSent) return controller.error(new TypeError("the connection broke"));
      isSent = true;
      controller.enqueue(bytes.slice(0, after));
    },
  }, { highWaterMark: 0 });
  return new Response(body, { headers: { "content-length": `${bytes.length}`, ...headers } });
}

/** The rest of a file, as a server gives it that does not care what it is a part of. */
function rest(bytes: Uint8Array<ArrayBuffer>, begin: number, headers: HeadersInit): Response {
  const range = `bytes ${begin}-${bytes.length - 1}/${bytes.length}`;
  return new Response(bytes.slice(begin), {
    status: 206,
    headers: { "content-range": range, ...headers },
  });
}

/** Reads all of a file whose server gives these answers, and what it was asked. */
async function readAnswers(
  answers: readonly Response[],
  options: HttpOptions = {},
): Promise<{ bytes: number[]; asked: Headers[] }> {
  using _pauses = notedPauses();
  const asked: Headers[] = [], waiting = [...answers];
  const source = await HttpSource.open(FILE, {
    ...options,
    fetch: (request) => {
      asked.push((request as Request).headers);
      return Promise.resolve(waiting.shift()!);
    },
  });
  const bytes: number[] = [];
  try {
    for await (const part of source.stream(0)) bytes.push(...part);
  } finally {
    source.close();
  }
  return { bytes, asked };
}

Deno.test("a file that changes while its connection is broken is never mixed of two versions", async () => {
  const date = "Sun, 06 Nov 1994 08:49:37 GMT", later = "Sun, 06 Nov 1994 08:49:38 GMT";
  const changes: [HeadersInit, Response][] = [
    [{ etag: '"old"' }, rest(NEW, 6, { etag: '"new"' })],
    [{ etag: '"old"' }, rest(NEW, 6, {})],
    [{ etag: '"old"' }, rest(NEW, 6, { etag: 'W/"old"' })],
    [{ "last-modified": date }, rest(NEW, 6, { "last-modified": later })],
    [
      { etag: 'W/"same"', "last-modified": date },
      rest(NEW, 6, { etag: 'W/"same"', "last-modified": later }),
    ],
    [{ etag: '"same"' }, rest(new Uint8Array([...NEW, 1]), 6, { etag: '"same"' })],
    [{}, rest(NEW.slice(0, 9), 6, {})],
  ];
  for (const [headers, answer] of changes) {
    const read = () => readAnswers([broken(OLD, 6, headers), answer]);
    await assertRejects(read, VersionChangedError, "changed on the server while it was read");
  }
  // A server that says of no answer what version it is of cannot be held to one.
  const { bytes } = await readAnswers([broken(OLD, 6, {}), rest(OLD, 6, {})]);
  assertEquals(bytes, [...OLD]);
});

Deno.test("who has no hash of a file does not go on where the server says no version", async () => {
  const one = { oneVersion: true },
    answers = (headers: HeadersInit) => [
      broken(OLD, 6, headers),
      rest(OLD, 6, headers),
    ];
  for (const headers of [{}, { etag: 'W/"weak"' }] as HeadersInit[]) {
    await assertRejects(
      () => readAnswers(answers(headers), one),
      VersionChangedError,
      "broke off at byte 6, and may have changed. Start again",
    );
  }
  const { bytes } = await readAnswers(answers({ etag: '"v1"' }), one);
  assertEquals(bytes, [...OLD]);
  // What has broken before its first byte has nothing to be mixed with.
  const begun = await readAnswers([broken(OLD, 0, {}), new Response(NEW)], one);
  assertEquals(begun.bytes, [...NEW]);
});

Deno.test("a file from the network comes whole, begun again where it may have changed", async () => {
  const whole = async (answers: Response[]): Promise<number[]> => {
    using _pauses = notedPauses();
    const source = await fetchWhole(FILE, { fetch: () => Promise.resolve(answers.shift()!) });
    try {
      const bytes = new Uint8Array(source.size!);
      await source.read(0, bytes);
      return [...bytes];
    } finally {
      source.close();
    }
  };
  assertEquals(await whole([broken(OLD, 6, {}), new Response(NEW)]), [...NEW]);
  const old = { etag: '"old"' }, changed = [broken(OLD, 6, old), rest(NEW, 6, { etag: '"new"' })];
  assertEquals(await whole([...changed, new Response(NEW)]), [...NEW]);
  await assertRejects(
    () => whole([1, 2, 3].map((n) => broken(OLD, n, {}))),
    VersionChangedError,
    "broke off at byte 3",
  );
});

Deno.test("a range from elsewhere is no continuation", async () => {
  const etag = { etag: '"same"' };
  for (const [begin, found] of [[5, "5"], [7, "7"], [0, "0"]] as const) {
    const read = () => readAnswers([broken(OLD, 6, etag), rest(OLD, begin, etag)]);
    const words = `sent the range from ${found}: 6 was asked for`;
    await assertRejects(read, WeightsDownloadError, words);
  }
  const without = new Response(OLD.slice(6), { status: 206, headers: etag });
  const read = () => readAnswers([broken(OLD, 6, etag), without]);
  await assertRejects(read, WeightsDownloadError, "sent the range from undefined");
});

Deno.test("a range is asked for of the version that was begun, as far as that can be told", async () => {
  const date = "Sun, 06 Nov 1994 08:49:37 GMT";
  const validators: [HeadersInit, string | null][] = [
    [{ etag: '"v1"' }, '"v1"'],
    [{ etag: '"v1"', "last-modified": date }, '"v1"'],
    [{ etag: 'W/"v1"', "last-modified": date }, date],
    [{ etag: 'W/"v1"' }, null],
  ];
  for (const [headers, validator] of validators) {
    const { bytes, asked } = await readAnswers([broken(OLD, 6, headers), rest(OLD, 6, headers)]);
    assertEquals(bytes, [...OLD]);
    assertEquals(asked.map((headers) => headers.get("range")), [null, "bytes=6-"]);
    assertEquals(asked.map((headers) => headers.get("if-range")), [null, validator]);
  }
});

Deno.test("a connection that ends before the file does is taken up, without an error of its own", async () => {
  const headers = { etag: '"v1"', "content-length": `${OLD.length}` };
  const early = new Response(new Blob([OLD.slice(0, 6)]).stream(), { headers });
  const { bytes, asked } = await readAnswers([early, rest(OLD, 6, headers)]);
  assertEquals([bytes, asked.length], [[...OLD], 2]);
});

Deno.test("a part that begins behind another version's end is of another version", async () => {
  const behind = (total: number) => () =>
    Promise.resolve(
      new Response(null, { status: 416, headers: { "content-range": `bytes */${total}` } }),
    );
  const shorter = HttpSource.open(FILE, { offset: 12, validator: '"old"', fetch: behind(10) });
  await assertRejects(() => shorter, VersionChangedError);
  const other = HttpSource.open(FILE, { offset: 10, size: 10, fetch: behind(11) });
  await assertRejects(() => other, VersionChangedError);
  const complete = await HttpSource.open(FILE, { offset: 10, size: 10, fetch: behind(10) });
  assertEquals([complete.position, complete.size], [10, 10]);
  complete.close();
});

Deno.test("a server that is busy is asked again when it says, and not before", async () => {
  using pauses = notedPauses();
  const busy = (seconds: string) =>
    new Response(null, { status: 503, headers: { "retry-after": seconds } });
  const answers = [busy("3"), busy("60"), busy("0"), new Response(OLD)];
  const source = await HttpSource.open(FILE, { fetch: () => Promise.resolve(answers.shift()!) });
  source.close();
  assertEquals(pauses.ms, [3000, 10_000, 1000]);
});

import { assert, assertEquals, assertRejects } from "@std/assert";
import { fetchedAhead } from "../../../lib/cli/worker/pictures.ts";
import type { Request as Asking } from "../../../lib/cli/worker/requests.ts";
import { until } from "../../support/serve_process.ts";

const MB = 2 ** 20;
const LIMIT = 64 * MB;

/** A server of files of so many bytes, by the number in the URL, and what it was asked for. */
class Files implements Disposable {
  readonly #fetch = globalThis.fetch;
  readonly asked: number[] = [];
  readonly aborted: number[] = [];
  /** Bytes that it has given, and the most that were given and not yet taken by whoever asked. */
  given = 0;
  taken = 0;
  most = 0;

  constructor(bytesOf: (n: number) => number) {
    const chunk = new Uint8Array(MB);
    globalThis.fetch = (request): Promise<Response> => {
      const { url, signal } = request as Request, n = Number(/\d+$/.exec(url)![0]);
      this.asked.push(n);
      signal.addEventListener("abort", () => this.aborted.push(n));
      let left = bytesOf(n);
      const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
        pull: async (controller) => {
          await new Promise((resolve) => setTimeout(resolve)); // All in turn.
          const part = chunk.subarray(0, left);
          left -= part.length;
          this.given += part.length;
          this.most = Math.max(this.most, this.given - this.taken);
          if (part.length > 0) controller.enqueue(part);
          if (left === 0) controller.close();
        },
      }, { highWaterMark: 0 });
      return Promise.resolve(new Response(body));
    };
  }

  [Symbol.dispose](): void {
    globalThis.fetch = this.#fetch;
  }
}

const requestOf = (n: number): Asking => ({ id: n, picture: new URL(`http://files.test/${n}`) });

/** So many requests, and whether they were closed. */
function requests(count: number, rest: Promise<void> = Promise.resolve()) {
  const state = { isClosed: false };
  const source = async function* (): AsyncGenerator<Asking> {
    try {
      for (let n = 0; n < count; n++) yield requestOf(n);
      await rest;
      yield requestOf(count);
      yield requestOf(count + 1);
    } finally {
      state.isClosed = true;
    }
  };
  return { state, source: source() };
}

for (
  const [what, sizes] of [
    ["large", Array(12).fill(60 * MB)],
    ["of all sizes", [1, 60, 60, 9, 30, 8, 64, 7, 0, 10, 10, 10, 10, 10, 10].map((n) => n * MB)],
    ["small, and then large", [...Array(10).fill(1000), ...Array(10).fill(60 * MB)]],
  ] as const
) {
  Deno.test(`no more is fetched ahead than there is room for: files that are ${what}`, async () => {
    using files = new Files((n) => sizes[n]!);
    const { source } = requests(sizes.length - 2);
    let count = 0;
    for await (const { request, open } of fetchedAhead(source, false)) {
      assertEquals(request.id, count);
      const { length } = await open();
      assertEquals(length, sizes[count++]);
      files.taken += length;
    }
    assertEquals(count, sizes.length);
    // What waits, that whose turn it is, and of each a part on its way.
    assert(files.most <= LIMIT + Math.max(...sizes) + 9 * MB, `${files.most / MB} MB at once`);
    assert(files.most > LIMIT / 2, "and some are fetched ahead");
  });
}

Deno.test("bytes that came with requests leave less room", async () => {
  using files = new Files(() => 60 * MB);
  const source = async function* (): AsyncGenerator<Asking> {
    yield await Promise.resolve(requestOf(0));
    yield { id: 1, picture: new Uint8Array(60 * MB) };
    yield requestOf(2);
    yield requestOf(3);
  };
  const found = fetchedAhead(source(), false), first = (await found.next()).value!;
  assertEquals((await first.open() as Uint8Array).length, 60 * MB);
  files.taken += 60 * MB;
  const second = (await found.next()).value!;
  assertEquals((await second.open() as Uint8Array).length, 60 * MB);
  for (const _ of [2, 3]) {
    assertEquals((await (await found.next()).value!.open() as Uint8Array).length, 60 * MB);
    files.taken += 60 * MB;
  }
  assertEquals((await found.next()).done, true);
  assert(files.most <= LIMIT + 61 * MB, `${files.most / MB} MB at once`);
});

Deno.test("who asks for no more ends the source, and what is being fetched", async () => {
  using files = new Files((n) => n === 0 ? 10 : Infinity);
  const { state, source } = requests(30);
  const asked = fetchedAhead(source, false);
  const { open } = (await asked.next()).value!;
  assertEquals((await open()).length, 10);
  await until(() => files.asked.length === 9);
  await asked.return(undefined);
  assert(state.isClosed);
  assertEquals(files.aborted.sort().slice(-8), [1, 2, 3, 4, 5, 6, 7, 8]);
  const { given } = files;
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert(files.given <= given + 8 * MB, "nothing comes any more");
  assertEquals(files.asked.length, 9);
});

Deno.test("a source that waits is ended when it has what it waits for", async () => {
  using files = new Files(() => 10);
  const rest = Promise.withResolvers<void>();
  const { state, source } = requests(2, rest.promise);
  const asked = fetchedAhead(source, false);
  const { open } = (await asked.next()).value!;
  await until(() => files.asked.length === 2);
  await asked.return(undefined);
  assertEquals((await open()).length, 10, "what was given can be opened");
  assert(!state.isClosed);
  rest.resolve();
  await until(() => state.isClosed);
  assertEquals(files.asked, [0, 1]);
});

Deno.test("what the source throws comes after what it gave", async () => {
  using _files = new Files(() => 10);
  const source = async function* (): AsyncGenerator<Asking> {
    yield await Promise.resolve(requestOf(0));
    throw new RangeError("broken");
  };
  const asked = fetchedAhead(source(), false);
  assertEquals((await (await asked.next()).value!.open() as Uint8Array).length, 10);
  await assertRejects(() => asked.next(), RangeError, "broken");
});

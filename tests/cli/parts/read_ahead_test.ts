import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ImageDecodeError } from "../../../lib/errors.ts";
import { mayPass, readAhead, type ReadAheadOptions } from "../../../lib/cli/parts/read_ahead.ts";

const entriesOf = (count: number) =>
  Array.from({ length: count }, (_, n) => ({ id: `${n}`, place: `/pictures/${n}` }));

const { signal } = new AbortController();

/** Reads that end when they are told to. */
class Reads {
  readonly begun: string[] = [];
  readonly #ends = new Map<string, () => void>();

  read = (place: string): Promise<Uint8Array> => {
    this.begun.push(place);
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    this.#ends.set(place, () => resolve(new Uint8Array([Number(place.slice(10))])));
    return promise;
  };

  end(place: string): void {
    this.#ends.get(place)!();
  }
}

Deno.test("many pictures are read at the same time, and are given in their order", async () => {
  const reads = new Reads(), entries = entriesOf(100);
  const pictures = readAhead(entries, { signal, read: reads.read });
  const first = pictures.next();
  assertEquals(reads.begun, entries.slice(0, 32).map(({ place }) => place));
  // Whichever is there first.
  for (const { place } of entries.slice(0, 32).reverse()) reads.end(place);
  const found = (await first).value!;
  assertEquals([found.name, [...found.image()]], ["0", [0]]);
  const second = (await pictures.next()).value!;
  assertEquals([second.name, [...second.image()]], ["1", [1]]);
  // In the place of each that is given another begins.
  assertEquals(reads.begun.length, 33);
  await pictures.return();
});

Deno.test("no more is read than may wait", async () => {
  const large = new Uint8Array(2 ** 25);
  let begun = 0;
  const read = () => {
    begun++;
    return Promise.resolve(large);
  };
  const pictures = readAhead(entriesOf(200), { signal, read });
  await pictures.next();
  // 32 were begun before any was there; none is until they are taken.
  for (let n = 0; n < 20; n++) await pictures.next();
  assertEquals(begun, 32);
  await pictures.return();
});

Deno.test("what may pass is tried again, and what a server asks for is waited for", async () => {
  const failures = [
    new ImageDecodeError("no answer", { code: "image-fetch" }),
    new ImageDecodeError("busy", { code: "image-fetch", status: 503, retryAfterMs: 1 }),
    new Error("Input/output error (os error 5)"),
  ];
  let tries = 0;
  const read = () => {
    const failure = failures[tries++];
    return failure === undefined ? Promise.resolve(new Uint8Array(3)) : Promise.reject(failure);
  };
  const options: ReadAheadOptions = { signal, read, pausesMs: [0, 0, 0] };
  const [one] = await Array.fromAsync(readAhead(entriesOf(1), options));
  assertEquals([one!.image().length, tries], [3, 4]);
  tries = -10;
  failures.length = 0;
  const always = () => {
    tries++;
    return Promise.reject(new ImageDecodeError("no answer", { code: "image-fetch" }));
  };
  const [none] = await Array.fromAsync(readAhead(entriesOf(1), { ...options, read: always }));
  assertEquals(tries, -6);
  assertThrows(() => none!.image(), ImageDecodeError, "no answer");
});

Deno.test("what a picture is to blame for is not tried again, and others go on", async () => {
  let tries = 0;
  const read = (place: string) => {
    if (place !== "/pictures/1") return Promise.resolve(new Uint8Array(1));
    tries++;
    return Promise.reject(new Deno.errors.NotFound("No such file"));
  };
  const found = await Array.fromAsync(readAhead(entriesOf(3), { signal, read, pausesMs: [0] }));
  assertEquals([found.length, tries], [3, 1]);
  assertThrows(() => found[1]!.image(), Deno.errors.NotFound);
  assertEquals(found[2]!.image().length, 1);
});

Deno.test("an abort ends it, also between two attempts", async () => {
  const stop = new AbortController();
  const read = () => {
    stop.abort(new Error("stopped"));
    return Promise.reject(new ImageDecodeError("no answer", { code: "image-fetch" }));
  };
  const pictures = readAhead(entriesOf(1), { signal: stop.signal, read, pausesMs: [1e9] });
  await assertRejects(() => pictures.next(), Error, "stopped");
});

Deno.test("what is told of a picture, and what may pass", () => {
  const passing = [
    new ImageDecodeError("x", { code: "image-fetch", status: 429 }),
    new ImageDecodeError("x", { code: "image-fetch", status: 500 }),
    new Error("Stale file handle (os error 116)"),
    new Error("Too many open files (os error 24)"),
    new Deno.errors.TimedOut("x"),
    new TypeError("error reading a body from connection"),
  ];
  const lasting = [
    new ImageDecodeError("x", { code: "image-fetch", status: 404 }),
    new ImageDecodeError("x"),
    new Deno.errors.NotFound("No such file or directory (os error 2)"),
    new Deno.errors.PermissionDenied("Permission denied (os error 13)"),
    new Error("File name too long (os error 36)"),
    new TypeError("Expected an image"),
    "a text",
  ];
  assertEquals(passing.map(mayPass), passing.map(() => true));
  assertEquals(lasting.map(mayPass), lasting.map(() => false));
});

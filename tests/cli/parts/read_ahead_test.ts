import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { delay } from "@std/async/delay";
import { ImageDecodeError } from "../../../lib/errors.ts";
import { mayPass, readAhead, type ReadAheadOptions } from "../../../lib/cli/parts/read_ahead.ts";

const entriesOf = (count: number) =>
  Array.from({ length: count }, (_, n) => ({ id: `${n}`, place: `/pictures/${n}` }));

const { signal } = new AbortController();

/** An error as the runtime throws it where it has no class for it. */
function systemError(code: string): Error {
  return Object.assign(new Error("Something failed (os error 0)"), { code });
}

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
  const sizeOf = () => Promise.resolve(1);
  const pictures = readAhead(entries, { signal, read: reads.read, sizeOf });
  const first = pictures.next();
  await delay(0);
  assertEquals(reads.begun, entries.slice(0, 32).map(({ place }) => place));
  // Whichever is there first.
  for (const { place } of entries.slice(0, 32).reverse()) reads.end(place);
  const found = (await first).value!;
  assertEquals([found.name, [...found.image()]], ["0", [0]]);
  const second = (await pictures.next()).value!;
  assertEquals([second.name, [...second.image()]], ["1", [1]]);
  // In the place of each that is given another begins.
  await delay(0);
  assertEquals(reads.begun.length, 33);
  await pictures.return();
});

Deno.test("of large files no more are under way than may be held, of which the first may be larger", async () => {
  const MiB = 2 ** 20, underWay = new Set<string>(), sizes = new Map<string, number>();
  let most = 0;
  const sizeOf = (place: string) => Promise.resolve(sizes.get(place));
  const read = async (place: string) => {
    underWay.add(place);
    const held = [...underWay].reduce((sum, one) => sum + sizes.get(one)!, 0);
    most = Math.max(most, held);
    await delay(0);
    return new Uint8Array(sizes.get(place)!);
  };
  const all = async (entries: ReturnType<typeof entriesOf>, options: object) => {
    for await (const { image } of readAhead(entries, { signal, read, ...options })) {
      const { length } = image();
      for (const [place, size] of sizes) if (size === length) underWay.delete(place);
    }
  };
  const entries = entriesOf(12);
  for (const [n, { place }] of entries.entries()) {
    sizes.set(place, (n % 3 === 0 ? 40 : 20) * MiB + n);
  }
  await all(entries, { sizeOf });
  // Those that fit into 64, whose turn it is beside them, and the one that was just taken; of 320 in all.
  assert(most <= (64 + 40 + 40) * MiB + 100, `${most / MiB} MiB`);
  most = 0;
  underWay.clear();
  // Where nobody tells a size it is that of the largest so far.
  await all(entries, { sizeOf: () => Promise.resolve(undefined) });
  assert(most > 144 * MiB + 100, "the first ones are not known to be large");
  underWay.clear();
  most = 0;
  const larger = { id: "larger", place: "/pictures/larger" };
  sizes.set(larger.place, 100 * MiB);
  await all([...entries, larger], { sizeOf });
  assert(most <= (64 + 100 + 40) * MiB + 100, `${most / MiB} MiB`);
});

Deno.test("what may pass is tried again, and what a server asks for is waited for", async () => {
  const failures = [
    new ImageDecodeError("no answer", { code: "image-fetch" }),
    new ImageDecodeError("busy", { code: "image-fetch", status: 503, retryAfterMs: 1 }),
    systemError("EIO"),
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

Deno.test("a server that never answers is told, and keeps the others waiting no longer than that", async () => {
  const held = Promise.withResolvers<void>();
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    async ({ url }) => {
      if (url.endsWith("/0")) await held.promise;
      return new Response("a picture");
    },
  );
  const entries = [0, 1].map((n) => ({
    id: `${n}`,
    place: `http://127.0.0.1:${server.addr.port}/${n}`,
  }));
  const [never, other] = await Array.fromAsync(
    readAhead(entries, { signal, pausesMs: [], readMs: 50 }),
  );
  held.resolve();
  const error = assertThrows(
    () => never!.image(),
    ImageDecodeError,
    "/0: it did not come within 0.05 s",
  );
  assertEquals([error.retryable, error.code], [true, "image-fetch"]);
  assertEquals(other!.image().length, "a picture".length);
});

Deno.test(
  "a pipe is no file, and is not waited for",
  { ignore: Deno.build.os === "windows" },
  async () => {
    const folder = await Deno.makeTempDir(), place = `${folder}/pipe.png`;
    try {
      const { success } = await new Deno.Command("mkfifo", { args: [place] }).output();
      assertEquals(success, true);
      const [pipe] = await Array.fromAsync(readAhead([{ id: "pipe", place }], { signal }));
      assertThrows(() => pipe!.image(), RangeError, "It is no file");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

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
    ...["EIO", "ESTALE", "EMFILE"].map(systemError),
    new RangeError("Array buffer allocation failed"),
    new Deno.errors.TimedOut("x"),
    new TypeError("error reading a body from connection"),
  ];
  const lasting = [
    new ImageDecodeError("x", { code: "image-fetch", status: 404 }),
    new ImageDecodeError("x"),
    new Deno.errors.NotFound("No such file or directory (os error 2)"),
    new Deno.errors.PermissionDenied("Permission denied (os error 13)"),
    systemError("ENAMETOOLONG"),
    new Error("Not a directory (os error 20): readfile 'notdir/a (os error 5).jpg'"),
    new RangeError("Invalid array length"),
    new TypeError("Expected an image"),
    "a text",
  ];
  assertEquals(passing.map(mayPass), passing.map(() => true));
  assertEquals(lasting.map(mayPass), lasting.map(() => false));
});

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Worker } from "node:worker_threads";
import { classifierOn } from "../../lib/classifier.ts";
import type { Classifier, ImageClassifier } from "../../lib/classifier.ts";
import { classifierFrom } from "../../lib/compose/classifier_from.ts";
import { fuse } from "../../lib/compose/fuse.ts";
import {
  BackendUnavailableError,
  DisposedError,
  type ErrorCode,
  isVggError,
} from "../../lib/errors.ts";
import type { ImageOptions, LazyImage, Pixels } from "../../lib/image/image.ts";
import { MAX_IMAGES } from "../../lib/input/batches.ts";
import type { ImageError, ManyOptions } from "../../lib/input/image_error.ts";
import type { Images, NamedImage } from "../../lib/input/prepared_image.ts";
import { encodePng } from "../../lib/image/codecs/encode_png.ts";
import { floatEngine } from "../support/float_engine.ts";
import { smallVgg } from "../support/small_vgg.ts";

const PHOTOS = new URL("../data/photos/", import.meta.url);
const CAT = new URL("cat.png", PHOTOS), BOATS = new URL("boats.jpg", PHOTOS).pathname;
const { model, weights } = await smallVgg();
const make = (): Classifier => classifierOn(model, floatEngine(model, weights));
const classifier = make();
const other = { ...model, preprocessing: { ...model.preprocessing, filter: "bicubic" as const } };
const foreign = await classifierOn(other, floatEngine(other, weights)).prepare(CAT);

/** A picture of one color, of which all have another. */
function plain(n: number): Pixels {
  return { data: new Uint8Array(32 * 32 * 3).fill(n * 7), width: 32, height: 32 };
}

const catBytes = await Deno.readFile(CAT);
const damaged = new File([catBytes.subarray(0, 5000)], "half.png");
const huge = await encodePng({ data: new Uint8Array(300 * 300 * 3), width: 300, height: 300 });
const LIMITS = { maxPixels: 60_000 };
const small = await encodePng(plain(3));

async function readBefore(): Promise<Response> {
  const response = new Response(small);
  await response.bytes();
  return response;
}

/** Each way in which one picture fails, and what is said of it. */
const BAD: Readonly<
  Record<string, readonly [image: () => unknown, class_: string, code?: string, name?: string]>
> = {
  "a damaged file": [() => damaged, "ImageDecodeError", "image-damaged", "half.png"],
  "what is no picture": [
    () => new TextEncoder().encode("text"),
    "ImageDecodeError",
    "image-format",
  ],
  "too many pixels": [() => huge, "ImageTooLargeError", "image-pixels"],
  "no such file": [() => "no/such.png", "NotFound", "image-not-found", "no/such.png"],
  "a folder": [() => "tests", "IsADirectory", "image-not-found", "tests"],
  "a malformed URL": [() => "http://[bad", "TypeError", "image-fetch", "http://[bad"],
  "another scheme": [() => "s3://bucket/a.png", "TypeError", "image-fetch", "s3://bucket/a.png"],
  "another scheme with a secret": [
    () => "s3://u:p w@bucket/a.png?key=x",
    "TypeError",
    "image-fetch",
    "s3://bucket/a.png",
  ],
  "a URL with a secret": [
    () => "http://u:p@127.0.0.1:1/a.png?key=x",
    "ImageDecodeError",
    "image-fetch",
    "http://127.0.0.1:1/a.png",
  ],
  "a response that was read": [() => readBefore, "TypeError"],
  "a status": [() => new Response("", { status: 503 }), "ImageDecodeError", "image-fetch"],
  "a number": [() => 5, "TypeError"],
  "nothing": [() => null, "TypeError"],
  "pixels that do not fit": [() => ({ ...plain(1), width: 31 }), "RangeError"],
  "what an opener throws": [() => () => Promise.reject(new SyntaxError("x")), "SyntaxError"],
  "a timeout of its own": [
    () => () => Promise.reject(new DOMException("late", "TimeoutError")),
    "TimeoutError",
  ],
  "what is no error": [() => () => Promise.reject("gone"), "Error"],
  "an error that nobody can change": [
    () => () => Promise.reject(Object.freeze(new RangeError("x", { cause: 1 }))),
    "RangeError",
  ],
  "another model's": [() => foreign, "RangeError"],
  "a named one": [
    () => ({ name: "key 7", image: () => damaged }),
    "ImageDecodeError",
    "image-damaged",
    "key 7",
  ],
};

function listWith(image: unknown): LazyImage[] {
  return [small, plain(1), image as LazyImage, plain(2)];
}

for (const [what, [bad, class_, code, name]] of Object.entries(BAD)) {
  const check = (found: unknown): void => {
    const error = found as ImageError; // Which is what is checked.
    const { index, image, message, cause } = error;
    assertEquals([error.name, index, image], [class_, 2, name], `${error.stack}`);
    assert(error instanceof Error && Error.isError(error));
    assertEquals(isVggError(error) ? error.code : undefined, code as ErrorCode);
    const original = cause instanceof Error ? cause.message : String(cause);
    assertEquals(message, `image 2${name === undefined ? "" : ` (${name})`}: ${original}`);
    if (cause instanceof Error) assertEquals(error.constructor, cause.constructor);
  };

  Deno.test(`one of many images is ${what}: its error says which it is, and the others go on`, async () => {
    const limits = what === "another model's" ? {} : LIMITS;
    const calls: ((images: LazyImage[], options: ImageOptions & ManyOptions) => unknown)[] = [
      (images, options) => classifier.classify(images, options),
      (images, options) => classifier.scores(images, options),
      (images, options) => classifier.embed(images, options),
    ];
    for (const call of calls) {
      check(await assertRejects(async () => await call(listWith(bad()), limits)));
      const found = await call(listWith(bad()), { ...limits, onError: "return" }) as unknown[];
      check(found[2]);
      const good = [small, plain(1), plain(2)];
      assertEquals(found.toSpliced(2, 1), await call(good, limits));
    }
    const items = await Array.fromAsync(classifier.stream(listWith(bad()), limits));
    assertEquals(items.map(({ index }) => index), [0, 1, 2, 3]);
    assertEquals(items.map(({ predictions }) => predictions !== undefined), [
      ...[true, true, false, true],
    ]);
    check(items[2]!.error);
    assertEquals(items[2]!.name, name);
    const embedded = await Array.fromAsync(classifier.embedStream(listWith(bad()), limits));
    assertEquals(embedded[3]!.embedding, await classifier.embed(plain(2)));
    check(embedded[2]!.error);
  });
}

Deno.test("items have their positions and names, in order", async () => {
  const response = await fetch(`data:image/png;base64,${small.toBase64()}`);
  const images = [
    ...[BOATS, CAT, new File([catBytes], "my cat.png"), catBytes, plain(1), response],
    ...[{ name: "seven", image: plain(2) }, () => CAT, await classifier.prepare(CAT)],
  ];
  const items = await Array.fromAsync(classifier.stream(images));
  assertEquals(items.map(({ name }) => name), [
    ...[BOATS, CAT.href, "my cat.png", undefined, undefined, "data:image/png,…", "seven"],
    ...[CAT.href, undefined],
  ]);
  const rows = await classifier.classify(images.toSpliced(5, 1, small));
  assertEquals(items.map(({ predictions }) => predictions), rows);
});

Deno.test("an error that is thrown for several images says of each which it is", async () => {
  const shared = Object.freeze(new RangeError("shared"));
  const images = [plain(0), () => Promise.reject(shared), () => Promise.reject(shared)];
  const [, one, two] = await classifier.scores(images, { onError: "return" });
  assertEquals([one, two].map((error) => error instanceof Error && error.message), [
    "image 1: shared",
    "image 2: shared",
  ]);
  assertEquals([shared.message, (two as ImageError).cause], ["shared", shared]);
});

Deno.test("what is wrong with no image is thrown, whatever onError says", async () => {
  const onError = "return", images = [plain(1), plain(2)];
  const prepared = await classifier.prepare(CAT);
  const wrong: [() => Promise<unknown>, string][] = [
    [() => classifier.classify(images, { onError, topK: 0 }), "topK must be"],
    [() => classifier.classify(images, { onError, scales: [5] }), "scales must be"],
    [() => classifier.classify(images, { onError, allow: ["nothing"] }), '"nothing"'],
    // @ts-expect-error There is no third way.
    [() => classifier.classify(images, { onError: "skip" }), "onError must be"],
    // @ts-expect-error One image has no place for an error.
    [() => classifier.classify(plain(1), { onError }), "is for many images"],
    // @ts-expect-error It was looked at already.
    [() => classifier.scores([CAT, prepared], { onError, crops: "ten" }), "image 1: crops does"],
  ];
  for (const [call, message] of wrong) await assertRejects(call, Error, message);
  assertThrows(() => classifier.stream(images, { topK: 0 }), RangeError, "topK must be");
  for (const one of ["cat.png", small, new Response(small), new Blob([small]).stream(), null]) {
    // @ts-expect-error Some of them are no lists to the compiler, either.
    assertThrows(() => classifier.stream(one), TypeError, "Expected many images");
  }
  const reason = new Error("mine");
  const aborted = { onError, signal: AbortSignal.abort(reason) } as const;
  assertEquals(await assertRejects(() => classifier.scores(images, aborted)), reason);
  const lost = new BackendUnavailableError("backend-lost", "webgpu", "gone");
  const engine = floatEngine(model, weights);
  const losing = classifierOn(model, { ...engine, run: () => Promise.reject(lost) });
  assertEquals(await assertRejects(() => losing.scores(images, { onError })), lost);
  assertEquals(await assertRejects(() => Array.fromAsync(losing.stream(images))), lost);
  const closed = make();
  await closed.close();
  await assertRejects(() => closed.scores(images, { onError }), DisposedError);
  await assertRejects(() => Array.fromAsync(closed.stream(images)), DisposedError);
});

Deno.test("an image that is too large for the device is that image's error", async () => {
  const engine = floatEngine(model, weights);
  const limited = classifierOn(model, {
    ...engine,
    run: (batch, options) =>
      batch.width > 64
        ? Promise.reject(new BackendUnavailableError("backend-capacity", "webgpu", "too large"))
        : engine.run(batch, options),
  });
  const wide = { data: new Uint8Array(320 * 32 * 3), width: 320, height: 32 };
  const options = { crops: "dense", scales: [32], onError: "return" } as const;
  const [first, error, last] = await limited.scores([plain(1), wide, plain(2)], options);
  assert(error instanceof Error && isVggError(error, "backend-capacity"));
  assertEquals([first, last], await limited.scores([plain(1), plain(2)]));
});

Deno.test("an image whose decoding thread dies can be given again, and the others go on", async () => {
  const { postMessage } = Worker.prototype;
  let asked = 0;
  Worker.prototype.postMessage = function (...given) {
    if (++asked === 2) this.terminate();
    else postMessage.apply(this, given);
  };
  try {
    const images = [small, small, small];
    const options = { background: true, onError: "return" } as const;
    const [first, error, last] = await classifier.scores(images, options);
    assert(error instanceof Error && error.message.startsWith("image 1: "));
    assert(isVggError(error, "backend-lost") && error.retryable);
    assertEquals([first, last], [await classifier.scores(small), first]);
  } finally {
    Worker.prototype.postMessage = postMessage;
  }
});

Deno.test("scores that are not finite are the error of their image", async () => {
  const odd = classifierFrom({
    labels: ["a", "b"],
    scores: (images) => images.map(({ data }) => data[0] === 7 ? [NaN, 1] : [0, 1]),
  });
  for (const one of [odd, fuse([odd, odd])]) {
    const [a, b, c] = await one.scores([plain(0), plain(1), plain(2)], { onError: "return" });
    const message = isVggError(b, "scores-not-finite") && b.message.slice(0, 9);
    assertEquals([message, a, c], [
      "image 1: ",
      ...Array(2).fill(Float64Array.of(0, 1)),
    ]);
    const items = await Array.fromAsync(one.stream([plain(0), plain(1), plain(2)]));
    assertEquals(items.map(({ error }) => error?.index), [undefined, 1, undefined]);
  }
});

/** Pictures one after the other, which count how many were taken and whether somebody ended them. */
class Source {
  taken = 0;
  ends = 0;
  readonly ended = Promise.withResolvers<void>();

  constructor(
    private readonly count: number,
    private readonly at: (n: number) => unknown = plain,
  ) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<LazyImage> {
    try {
      while (this.taken < this.count) {
        await Promise.resolve();
        yield this.at(this.taken++) as LazyImage;
      }
    } finally {
      await Promise.resolve();
      this.ends++;
      this.ended.resolve();
    }
  }
}

const composed = classifierFrom({
  labels: ["a", "b"],
  scores: async (images) => {
    await Promise.resolve();
    return images.map(() => [1, 0]);
  },
});
/** What has a `stream()`. */
const KINDS: Readonly<Record<string, ImageClassifier<string>>> = {
  "a classifier": classifier,
  "a function": composed,
  "several": fuse([classifier, make()]),
};

for (const [kind, streaming] of Object.entries(KINDS)) {
  Deno.test(`a stream of ${kind} never takes more than a bounded number ahead`, async () => {
    const source = new Source(300);
    let given = 0, most = 0;
    for await (const { index } of streaming.stream(source)) {
      assertEquals(index, given++);
      // Whatever it may do while nobody asks, it does now.
      if (given % 40 === 1) await new Promise((resolve) => setTimeout(resolve, 20));
      most = Math.max(most, source.taken - given);
    }
    assertEquals([given, source.taken, source.ends], [300, 300, 1]);
    assert(most <= 2 * MAX_IMAGES, `${most} ahead`);
  });

  Deno.test(`a stream of ${kind} that is left ends its source before the loop is left`, async () => {
    const source = new Source(Infinity);
    for await (const { index } of streaming.stream(source)) {
      if (index === 5) break;
    }
    assertEquals(source.ends, 1);
    const { taken } = source;
    await new Promise((resolve) => setTimeout(resolve, 20));
    assertEquals(source.taken, taken);
    await assertRejects(
      async () => {
        const another = new Source(Infinity);
        for await (const _ of streaming.stream(another)) throw new Error("mine");
      },
      Error,
      "mine",
    );
  });

  Deno.test(`an error of the source of ${kind} comes after the items before it`, async () => {
    const failing = new Source(100, (n) => {
      if (n === 50) throw new Error("the store is away");
      return plain(n);
    });
    const given: number[] = [];
    await assertRejects(
      async () => {
        for await (const { index } of streaming.stream(failing)) given.push(index);
      },
      Error,
      "the store is away",
    );
    assertEquals(given, Array.from({ length: 50 }, (_, n) => n));
  });

  Deno.test(`an abort in the middle ends a stream of ${kind} with its reason, and its source`, async () => {
    const abort = new AbortController(), reason = new Error("mine"), source = new Source(Infinity);
    let given = 0;
    const thrown = await assertRejects(async () => {
      for await (const { index } of streaming.stream(source, { signal: abort.signal })) {
        given = index;
        if (index === 40) abort.abort(reason);
      }
    });
    assertEquals([thrown, given], [reason, 40]);
    await source.ended.promise;
    // While it waits for a source that says nothing.
    const silent = new AbortController();
    const waiting = streaming.stream(neverAgain(), { signal: silent.signal });
    await waiting.next();
    const next = waiting.next();
    silent.abort(reason);
    assertEquals(await assertRejects(() => next), reason);
    assertEquals(await waiting.next(), { done: true, value: undefined });
  });
}

/** One picture, and then nothing, not even an end. */
async function* neverAgain(): AsyncGenerator<LazyImage> {
  yield plain(1);
  await new Promise(() => {});
}

Deno.test("a source that gives no items is refused as a loop refuses it, and goes on for ever in no call", async () => {
  const broken = { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve(7) }) };
  const images = broken as unknown as AsyncIterable<Pixels>; // As a caller without types may give it.
  for (const onError of ["throw", "return"] as const) {
    await assertRejects(
      () => classifier.classify(images, { onError }),
      TypeError,
      "Iterator result 7 is not an object",
    );
  }
});

Deno.test("a stream that waits for a silent source can be left", async () => {
  const waiting = classifier.stream(neverAgain());
  assertEquals((await waiting.next()).value?.index, 0);
  const next = waiting.next();
  assertEquals(await waiting.return(), { done: true, value: undefined });
  assertEquals(await next, { done: true, value: undefined });
  // As a response's body that is streamed, whose reader goes away.
  const reader = ReadableStream.from(classifier.stream(neverAgain())).getReader();
  await reader.read();
  const reading = reader.read();
  await reader.cancel();
  assertEquals((await reading).done, true);
});

Deno.test("closing a classifier ends its streams, and waits for none that nobody reads", async () => {
  const one = classifierFrom({ labels: ["a"], scores: (images) => images.map(() => [1]) });
  for (const own of <ImageClassifier[]> [make(), one]) {
    const source = new Source(Infinity);
    const read = own.stream(source), forgotten = own.stream(new Source(Infinity));
    const silent = own.stream(neverAgain());
    for (const stream of [read, forgotten, silent]) await stream.next();
    const waiting = silent.next();
    waiting.catch(() => {});
    const closing = own.close();
    await assertRejects(() => waiting, DisposedError);
    await closing;
    // What was computed is still given.
    let more = 0;
    await assertRejects(async () => {
      for await (const _ of read) more++;
    }, DisposedError);
    assert(more <= MAX_IMAGES, `${more} items`);
    await source.ended.promise;
    await forgotten.return();
  }
});

Deno.test("closing within the loop ends the stream, too", async () => {
  const own = make();
  await assertRejects(async () => {
    for await (const _ of own.stream(new Source(Infinity))) await own.close();
  }, DisposedError);
});

Deno.test("connections of pictures that nobody reads any more are let go of", async () => {
  let open = 0;
  const begun = Promise.withResolvers<void>();
  const response = (isWhole: boolean) => (): Response => {
    open++;
    const start = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
      controller.enqueue(isWhole ? small : small.subarray(0, 50));
      if (isWhole) controller.close();
      if (isWhole) open--;
      else begun.resolve();
    };
    return new Response(new ReadableStream({ start, cancel: () => void open-- }));
  };
  // The second one never comes to its end.
  const stream = classifier.stream([response(true), response(false), response(true)]);
  assertEquals((await stream.next()).value?.error, undefined);
  await begun.promise;
  await stream.return();
  assertEquals(open, 0);
  // One that comes when the stream has ended, with a name or without.
  for (
    const given of [(image: Response) => image, (image: Response) => ({ name: "late", image })]
  ) {
    const asked = Promise.withResolvers<void>(), canceled = Promise.withResolvers<void>();
    const late = Promise.withResolvers<{ value: LazyImage | NamedImage }>();
    const next = (): Promise<{ value: LazyImage | NamedImage }> => {
      asked.resolve();
      return late.promise;
    };
    const waiting = classifier.stream({ [Symbol.asyncIterator]: () => ({ next }) });
    const item = waiting.next();
    await asked.promise;
    await waiting.return();
    assertEquals((await item).done, true);
    const body = new ReadableStream({ cancel: () => canceled.resolve() });
    late.resolve({ value: given(new Response(body)) });
    await canceled.promise;
  }
});

Deno.test("an abort waits for no promise of an iterator, and for no pipe that nobody writes to", async () => {
  const folder = await Deno.makeTempDir(), pipe = `${folder}/pipe`;
  await new Deno.Command("mkfifo", { args: [pipe] }).output();
  const silent = new Promise<never>(() => {});
  const next = () => Promise.resolve({ done: false, value: silent });
  const promises = { [Symbol.asyncIterator]: () => ({ next }) } as unknown as Images; // No such type.
  const opened = Promise.withResolvers<void>();
  const piped = [() => {
    opened.resolve();
    return pipe;
  }];
  try {
    for (const images of [piped, promises]) {
      const stopping = new AbortController(), { signal } = stopping;
      const call = classifier.scores(images, { signal });
      if (images === piped) await opened.promise;
      setTimeout(() => stopping.abort(new Error("enough")), 5);
      await assertRejects(() => call, Error, "enough");
    }
  } finally {
    // Who waits for the pipe's other end has it now; nobody waits where both are opened.
    (await Deno.open(pipe, { read: true, write: true })).close();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("nobody waits for an answer that comes too late, and it is let go of", async () => {
  for (const end of ["an abort", "return()"]) {
    const asked = Promise.withResolvers<void>(), canceled = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<Response>();
    const fetch = (): Promise<Response> => { // It knows nothing of signals.
      asked.resolve();
      return answer.promise;
    };
    const stopping = new AbortController(), { signal } = stopping;
    const stream = classifier.stream(["http://127.0.0.1:1/a.png"], { fetch, signal });
    const item = stream.next();
    await asked.promise;
    if (end === "an abort") {
      stopping.abort(new Error("enough"));
      await assertRejects(() => item, Error, "enough");
    } else {
      await stream.return();
      assertEquals((await item).done, true);
    }
    answer.resolve(new Response(new ReadableStream({ cancel: () => canceled.resolve() })));
    await canceled.promise;
  }
});

Deno.test("the first result does not wait for others, and a slow source keeps nobody waiting", async () => {
  const gate = Promise.withResolvers<void>();
  async function* camera(): AsyncGenerator<LazyImage> {
    for (let n = 0; n < 3; n++) yield plain(n);
    await gate.promise;
    yield plain(3);
  }
  const given: number[] = [];
  for await (const { index } of classifier.stream(camera())) {
    given.push(index);
    if (index === 2) gate.resolve();
  }
  assertEquals(given, [0, 1, 2, 3]);
});

Deno.test("many streams of one classifier each give their own, in order", async () => {
  const rows = await classifier.classify(Array.from({ length: 40 }, (_, n) => plain(n)));
  const streams = Array.from({ length: 20 }, async (_, s) => {
    const items = await Array.fromAsync(classifier.stream(
      Array.from({ length: 20 }, (_, n) => (n + s) % 7 === 3 ? damaged : plain(n + s)),
    ));
    for (const { index, predictions, error } of items) {
      if ((index + s) % 7 === 3) assertEquals(error?.index, index);
      else assertEquals(predictions, rows[index + s]);
    }
    return items.length;
  });
  assertEquals(await Promise.all(streams), Array(20).fill(20));
});

Deno.test("a source may give one array again and again, with other pictures in it", async () => {
  const bytes = await Promise.all(Array.from({ length: 50 }, (_, n) => encodePng(plain(n))));
  const shared = new Uint8Array(Math.max(...bytes.map(({ length }) => length)));
  function* camera(): Generator<Uint8Array> {
    for (const file of bytes) {
      shared.set(file);
      yield shared.subarray(0, file.length);
    }
  }
  const items = await Array.fromAsync(classifier.stream(camera(), { background: true }));
  const rows = await classifier.classify(bytes);
  assertEquals(items.map(({ predictions }) => predictions), rows);
  await assertRejects(
    () =>
      classifier.stream(camera(), {
        onProgress: () => {
          throw new Error("mine");
        },
      }).next(),
    Error,
    "mine",
  );
});

Deno.test("progress tells how many items were given, of how many where that is known", async () => {
  for (
    const [source, total] of [[[plain(1), damaged, plain(2)], 3], [
      new Source(3),
      undefined,
    ]] as const
  ) {
    const told: unknown[] = [];
    for await (
      const { index } of classifier.stream(source, {
        onProgress: ({ stage, done, total, unit }) => told.push([stage, done, total, unit]),
      })
    ) {
      assertEquals(told.length, index + 2);
    }
    const steps = [0, 1, 2, 3].map((done) => ["classify", done, total, "images"]);
    const end = total === undefined ? [["classify", 3, 3, "images"]] : [];
    assertEquals(told, [...steps, ...end]);
  }
  const mine = new Error("mine"), source = new Source(Infinity);
  const thrown = await assertRejects(async () => {
    const onProgress = ({ done }: { done: number }): void => {
      if (done === 3) throw mine;
    };
    for await (const _ of classifier.stream(source, { onProgress }));
  });
  assertEquals([thrown, source.ends], [mine, 1]);
});

Deno.test("named images of a list are called so in errors", async () => {
  const images: NamedImage[] = [{ name: "a", image: plain(1) }, { name: "b", image: damaged }];
  await assertRejects(() => classifier.explain(images), Error, "image 1 (b): ");
  await assertRejects(() => classifier.scores(images), Error, "image 1 (b): ");
});

Deno.test("an empty stream is over at once", async () => {
  assertEquals(await Array.fromAsync(classifier.stream([])), []);
  assertEquals(await classifier.classify([], { onError: "return" }), []);
});

Deno.test("a source that has given nothing yet is told that nobody waits for it any more", async () => {
  const abort = new AbortController(), reason = new Error("enough");
  const asked: string[] = [], told = Promise.withResolvers<void>();
  const source: AsyncIterable<Pixels> = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        asked.push("next");
        abort.abort(reason);
        return new Promise(() => {});
      },
      return: () => {
        asked.push("return");
        told.resolve();
        return Promise.resolve({ done: true, value: undefined });
      },
    }),
  };
  const reading = async (): Promise<void> => {
    for await (const _ of classifier.stream(source, { signal: abort.signal }));
  };
  assertEquals(await assertRejects(reading), reason);
  await told.promise;
  assertEquals(asked, ["next", "return"]);
});

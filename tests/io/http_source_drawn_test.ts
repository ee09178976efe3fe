/**
 * A file behind a server that cuts, refuses, ignores ranges and changes its mind, against the same file in memory.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { WeightsDownloadError } from "../../lib/errors.ts";
import { HttpSource, VersionChangedError } from "../../lib/io/http_source.ts";
import { type Draw, drawnTest } from "../support/drawn.ts";
import { notedPauses } from "../support/noted_pauses.ts";

const FILE = new URL("https://host.example/file");

/** What a server is like. */
interface Manner {
  readonly etags: boolean;
  readonly saysSize: boolean;
  readonly hasRanges: boolean;
  /** Answers in a row that bring nothing, at most. */
  readonly mostFailures: number;
}

/** Serves the versions of a file, each from a certain answer on. */
class DrawnServer {
  /** Versions of which bytes were sent. */
  readonly sent = new Set<number>();
  version = 0;
  #failures = 0;

  constructor(
    private readonly draw: Draw,
    private readonly versions: readonly Uint8Array<ArrayBuffer>[],
    private readonly manner: Manner,
  ) {}

  readonly fetch = (request: Request): Promise<Response> => {
    const { draw, manner } = this;
    if (this.version + 1 < this.versions.length && draw.isTrue(0.2)) this.version++;
    if (this.#failures < manner.mostFailures && draw.isTrue(0.4)) {
      this.#failures++;
      if (draw.isTrue()) return Promise.reject(new TypeError("the connection broke"));
      const status = draw.oneOf([429, 500, 502, 503, 504]);
      return Promise.resolve(new Response("busy", { status }));
    }
    return Promise.resolve(this.#answer(request));
  };

  #answer({ headers }: Request): Response {
    const { draw, manner, version } = this, file = this.versions[version]!;
    const etag = `"${version}"`, condition = headers.get("if-range");
    const asked = /^bytes=(\d+)-$/.exec(headers.get("range") ?? "")?.[1];
    const isPart = manner.hasRanges && asked !== undefined &&
      (condition === null || condition === etag);
    const begin = isPart ? Number(asked) : 0;
    const own: Record<string, string> = manner.etags ? { etag } : {};
    if (begin >= file.length && isPart) {
      return new Response(null, {
        status: 416,
        headers: { ...own, "content-range": `bytes */${file.length}` },
      });
    }
    if (isPart) own["content-range"] = `bytes ${begin}-${file.length - 1}/${file.length}`;
    else if (manner.saysSize) own["content-length"] = `${file.length}`;
    this.sent.add(version);
    // A part brings a new byte, wherever it is cut; a file from its start may be cut before what is wanted.
    const mayBeCut = isPart || this.#failures < manner.mostFailures;
    const isCut = mayBeCut && file.length - begin > 1 && draw.isTrue();
    this.#failures = isCut && !isPart ? this.#failures + 1 : 0;
    return new Response(this.#body(file.subarray(begin), isCut), {
      status: isPart ? 206 : 200,
      headers: own,
    });
  }

  /** In pieces; an end that is too early comes with an error, or without one where the size is known. */
  #body(
    bytes: Uint8Array<ArrayBuffer>,
    isCut: boolean,
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    const { draw, manner } = this;
    const end = isCut ? draw.integer(1, bytes.length - 1) : bytes.length;
    const isSilent = manner.saysSize && draw.isTrue();
    let at = 0;
    return new ReadableStream({
      pull(controller) {
        if (at < end) {
          const next = Math.min(end, at + draw.integer(1, 40));
          controller.enqueue(bytes.slice(at, next));
          at = next;
        } else if (isCut && !isSilent) controller.error(new TypeError("the connection broke"));
        else controller.close();
      },
    }, { highWaterMark: 0 });
  }
}

/** Reads drawn ranges, or all in one; each byte with its place. */
async function readDrawn(
  draw: Draw,
  source: HttpSource,
  length: number,
): Promise<Map<number, number>> {
  const found = new Map<number, number>();
  if (draw.isTrue()) {
    let at = draw.integer(0, length);
    for await (const part of source.stream(at)) part.forEach((byte) => found.set(at++, byte));
    assertEquals(at, length);
    return found;
  }
  for (let reads = draw.integer(1, 5); reads > 0; reads--) {
    const offset = draw.integer(0, length - 1);
    const into = new Uint8Array(draw.integer(1, length - offset));
    await source.read(offset, into);
    into.forEach((byte, i) => found.set(offset + i, byte));
  }
  return found;
}

drawnTest(
  "a file is read as it is, however often its server cuts and refuses",
  { runs: 60 },
  async (draw) => {
    using _pauses = notedPauses();
    const file = draw.bytes(draw.integer(1, 300));
    const server = new DrawnServer(draw, [file], {
      etags: draw.isTrue(),
      saysSize: true,
      hasRanges: draw.isTrue(0.8),
      mostFailures: 3,
    });
    const source = await HttpSource.open(FILE, {
      fetch: (request) => server.fetch(request as Request),
    });
    try {
      const found = await readDrawn(draw, source, file.length);
      for (const [place, byte] of found) assertEquals(byte, file[place], `at ${place}`);
    } finally {
      source.close();
    }
  },
);

drawnTest(
  "of a file that changes on its server no two versions are mixed",
  { runs: 60 },
  async (draw) => {
    using _pauses = notedPauses();
    // Versions of one length, of which no two have a byte in common.
    const first = Uint8Array.from(draw.bytes(draw.integer(2, 300)), (byte) => byte % 64);
    const versions = [0, 64, 128].map((more) => first.map((byte) => byte + more));
    const server = new DrawnServer(draw, versions, {
      etags: true,
      saysSize: draw.isTrue(),
      hasRanges: draw.isTrue(),
      mostFailures: 2,
    });
    try {
      const source = await HttpSource.open(FILE, {
        fetch: (request) => server.fetch(request as Request),
      });
      try {
        const found = await readDrawn(draw, source, first.length);
        const of = new Set([...found.values()].map((byte) => byte >> 6));
        assert(of.size <= 1, `of versions ${[...of]}`);
        const [version = 0] = of;
        for (const [place, byte] of found) assertEquals(byte, versions[version]![place]);
      } finally {
        source.close();
      }
    } catch (error) {
      if (!(error instanceof WeightsDownloadError)) throw error;
      assert(error instanceof VersionChangedError, error.message);
      assert(server.sent.size > 1, "the file has not changed");
    }
  },
);

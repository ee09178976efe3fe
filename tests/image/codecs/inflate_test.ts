/** Inflation by the platform and by ourselves, against what was deflated. */

import { deflateSync } from "node:zlib";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { inflate, inflateWhole } from "../../../lib/image/codecs/inflate.ts";

/** Noise, a slow slope, long runs, and copies from far back. */
const SOURCES: Readonly<Record<string, (i: number, random: () => number) => number>> = {
  noise: (_, random) => random(),
  slope: (i) => i >> 5,
  runs: (i) => (i >> 12) * 37,
  distances: (i, random) => i % 29_000 < 100 ? i * i : random() % 3,
};

function dataOf(kind: string, length: number): Uint8Array {
  let state = length;
  const random = () => (state = Math.imul(state, 1664525) + 1013904223) >>> 24;
  return Uint8Array.from({ length }, (_, i) => SOURCES[kind](i, random));
}

async function collected(parts: Uint8Array[], length: number): Promise<Uint8Array> {
  const result = new Uint8Array(length);
  let at = 0;
  for await (const piece of inflate(parts, length)) {
    result.set(piece, at);
    at += piece.length;
  }
  assertEquals(at, length);
  return result;
}

for (const kind of Object.keys(SOURCES)) {
  Deno.test(`${kind}, stored or deflated in any way, comes back the same`, async () => {
    for (const length of [1, 300, 32_768, 32_769, 98_304, 300_000]) {
      const data = dataOf(kind, length);
      // Level 0 stores; strategy 4 has fixed codes; memLevel 1 has many blocks.
      for (
        const [level, strategy, memLevel] of [[0, 0, 8], [6, 0, 1], [9, 0, 9], [6, 4, 8], [1, 2, 4]]
      ) {
        const deflated = deflateSync(data, { level, strategy, memLevel });
        const what = `${length} bytes, level ${level}, strategy ${strategy}`;
        assertEquals(await inflateWhole(deflated, length), data, what);
        // The platform refuses what is added, and the rest is inflated here.
        const more = [deflated.subarray(0, 5), deflated.subarray(5), dataOf("noise", 9)];
        assertEquals(await collected(more, length), data, `${what}, with more after it`);
        assertEquals(
          await collected([deflated.subarray(0, -4)], length),
          data,
          `${what}, no checksum`,
        );
      }
    }
  });
}

Deno.test("less than is asked for is an error, and of more no more is given", async () => {
  for (const length of [1000, 100_000]) {
    const deflated = deflateSync(dataOf("slope", length));
    assertEquals((await inflateWhole(deflated, length - 1)).length, length - 1);
    await assertRejects(
      () => inflateWhole(deflated, length + 1),
      Error,
      `gives ${length} bytes instead`,
    );
    const cut = deflated.subarray(0, deflated.length >> 1);
    await assertRejects(
      () => inflateWhole(cut, length),
      Error,
      "its compressed data ",
    );
  }
  await assertRejects(
    () => inflateWhole(deflateSync(dataOf("slope", 9)), 1e6),
    Error,
    "cannot hold",
  );
});

Deno.test("damaged data gives an error or as many bytes as were asked for, small or large", async () => {
  for (const length of [2000, 60_000]) {
    const sound = deflateSync(dataOf("distances", length));
    let refused = 0;
    for (let k = 0; k < 300; k++) {
      const bytes = Uint8Array.from(sound);
      bytes[(k * 7919) % bytes.length] ^= 1 << k % 8;
      const result = await inflateWhole(bytes, length).catch((error) => {
        assert(/its compressed data (is corrupt after|gives)/.test(error.message), error.message);
        refused++;
      });
      if (result) assertEquals(result.length, length);
    }
    assert(refused > 30, `only ${refused} of 300 were refused`);
  }
});

Deno.test("data of many more blocks than bytes is refused", async () => {
  const empty = [0, 0, 0, 0xff, 0xff], last = [1, 1, 0, 0xfe, 0xff, 7];
  const data = (blocks: number) =>
    Uint8Array.from([0x78, 1, ...Array(blocks).fill(empty).flat(), ...last]);
  assertEquals(await inflateWhole(data(7), 1), Uint8Array.of(7));
  await assertRejects(() => inflateWhole(data(8), 1), Error, "is corrupt after 0 of 1 bytes");
});

Deno.test("a copy of what lies before the data's start is an error", async () => {
  const bytes = Uint8Array.of(0x78, 0x9c, 3, 2, 0); // with fixed codes, three bytes from one before
  await assertRejects(() => inflateWhole(bytes, 3), Error, "is corrupt after 0 of 3 bytes");
});

/** What decoders bound, which pixels they give, and how decoding ends. */

import type { ChosenMutant } from "../../tools/chosen_mutants.ts";

const ADDRESSES = {
  file: "lib/image/remote/addresses.ts",
  test: "tests/image/remote/addresses_test.ts",
};
const DECODE = { file: "lib/image/decode.ts", test: "tests/image/decode_test.ts" };
const BMP = { file: "lib/image/codecs/bmp.ts", test: "tests/image/codecs/bmp_test.ts" };
const LINE = { file: "lib/threads/pool.ts", test: "tests/threads/line_test.ts" };

/** Blocks of addresses that no stranger's URL may lead to. */
const BLOCKS = [
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"],
  ...["172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"],
  ...["198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"],
  ...["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"],
];

export const MUTANTS: readonly ChosenMutant[] = [
  ...BLOCKS.map((block) => ({
    ...ADDRESSES,
    name: `${block} counts as public`,
    before: `"${block}",`,
    after: "",
  })),
  {
    ...ADDRESSES,
    name: "addresses of IPv6 that are not given to hosts count as public",
    before: 'GLOBAL_V6.check(address, "ipv6") && ',
    after: "",
  },
  // An address with a zone needs no mutant: in Deno no block has one, so that the check changes nothing there.
  {
    file: "lib/image/remote/guarded_fetch.ts",
    name: "the address that is connected to is not the one that was checked",
    before: "lookup: checkedLookup(addresses),",
    after: "",
    test: "tests/image/remote/guarded_fetch_test.ts",
  },
  {
    file: "lib/image/remote/guarded_fetch.ts",
    name: "only a name's first address is checked",
    before: "addresses.find(({ address }) => !isAllowed(address))",
    after: "addresses.slice(0, 1).find(({ address }) => !isAllowed(address))",
    test: "tests/image/remote/guarded_fetch_test.ts",
  },
  {
    file: "lib/image/codecs/tiff_compression.ts",
    name: "16-bit differences are undone in one byte order",
    before: "view.getUint16(row + i - samples * 2, little)",
    after: "view.getUint16(row + i - samples * 2, true)",
    test: "tests/image/codecs/tiff_test.ts",
  },
  {
    file: "lib/image/codecs/tiff_compression.ts",
    name: "16-bit sums are written in one byte order",
    before: "left + view.getUint16(row + i, little), little);",
    after: "left + view.getUint16(row + i, little), true);",
    test: "tests/image/codecs/tiff_test.ts",
  },
  {
    ...BMP,
    name: "a run of two colors begins with the other",
    before: "put(nibbles ? (i & 1 ? value & 15 : value >> 4) : value);",
    after: "put(nibbles ? (i & 1 ? value >> 4 : value & 15) : value);",
  },
  {
    ...BMP,
    name: "a run of two colors has one",
    before: "put(nibbles ? (i & 1 ? value & 15 : value >> 4) : value);",
    after: "put(nibbles ? value >> 4 : value);",
  },
  {
    ...BMP,
    name: "colors one by one are exchanged in pairs",
    before: "put(nibbles ? (i & 1 ? byte & 15 : byte >> 4) : byte);",
    after: "put(nibbles ? (i & 1 ? byte >> 4 : byte & 15) : byte);",
  },
  {
    ...BMP,
    name: "colors one by one are not padded",
    before: "Math.ceil(value / 4) * 2",
    after: "Math.ceil(value / 2)",
  },
  {
    ...BMP,
    name: "a jump goes nowhere",
    before: "x += data[at++];\n      y += data[at++];",
    after: "at += 2;",
  },
  {
    file: "lib/image/codecs/jpeg.ts",
    name: "a JPEG may have any number of scans",
    before: "if (++scans > MAX_SCANS)",
    after: "if (++scans > Infinity)",
    test: "tests/image/effort_test.ts",
  },
  {
    file: "lib/image/codecs/jpeg.ts",
    name: "a JPEG's decoder may take any memory",
    before: 'new Decoder<JpegExports>("jpeg", module, maxBytes)',
    after: 'new Decoder<JpegExports>("jpeg", module, Infinity)',
    test: "tests/image/codecs/wasm_test.ts",
  },
  {
    file: "lib/image/codecs/webp.ts",
    name: "a WebP's decoder may take any memory",
    before: 'new Decoder("webp", module, maxBytes)',
    after: 'new Decoder("webp", module, Infinity)',
    test: "tests/image/codecs/wasm_test.ts",
  },
  {
    file: "lib/image/codecs/avif.ts",
    name: "an AVIF's decoder may take any memory",
    before: 'new Decoder<AvifExports>("avif", module, maxBytes)',
    after: 'new Decoder<AvifExports>("avif", module, Infinity)',
    test: "tests/image/codecs/wasm_test.ts",
  },
  {
    file: "lib/image/codecs/wasm/decoder.ts",
    name: "a decoder's memory has no bound",
    before: "INITIAL_PAGES + Math.ceil(maxBytes / PAGE)",
    after: "Infinity",
    test: "tests/image/codecs/wasm_test.ts",
  },
  {
    ...DECODE,
    name: "an abort does not leave the line for decoding here",
    before: "await decoders.line.take(signal);",
    after: "await decoders.line.take();",
  },
  {
    ...DECODE,
    name: "an abort does not leave the line for a thread",
    before: "await decoders.take(signal)",
    after: "await decoders.take()",
  },
  {
    ...DECODE,
    name: "an abort is not told while a thread decodes",
    before: "{ transfer: [request.buffer], signal }",
    after: "{ transfer: [request.buffer] }",
  },
  {
    ...DECODE,
    name: "an abort while an image is decoded here is not told",
    before: "const pixels = await decodeFile(bytes, file);\n  signal?.throwIfAborted();",
    after: "const pixels = await decodeFile(bytes, file);",
  },
  {
    ...DECODE,
    name: "without threads any number of images is decoded at once",
    before: "if (lease !== undefined) return await decodeOnThread",
    after: "if (isAway && lease === undefined) return await decodeFile(bytes, file);\n" +
      "  if (lease !== undefined) return await decodeOnThread",
    test: "tests/image/background_test.ts",
    filter: "no more images",
  },
  {
    ...LINE,
    name: "who gives up keeps waiting",
    before: 'signal?.addEventListener("abort", giveUp, { once: true });',
    after: "",
  },
  {
    ...LINE,
    name: "who had given up before takes a place",
    before: "    signal?.throwIfAborted();\n    if (this.#waiting.size",
    after: "    if (this.#waiting.size",
  },
  {
    ...LINE,
    name: "who gave up gets a place nevertheless",
    before: "if (!this.#waiting.delete(enter)) return;",
    after: "",
  },
  {
    ...LINE,
    name: "those behind who gives up are not looked at",
    before: "this.#leave(0); // Those behind may find enough.",
    after: "",
  },
  {
    file: "lib/threads/pool.ts",
    name: "who gives up waits for a thread to start",
    before: "await until(taking, [], { signal });",
    after: "await until(taking, []);",
    test: "tests/threads/pool_test.ts",
  },
  {
    file: "lib/threads/thread.ts",
    name: "who gives up waits for a thread's answer",
    before: 'signal.addEventListener("abort", giveUp, { once: true });',
    after: "",
    test: "tests/threads/pool_test.ts",
  },
  {
    file: "lib/threads/thread.ts",
    name: "what a thread says before somebody waits for it is lost",
    before: "#question: PromiseWithResolvers<unknown> | undefined = Promise.withResolvers();\n" +
      "  readonly #first = this.#question!.promise;",
    after: "#question: PromiseWithResolvers<unknown> | undefined;\n" +
      "  get #first(): Promise<unknown> { return (this.#question ??= Promise.withResolvers()).promise; }",
    test: "tests/threads/pool_test.ts",
    filter: "ready before somebody waits",
  },
  {
    file: "lib/threads/worker.ts",
    name: "in a browser who asks a thread waits for ever if it fails later",
    before: "throw event.reason;",
    after: "",
    test: "tests/browser/classify_test.ts",
    filter: "who asks",
  },
  {
    file: "lib/threads/kernel_threads.ts",
    name: "a thread that is woken late obeys an order twice",
    before: "while (Atomics.load(words, word.order) === order) Atomics.wait",
    after: "Atomics.wait",
    test: "tests/threads/kernel_threads_test.ts",
  },
];

/**
 * What each option of a question about pictures changes, by the tables that declare them: an option without an entry does
 * not compile. Every other option is given by a test of its own subject, which the last test looks for.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { loadClassifier } from "../lib/classifier.ts";
import { flagOf } from "../lib/cli/arguments.ts";
import { COMMANDS } from "../lib/cli/commands.ts";
import * as optionTables from "../lib/options.ts";
import type { Table } from "../lib/options.ts";
import { INDEX_OPTIONS, SIMILAR_OPTIONS, UPDATE_OPTIONS } from "../lib/options/search.ts";
import { SERVICE_OPTIONS, SETTINGS } from "../lib/options/service.ts";
import { ADD_OPTIONS, FIT_OPTIONS, SCRATCH_OPTIONS } from "../lib/options/training.ts";
import { CIFAR10 } from "./support/cifar10.ts";

const CAT = "tests/data/photos/cat.png", URL_OF_CAT = "https://host.example/cat.png";

/** A value that changes what is found of the cat, or that refuses it or another picture. */
type Effect = {
  readonly value: unknown;
  /** What is given besides, with and without it. */
  readonly also?: object;
  readonly input?: string;
  /** Words of the error. Without them the result is another one. */
  readonly refused?: string;
};
/** What changes how it is found, and not what, is seen by another test. */
type Effects<T> = { readonly [Name in keyof T]: Effect | { readonly seenBy: string } };

const FETCHED = () => Promise.resolve(new Response("no picture"));

const IMAGE: Effects<typeof optionTables.IMAGE_OPTIONS> = {
  maxPixels: { value: 1000, refused: "1000" },
  maxBytes: { value: 1000, refused: "1000" },
  formats: { value: ["jpeg"], refused: "png" },
  sources: { value: ["http"], refused: "sources http" },
  background: { seenBy: "image/background_test.ts" },
  offline: { value: true, input: URL_OF_CAT, refused: "offline" },
  fetch: { value: FETCHED, input: URL_OF_CAT, refused: "found text" },
  signal: { value: AbortSignal.abort(new Error("enough")), refused: "enough" },
};
const VIEWS: Effects<typeof optionTables.VIEW_OPTIONS> = {
  crops: { value: "ten" },
  scales: { value: [48] },
  flip: { value: true },
};
const SELECTION: Effects<typeof optionTables.SELECTION_OPTIONS> = {
  topK: { value: 2 },
  scoreThreshold: { value: 0.5 },
  allow: { value: ["dog", "ship"] },
  deny: { value: ["cat"] },
};
const CLASSIFY: Effects<typeof optionTables.CLASSIFY_OPTIONS> = {
  ...SELECTION,
  ...VIEWS,
  ...IMAGE,
};
const PREPARE: Effects<typeof optionTables.PREPARE_OPTIONS> = { ...VIEWS, ...IMAGE };
const EMBED: Effects<typeof optionTables.EMBED_OPTIONS> = {
  layer: { value: "pool5" },
  pooling: { value: "max" },
  normalize: { value: true },
  ...IMAGE,
};
const EXPLAIN: Effects<typeof optionTables.EXPLAIN_OPTIONS> = {
  label: { value: "dog" },
  method: { value: "score-map", also: { scale: 64 } },
  scale: { value: 64 },
  ...IMAGE,
};
const DISTANCE: Effects<typeof optionTables.DISTANCE_OPTIONS> = {
  layers: { value: ["conv1_1"] },
  ...IMAGE,
};

const classifier = await loadClassifier({ model: CIFAR10, backend: "wasm", threads: 1 });

const OTHER = "tests/data/photos/coffee.png";
/** An image's result, with some options. */
const CALLS: Readonly<
  Record<string, readonly [Effects<Table>, (input: string, options: object) => unknown]>
> = {
  classify: [CLASSIFY, (input, options) => classifier.classify(input, options)],
  scores: [PREPARE, (input, options) => classifier.scores([input], options)],
  // What was prepared is seen in what is found of it.
  prepare: [PREPARE, async (input, options) => {
    return await classifier.classify(await classifier.prepare(input, options));
  }],
  // Of a layer with several positions, which pooling has an effect on.
  embed: [EMBED, (input, options) => classifier.embed(input, { layer: "pool4", ...options })],
  explain: [EXPLAIN, (input, options) => classifier.explain(input, options)],
  distance: [DISTANCE, (input, options) => classifier.distance(input, OTHER, options)],
};

for (const [name, [effects, call]] of Object.entries(CALLS)) {
  Deno.test(`each option of ${name}() changes its result, or refuses`, async () => {
    const plain = await call(CAT, {});
    assertEquals(await call(CAT, {}), plain, "without options it is the same again");
    for (const [option, effect] of Object.entries(effects)) {
      if ("seenBy" in effect) {
        assert(isGiven(option, effect.seenBy), `${effect.seenBy} gives no ${option}`);
        continue;
      }
      const { value, also = {}, input = CAT, refused } = effect;
      const ask = async (): Promise<unknown> => await call(input, { ...also, [option]: value });
      if (refused === undefined) assertNotEquals(await ask(), await call(CAT, also), option);
      else await assertRejects(ask, Error, refused, option);
    }
  });
}

/** Test files, relative to this folder. */
function* testFiles(folder = ""): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder || ".", import.meta.url))) {
    if (isDirectory && name !== "fixtures") yield* testFiles(`${folder}${name}/`);
    else if (/_(test|check)\.ts$/.test(name) && !/^options_/.test(name)) yield folder + name;
  }
}

/** Names of properties, flags and variables that a test file gives. */
function wordsOf(file: string): string[] {
  const text = Deno.readTextFileSync(new URL(file, import.meta.url));
  return text.match(/\b\w+(?=[:,]| [,}])|--[\w-]+|\bVGG16_\w+/g) ?? [];
}

let all: ReadonlySet<string> | undefined;

/** Whether a test gives an option: as a property, a flag or a variable. */
function isGiven(option: string, file?: string): boolean {
  const words = file === undefined
    ? all ??= new Set([...testFiles()].flatMap(wordsOf))
    : new Set(wordsOf(file));
  const flag = optionTables.flagName(option);
  return [option, `--${flag}`, `--no-${flag}`, optionTables.envName(option)].some((word) =>
    words.has(word)
  );
}

Deno.test("every option of every function, command and setting is given by a test of its subject", async () => {
  const tables: Readonly<Record<string, unknown>> = {
    ...optionTables,
    ...{ ADD_OPTIONS, FIT_OPTIONS, SCRATCH_OPTIONS, SETTINGS, SERVICE_OPTIONS },
    ...{ INDEX_OPTIONS, SIMILAR_OPTIONS, UPDATE_OPTIONS },
  };
  const missing = new Set<string>();
  for (const [name, table] of Object.entries(tables)) {
    if (!/_(OPTIONS|CALL|PARTS)$|^SETTINGS$/.test(name)) continue;
    for (const option of Object.keys(table as Table)) if (!isGiven(option)) missing.add(option);
  }
  for (const { load } of Object.values(COMMANDS)) {
    const { options } = await load();
    for (const [option, entry] of Object.entries(options as Table)) {
      if (!isGiven(option) && !isGiven(flagOf(option, entry))) missing.add(`--${option}`);
    }
  }
  assertEquals([...missing], []);
});

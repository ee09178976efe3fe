import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  type Classifier,
  type ClassifierOptions,
  type ClassifyOptions,
  type DistanceOptions,
  type EmbedOptions,
  type EmbedStreamOptions,
  loadClassifier,
  type StreamOptions,
} from "../lib/classifier.ts";
import { encodePng } from "../lib/image/codecs/encode_png.ts";
import { listSamples } from "../lib/input/list_samples.ts";
import type { CatalogEntry } from "../lib/model/catalog.ts";
import { openModel } from "../lib/model/file.ts";
import type { GivenPreprocessing } from "../lib/convert/network/preprocessing.ts";
import type { Provenance } from "../lib/model/model.ts";
import { flagOf, isSwitch, parseArguments } from "../lib/cli/arguments.ts";
import { classifyCommand } from "../lib/cli/classify.ts";
import { type Command, runCommand } from "../lib/cli/command.ts";
import { convertCommand } from "../lib/cli/convert.ts";
import { embedCommand } from "../lib/cli/embed.ts";
import { evaluateCommand } from "../lib/cli/evaluate.ts";
import { explainCommand } from "../lib/cli/explain.ts";
import { addExamples, type AddOptions } from "../lib/train/add_examples.ts";
import { fitCommand } from "../lib/cli/fit.ts";
import { modelsCommand } from "../lib/cli/models.ts";
import type { ProfileOptions } from "../lib/engine/profile.ts";
import { profileCommand } from "../lib/cli/profile.ts";
import { pullCommand } from "../lib/cli/pull.ts";
import { convert, type ConvertOptions } from "../lib/convert/convert.ts";
import { pullModel, type PullOptions } from "../lib/convert/pull/pull.ts";
import { evaluate, type EvaluateOptions } from "../lib/evaluate/evaluate.ts";
import { fuse } from "../lib/compose/fuse.ts";
import type { ExplainOptions } from "../lib/explain/explain.ts";
import { createHandler, type ServiceOptions } from "../lib/http/service.ts";
import { settingsFromEnv } from "../lib/http/server/settings.ts";
import type { ImageOptions } from "../lib/image/image.ts";
import type { ManyOptions } from "../lib/input/image_error.ts";
import type { ViewOptions } from "../lib/input/views.ts";
import * as library from "../lib/options.ts";
import type { Option, Table, ValueOf } from "../lib/options.ts";
import {
  CLASSIFY_PARAMETERS,
  EXPLAIN_PARAMETERS,
  SERVICE_OPTIONS,
  SETTINGS,
} from "../lib/options/service.ts";
import { ADD_OPTIONS, FIT_OPTIONS, SCRATCH_OPTIONS } from "../lib/options/training.ts";
import { fit, type FitOptions } from "../lib/train/fit.ts";
import { fitFromScratch, type ScratchOptions } from "../lib/train/fit_from_scratch.ts";
import { CAT, post, testService } from "./support/http_service.ts";
import { CIFAR10 } from "./support/cifar10.ts";
import { printedBy } from "./support/printed.ts";

const {
  CLASSIFIER_OPTIONS,
  CLASSIFY_OPTIONS,
  CONVERT_OPTIONS,
  DISTANCE_OPTIONS,
  EMBED_OPTIONS,
  EMBED_STREAM_OPTIONS,
  EMBEDDING_OPTIONS,
  EVALUATE_OPTIONS,
  EXPLAIN_OPTIONS,
  MANY_OPTIONS,
  PREPARE_OPTIONS,
  PROFILE_OPTIONS,
  PULL_OPTIONS,
  SOURCE_OPTIONS,
  STREAM_OPTIONS,
} = library;

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;
/** Options whose values are data, so that the table has their type. */
type DataNames<T> = {
  [Name in keyof T]: T[Name] extends { kind: "program" } | { also: unknown } ? never : Name;
}[keyof T];
type InTable<T> = { [Name in DataNames<T>]: ValueOf<T[Name]> };
type InInterface<T, Options> = {
  [Name in DataNames<T> & keyof Options]: Exclude<Options[Name], undefined>;
};
/** Whether a table and an interface have the same names, and the same values for each. */
type Agree<T, Options> = Same<keyof T, keyof Options> extends true
  ? Same<InTable<T>, InInterface<T, Required<Options>>>
  : false;

/** Whether the names that a table lists for an object, and for those in it, are those of its interface. */
type Named<N, Value> = Same<keyof N, keyof Value> extends true ? Same<
    { [Name in keyof N]: N[Name] extends true ? true : keyof N[Name] },
    {
      [Name in keyof N]: N[Name] extends true ? true
        : Name extends keyof Value ? keyof NonNullable<Value[Name]>
        : never;
    }
  >
  : false;

Deno.test("tables list the names of the objects that options take", () => {
  // The compiler is what tests this: `false` is no `true`.
  const named: {
    preprocessing: Named<typeof CONVERT_OPTIONS.preprocessing.also.names, GivenPreprocessing>;
    provenance: Named<typeof CONVERT_OPTIONS.provenance.names, Provenance>;
    entry: Named<typeof PULL_OPTIONS.entry.names, CatalogEntry>;
    remote: Named<typeof SERVICE_OPTIONS.remote.names, NonNullable<ServiceOptions["remote"]>>;
  } = { preprocessing: true, provenance: true, entry: true, remote: true };
  assertEquals(Object.values(named).every(Boolean), true);
});

Deno.test("tables and the interfaces that users see have the same names and types of values", () => {
  // The compiler is what tests this: `false` is no `true`.
  const agree: {
    loadClassifier: Agree<typeof CLASSIFIER_OPTIONS, ClassifierOptions>;
    classify: Agree<typeof CLASSIFY_OPTIONS, ClassifyOptions>;
    embed: Agree<typeof EMBED_OPTIONS, EmbedOptions>;
    stream: Agree<typeof STREAM_OPTIONS, StreamOptions>;
    embedStream: Agree<typeof EMBED_STREAM_OPTIONS, EmbedStreamOptions>;
    many: Agree<typeof MANY_OPTIONS, ManyOptions>;
    distance: Agree<typeof DISTANCE_OPTIONS, DistanceOptions>;
    explain: Agree<typeof EXPLAIN_OPTIONS, ExplainOptions>;
    profile: Agree<typeof PROFILE_OPTIONS, ProfileOptions>;
    prepare: Agree<typeof PREPARE_OPTIONS, ViewOptions & ImageOptions>;
    evaluate: Agree<typeof EVALUATE_OPTIONS, EvaluateOptions>;
    convert: Agree<typeof CONVERT_OPTIONS, ConvertOptions>;
    pull: Agree<typeof PULL_OPTIONS, PullOptions>;
    fit: Agree<typeof FIT_OPTIONS, FitOptions>;
    addExamples: Agree<typeof ADD_OPTIONS, AddOptions>;
    fitFromScratch: Agree<typeof SCRATCH_OPTIONS, ScratchOptions>;
    createHandler: Agree<typeof SERVICE_OPTIONS, ServiceOptions>;
  } = {
    loadClassifier: true,
    classify: true,
    embed: true,
    stream: true,
    embedStream: true,
    many: true,
    distance: true,
    explain: true,
    profile: true,
    prepare: true,
    evaluate: true,
    convert: true,
    pull: true,
    fit: true,
    addExamples: true,
    fitFromScratch: true,
    createHandler: true,
  };
  assertEquals(Object.values(agree).every(Boolean), true);
});

const CAT_FILE = "tests/data/photos/cat.png";
const DATA = { samples: [], labels: ["a", "b"] };

type Call = (options: object, classifier: Classifier) => unknown;

/** Every public function that takes options, with its table. Wrong options are refused before any work. */
const CALLS: Readonly<Record<string, readonly [Table, Call]>> = {
  listSamples: [library.SIGNAL_OPTION, (options) => listSamples("tests/data", undefined, options)],
  encodePng: [
    library.SIGNAL_OPTION,
    (options) => encodePng({ data: new Uint8Array(1), width: 1, height: 1 }, options),
  ],
  openModel: [SOURCE_OPTIONS, (options) => openModel(new Uint8Array(8), options)],
  loadClassifier: [CLASSIFIER_OPTIONS, (options) => loadClassifier(options)],
  classify: [CLASSIFY_OPTIONS, (options, classifier) => classifier.classify(CAT_FILE, options)],
  scores: [PREPARE_OPTIONS, (options, classifier) => classifier.scores([CAT_FILE], options)],
  "classify() of many": [
    { ...CLASSIFY_OPTIONS, ...MANY_OPTIONS },
    (options, classifier) => classifier.classify([CAT_FILE], options),
  ],
  "scores() of many": [
    { ...PREPARE_OPTIONS, ...MANY_OPTIONS },
    (options, classifier) => fuse([classifier]).scores([CAT_FILE], options),
  ],
  "embed() of many": [
    { ...EMBED_OPTIONS, ...MANY_OPTIONS },
    (options, classifier) => classifier.embed([CAT_FILE], options),
  ],
  stream: [STREAM_OPTIONS, (options, classifier) => classifier.stream([CAT_FILE], options)],
  embedStream: [
    EMBED_STREAM_OPTIONS,
    (options, classifier) => classifier.embedStream([CAT_FILE], options),
  ],
  prepare: [PREPARE_OPTIONS, (options, classifier) => classifier.prepare(CAT_FILE, options)],
  profile: [PROFILE_OPTIONS, (options, classifier) => classifier.profile(options)],
  embed: [EMBED_OPTIONS, (options, classifier) => classifier.embed(CAT_FILE, options)],
  distance: [
    DISTANCE_OPTIONS,
    (options, classifier) => classifier.distance(CAT_FILE, CAT_FILE, options),
  ],
  explain: [EXPLAIN_OPTIONS, (options, classifier) => classifier.explain(CAT_FILE, options)],
  evaluate: [EVALUATE_OPTIONS, (options, classifier) => evaluate(classifier, [], options)],
  fuse: [CLASSIFY_OPTIONS, (options, classifier) => fuse([classifier]).classify(CAT_FILE, options)],
  convert: [CONVERT_OPTIONS, (options) => convert(new Uint8Array(8), options)],
  pullModel: [PULL_OPTIONS, (options) => pullModel("vgg16-imagenet", options)],
  fit: [FIT_OPTIONS, (options) => fit(DATA, options)],
  addExamples: [ADD_OPTIONS, (options) => addExamples(new Uint8Array(8), DATA, options)],
  fitFromScratch: [SCRATCH_OPTIONS, (options) => fitFromScratch(DATA, options)],
  createHandler: [SERVICE_OPTIONS, (options) => createHandler(options)],
};

/** Values that an option must refuse, as a program gives them. */
function wrongValues(option: Option): readonly unknown[] {
  switch (option.kind) {
    case "integer":
      return [option.min - 1, (option.max ?? NaN) + 1, option.min + 0.5, "many"];
    case "number":
      return [
        (option.min ?? option.above ?? 0) - 1,
        (option.max ?? option.below ?? NaN) + 1,
        "many",
      ];
    case "choices":
      return [["nonsense"], ["nonsense", option.choices[0]]];
    case "choice":
    case "boolean":
    case "program":
      return ["nonsense", "constructor"];
    case "integers":
      return [
        [option.min - 1],
        [option.min + 0.5],
        "many",
        [...Array(9)].map(() => option.min - 1),
      ];
    case "text":
    case "texts":
      return [-5, true];
  }
}

/** Those of them that can be written; every text is one of `text`. */
function writable(option: Option): readonly unknown[] {
  const values = ["text", "texts"].includes(option.kind) ? [] : wrongValues(option);
  return values.filter((value) => !Number.isNaN(value));
}

/** The message of the RangeError that a call refuses its options with. */
async function refusal(call: () => unknown): Promise<string> {
  return (await assertRejects(async () => await call(), Error)).message;
}

Deno.test("every option says what it is for in a sentence, and has a default that it allows", () => {
  const tables = [
    ...Object.values(CALLS).map(([table]) => table),
    ...COMMANDS.map(([, { options }]) => options),
  ];
  for (const [name, option] of tables.flatMap((table) => Object.entries(table))) {
    assertMatch(option.about, /^[A-Z.].*[^.]$/, name);
    if (option.default !== undefined) library.checkValue(name, option, option.default);
  }
});

/** The numbers that each may be, as help and documentation have them; `>` and `<` where a bound is none of them. */
const RANGES: readonly (readonly [table: Table, ranges: Readonly<Record<string, string>>])[] = [
  [library.CLASSIFY_OPTIONS, {
    ...{ topK: "1…", scoreThreshold: "0…1", scales: "1…4096" },
    ...{ maxPixels: "1…1073741824", maxBytes: "1…" },
  }],
  [EXPLAIN_OPTIONS, { scale: "1…4096", maxPixels: "1…1073741824", maxBytes: "1…" }],
  [library.READ_IMAGE_OPTIONS, {
    ...{ maxPixels: "1…1073741824", maxBytes: "1…" },
    ...{ shorterSide: "1…", reduceFromPixels: "0…" },
  }],
  [library.RESIZE_OPTIONS, { width: "1…32768", height: "1…32768" }],
  [library.FETCH_IMAGE_OPTIONS, { maxBytes: "1…", ports: "1…65535", answerMs: "1…" }],
  [PROFILE_OPTIONS, { batch: "1…64", runs: "1…100" }],
  [CONVERT_OPTIONS, { inputSize: "32…8192", temperature: "0.001…1000", sureScore: "0…1" }],
  [FIT_OPTIONS, {
    ...{ sides: "32…512", hidden: "0…65536", patience: "1…", folds: "2…100" },
    ...{ validation: ">0…<1", weightDecay: "0…", seed: "0…", epochs: "1…" },
    ...{ learningRate: ">0…", batchSize: "1…", threads: "1…64" },
  }],
  [SCRATCH_OPTIONS, {
    ...{ width: ">0…1", dense: "1…", side: "32…256", shift: "0…32" },
    ...{ validation: ">0…<1", weightDecay: "0…", seed: "0…", epochs: "1…" },
    ...{ learningRate: ">0…", batchSize: "1…", threads: "1…64" },
    ...{ maxPixels: "1…1073741824", maxBytes: "1…" },
  }],
  [CLASSIFY_PARAMETERS, { topK: "1…", scoreThreshold: "0…1", scales: "1…1024" }],
  [EXPLAIN_PARAMETERS, { scale: "1…1024" }],
  [SETTINGS, {
    ...{ threads: "1…64", maxBodyBytes: "1…2147483648", maxArrivingBytes: "1…68719476736" },
    ...{ maxHeaderBytes: "256…1048576", maxPixels: "1…1073741824", maxImages: "1…1024" },
    ...{ maxViewPixels: "1…1099511627776", maxDecodePixels: "1…1099511627776" },
    ...{ maxQueue: "1…65536", maxBatch: "1…64", maxQueueDelayMs: "0…60000" },
    ...{ bodyTimeoutMs: "1…3600000", timeoutMs: "1…3600000", maxUrlBytes: "1…2147483648" },
    ...{ urlPorts: "1…65535", cacheEntries: "0…1000000", cacheBytes: "0…68719476736" },
    ...{ drainDelayMs: "0…600000", drainTimeoutMs: "0…3600000" },
  }],
];

Deno.test("numbers may be those of the ranges that are documented, and no others", () => {
  for (const [table, ranges] of RANGES) {
    const found = Object.entries(table).flatMap(([name, option]) => {
      if (option.kind === "integer" || option.kind === "integers") {
        return [[name, `${option.min}…${option.max ?? ""}`]];
      }
      if (option.kind !== "number") return [];
      const { min, above, max, below } = option;
      return [[name, `${min ?? `>${above}`}…${max ?? (below === undefined ? "" : `<${below}`)}`]];
    });
    assertEquals(Object.fromEntries(found), ranges);
  }
});

await using classifier = await loadClassifier({ model: CIFAR10, backend: "wasm" });

Deno.test("every function refuses an unknown option with the nearest name, and every wrong value", async () => {
  for (const [name, [table, call]] of Object.entries(CALLS)) {
    const refused = async (options: object, message: string): Promise<void> => {
      await assertRejects(async () => await call(options, classifier), RangeError, message, name);
    };
    for (const [option, entry] of Object.entries(table)) {
      await refused(
        { [option + "s_"]: 1 },
        `There is no option ${option}s_: did you mean ${option}`,
      );
      for (const wrong of wrongValues(entry)) {
        await refused({ [option]: wrong }, `${option} must be `);
      }
    }
  }
});

Deno.test("every function refuses unknown names in objects of its options, with the nearest", async () => {
  let checked = 0;
  const walk = async (path: string[], names: library.Names, call: Call): Promise<void> => {
    for (const [name, inner] of Object.entries(names)) {
      const wrong = path.reduceRight<object>(
        (value, part) => ({ [part]: value }),
        { [`${name}s_`]: 1 },
      );
      const called = [...path, name].join(".");
      await assertRejects(
        async () => await call(wrong, classifier),
        RangeError,
        `There is no option ${called}s_: did you mean ${called}`,
      );
      checked++;
      if (inner !== true) await walk([...path, name], inner, call);
    }
  };
  for (const [table, call] of Object.values(CALLS)) {
    for (const [option, entry] of Object.entries(table)) {
      const names = entry.also?.names ?? (entry.kind === "program" ? entry.names : undefined);
      if (names !== undefined) await walk([option], names, call);
    }
  }
  assert(checked >= 40, `${checked} names`);
});

Deno.test("every function refuses what is no object of options", async () => {
  const wrong = [5, true, "topK", null, ["topK"], new AbortController().signal, () => {}];
  for (const [name, [, call]] of Object.entries(CALLS)) {
    for (const options of wrong) {
      await assertRejects(
        async () => await call(options as object, classifier),
        TypeError,
        "Expected an object of options: found ",
        name,
      );
    }
  }
});

Deno.test("what the library and the service take for granted differently, both say", () => {
  const pairs: (readonly [string, Option, Option])[] = Object.entries(SETTINGS as Table).flatMap(
    ([name, option]) =>
      [CLASSIFIER_OPTIONS, CLASSIFY_OPTIONS].flatMap((table: Table) =>
        Object.hasOwn(table, name) ? [[name, option, table[name]!] as const] : []
      ),
  );
  pairs.push(["maxBytes", SETTINGS.maxBodyBytes, CLASSIFY_OPTIONS.maxBytes]);
  const different = pairs.filter(([, a, b]) => String(a.default) !== String(b.default));
  assertEquals(different.map(([name]) => name), ["maxPixels", "maxBytes"]);
  for (const [, inService, inLibrary] of different) {
    assertStringIncludes(inService.about, String(inLibrary.default));
    assertStringIncludes(inLibrary.about, String(inService.default));
  }
});

const COMMANDS: readonly [name: string, command: Command, like: readonly string[]][] = [
  ["classify", classifyCommand, ["classify", "loadClassifier"]],
  ["embed", embedCommand, ["embed", "loadClassifier"]],
  ["explain", explainCommand, ["explain", "loadClassifier"]],
  ["evaluate", evaluateCommand, ["evaluate", "loadClassifier"]],
  ["fit", fitCommand, ["fit", "fitFromScratch"]],
  ["convert", convertCommand, ["convert"]],
  ["pull", pullCommand, ["pullModel"]],
  ["models", modelsCommand, []],
  ["profile", profileCommand, ["profile", "loadClassifier"]],
];

/** A place where options come as texts. */
interface Surface {
  readonly name: string;
  readonly table: Table;
  /** What an option is called there. */
  readonly called: (name: string) => string;
  /** Gives one option, which is refused. */
  readonly give: (called: string, text: string) => unknown;
  /** The functions that have the same options. */
  readonly like: readonly string[];
}

const service = testService();

function query(path: string, table: Table, like: string): Surface {
  const give = async (name: string, text: string): Promise<void> => {
    const response = await service.fetch(
      post(`${path}?${new URLSearchParams([[name, text]])}`, CAT),
    );
    assertEquals(response.status, 422);
    throw new RangeError((await response.json()).detail);
  };
  return { name: path, table, called: (name) => name, give, like: [like] };
}

const SURFACES: readonly Surface[] = [
  ...COMMANDS.map(([name, command, like]) => ({
    ...{ name, like, table: command.options },
    called: (name: string) => `--${flagOf(name, command.options[name])}`,
    give: (flag: string, text: string) => runCommand(command, [`${flag}=${text}`]),
  })),
  {
    ...{ name: "environment", table: SETTINGS, called: library.envName, like: ["createHandler"] },
    give: (variable, text) => settingsFromEnv({ [variable]: text }),
  },
  {
    ...{ name: "serve.ts", table: SETTINGS, like: ["createHandler"] },
    called: (name) => `--${library.flagName(name)}`,
    give: (flag, text) => parseArguments([`${flag}=${text}`], SETTINGS),
  },
  query("/classify", CLASSIFY_PARAMETERS, "classify"),
  query("/embed", EMBEDDING_OPTIONS, "embed"),
  query("/explain", EXPLAIN_PARAMETERS, "explain"),
];

for (const { name, table, called, give, like } of SURFACES) {
  Deno.test(`${name} refuses wrong values in the words of the library's functions`, async () => {
    const allowed = ({ kind, ...option }: Partial<Option>): string => {
      const { min, max, above, below, choices, items } = option as Record<string, unknown>;
      return JSON.stringify([kind, min, max, above, below, choices, items]);
    };
    let compared = 0;
    for (const [option, entry] of Object.entries(table)) {
      // A flag without a value has no wrong one.
      const values = entry.kind === "boolean" && called(option).startsWith("--")
        ? []
        : writable(entry);
      for (const value of values) {
        const said = await refusal(() => give(called(option), String(value)));
        assertMatch(said, new RegExp(`^${called(option)} must be .+: found `), name);
        for (const [own, call] of like.map((one) => CALLS[one])) {
          if (!Object.hasOwn(own, option) || allowed(own[option]) !== allowed(entry)) continue;
          const words = await refusal(() => call({ [option]: value }, classifier));
          assertEquals(said.replace(called(option), option), words);
          compared++;
        }
      }
    }
    assertEquals(compared > 0, !["pull", "models"].includes(name), `${compared} compared`);
    const nearest = called(Object.keys(table)[0]), unknown = `${nearest}z`;
    assertMatch(
      await refusal(() => give(unknown, "1")),
      new RegExp(`^There is no .+ ${unknown}: did you mean ${nearest}\\?$`),
    );
  });
}

Deno.test("help of each command lists exactly the options that it takes, with their defaults", async () => {
  for (const [name, command] of COMMANDS) {
    const { out: text } = await printedBy(async () => {
      assertEquals(await runCommand(command, ["--help"], name, { about: "tells" }), 0);
    });
    const listed = [...text.matchAll(/^ {2}(?:-\w, | {4})(--[[\]a-z-]+)/gm)].map(([, flag]) =>
      flag
    );
    const taken = Object.entries(command.options).map(([own, option]) =>
      isSwitch(option) ? `--[no-]${library.flagName(own)}` : `--${flagOf(own, option)}`
    );
    assertEquals(listed.toSorted(), [...taken, "--quiet", "--verbose", "--help"].sort(), name);
    assertEquals(text.split("\n").filter((line) => line.length > 80), [], name);
    assert(text.startsWith("Tells.\n\nUsage: "), name);
    assertStringIncludes(text, "\nExamples\n  ", name);
    const words = text.replace(/\s+/g, " ");
    for (const option of Object.values(command.options)) {
      assertStringIncludes(words, option.about);
      if (library.defaultText(option) !== "") {
        assertStringIncludes(words, `default: ${library.defaultText(option)}`);
      }
    }
  }
});

Deno.test("the nearest name is told where one is near, and otherwise all are", () => {
  const known = ["topK", "scoreThreshold", "crops"];
  for (
    const [given, nearest] of [["topk", "topK"], ["top_k", "topK"], ["threshold", "scoreThreshold"]]
  ) {
    assertEquals(library.meant(given!, known), `did you mean ${nearest}?`);
  }
  const all = "expected one of topK, scoreThreshold, crops";
  for (const given of ["onProgress", "shorterSide", ""]) {
    assertEquals(library.meant(given, known), all);
  }
  const many = Array.from({ length: 1000 }, (_, n) => `label ${n}`);
  assertEquals(library.meant("kitten", many).length < 100, true);
});

Deno.test("what is far longer than a name is compared by its beginning, and shown so", () => {
  const [a, b] = ["a".repeat(128), "b".repeat(200)];
  // All of it would be nearer to b.
  assertEquals(library.closestName(a + b, [b, a]), a);
  assertEquals(library.shortened(a + b), `${a}…`);
  assertEquals(library.shortened(a), a);
});

Deno.test("threads has one range and one wording", async () => {
  const words = 'must be an integer from 1 to 64, or "auto": found 100';
  assertEquals(await refusal(() => loadClassifier({ threads: 100 })), `threads ${words}`);
  assertEquals(await refusal(() => createHandler({ threads: 100 })), `threads ${words}`);
  assertEquals(
    await refusal(() => runCommand(classifyCommand, ["--threads", "100", CAT_FILE])),
    `--threads ${words}`,
  );
  assertEquals(
    await refusal(() => settingsFromEnv({ VGG16_THREADS: "100" })),
    `VGG16_THREADS ${words}`,
  );
});

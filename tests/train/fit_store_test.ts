/** What a fit keeps is found by whatever it depends on, and by nothing else. */

import { assertEquals } from "@std/assert";
import type { Backend } from "../../lib/engine/engine.ts";
import type { Model, WeightPiece } from "../../lib/model/model.ts";
import { type LearnedFrom, storeOf, type StoreOptions } from "../../lib/train/fit_store.ts";
import { type FeatureChoice, freeze } from "../../lib/train/frozen.ts";
import { withBlock } from "../../lib/train/last_block.ts";
import { randomModel } from "../support/random_model.ts";
import { reversedModel } from "../support/reversed_model.ts";

const { model } = randomModel({
  ...{ configuration: "A", input: { height: 32, width: 32, channels: 3 } },
  ...{ convolutions: [4, 4, 4, 4, 4, 4, 4, 4], dense: [] },
  ...{ pooling: undefined, head: undefined },
});
/** The same as if it had been opened from a file. */
const opened: Model = { ...model, sha256: "0a".repeat(32) };

/** One with dense layers, which see one position: as it is, or averaged. */
const { model: dense } = randomModel({
  ...model.architecture,
  ...{ convolutions: [4, 4, 4, 4, 4, 4, 4, 4], dense: [8, 3], head: undefined },
});

/** What a store is opened with. */
interface Settings extends StoreOptions {
  readonly base?: Model;
  readonly choice?: FeatureChoice;
  readonly pictures?: number;
  readonly backend?: Backend;
  readonly precision?: "int8" | "float";
}

async function inFolder<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    return await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const namesIn = (folder: string, kind: string): string[] =>
  [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.startsWith(kind));

/** The name of the file that has the features. */
async function nameOf(
  { base = model, choice = {}, pictures = 10, backend = "wasm", precision = "int8", ...options }:
    Settings,
): Promise<string> {
  return await inFolder(async (folder) => {
    const frozen = freeze(base, choice, pictures);
    const store = await storeOf(frozen, { backend, precision }, folder, options);
    using _features = store!.features;
    return namesIn(folder, "features").join();
  });
}

Deno.test("features are found by all that they depend on: other settings have another name", async () => {
  const float = { precision: "float" } as const;
  const variations: Record<string, Settings> = {
    "as it is": {},
    "another version": { version: "0.0.0-other" },
    "weights of a model in memory": { base: reversedModel(model) },
    "a model from a file": { base: opened },
    "a model from another file": { base: { ...opened, sha256: "0b".repeat(32) } },
    "a copy of that with another scale": {
      base: {
        ...opened,
        parameters: opened.parameters.map((own) => ({
          ...own,
          scale: own.scale.map((s) => 2 * s),
        })),
      },
    },
    "another bias": {
      base: {
        ...model,
        parameters: model.parameters.map((own) => ({ ...own, bias: own.bias.map((b) => b + 1) })),
      },
    },
    "another preprocessing": {
      base: { ...model, preprocessing: { ...model.preprocessing, mean: [0, 0, 0] } },
    },
    "no colors": { choice: { grayscale: true } },
    "standardized": { choice: { standardize: "image" } },
    "another layer": { choice: { layers: ["pool4"] } },
    "another pooling": { choice: { pooling: "none" } },
    "another side": { choice: { sides: [64] } },
    "no mirror images": { choice: { mirror: "off" } },
    "a dense layer": { base: dense, choice: { layers: ["fc7"] } },
    "the same in another architecture": {
      base: { ...dense, architecture: { ...dense.architecture, pooling: "average" } },
      choice: { layers: ["fc7"] },
    },
    "floats": { ...float },
    "floats of another backend": { ...float, backend: "webgpu" },
  };
  const names = new Map<string, string>();
  for (const [variation, settings] of Object.entries(variations)) {
    const name = await nameOf(settings);
    assertEquals(name.length, "features-0123456789abcdef.bin".length);
    assertEquals(names.get(name), undefined, variation);
    names.set(name, variation);
    assertEquals(await nameOf(settings), name, `${variation}, once more`);
  }
});

Deno.test("features are found again where nothing of theirs has changed", async () => {
  const name = await nameOf({});
  // Whole numbers are the same on every backend, and a model is what it computes, whatever it is called.
  assertEquals(await nameOf({ backend: "webgpu" }), name);
  assertEquals(await nameOf({ pictures: 11 }), name);
  assertEquals(await nameOf({ base: { ...model, id: "renamed", labels: ["other"] } }), name);
  const pieces = async function* (): AsyncGenerator<WeightPiece> {
    for await (const { data, first, layer, count } of model.weights()) {
      const inner = data.length / count;
      for (let n = 0; n < count; n++) {
        const own = data.subarray(n * inner, (n + 1) * inner);
        yield { layer, first: first + n, count: 1, data: own };
      }
    }
  };
  assertEquals(await nameOf({ base: { ...model, weights: pieces } }), name, "in other pieces");
});

Deno.test("a model whose last block was trained is not the file's that it began as", () => {
  assertEquals(withBlock(opened, []).sha256, undefined);
});

Deno.test("maps belong to pictures, and a state to their classes and settings, too", async () => {
  const first: LearnedFrom = { fingerprints: ["aa", "bb", "cc"], labels: [0, 1, 0] };
  const namesOf = (pictures: LearnedFrom, settings: unknown, base: Model = model) =>
    inFolder(async (folder) => {
      const engine = { backend: "wasm", precision: "int8" } as const;
      const store = await storeOf(freeze(base, {}, 3), engine, folder);
      using _features = store!.features;
      const own = store!.of(pictures);
      using _records = await own.records(8);
      const state = { epoch: 1, updates: 1, bestEpoch: 1, history: [] };
      const best = { rightPictures: 1, crossEntropy: 1 };
      await (await own.state(settings)).save({ ...state, best }, {});
      return { maps: namesIn(folder, "maps").join(), state: namesIn(folder, "training").join() };
    });
  const known = await namesOf(first, { seed: 1 });
  const cases = {
    "the same": { pictures: first, settings: { seed: 1 }, isNew: [false, false] },
    "other settings": { pictures: first, settings: { seed: 2 }, isNew: [false, true] },
    "other labels": {
      ...{ pictures: { ...first, labels: [1, 1, 0] }, settings: { seed: 1 }, isNew: [false, true] },
    },
    "another picture": {
      pictures: { ...first, fingerprints: ["aa", "bb", "dd"] },
      ...{ settings: { seed: 1 }, isNew: [true, true] },
    },
    "another order": {
      pictures: { ...first, fingerprints: ["cc", "bb", "aa"] },
      ...{ settings: { seed: 1 }, isNew: [true, true] },
    },
    "another model": {
      ...{
        pictures: first,
        settings: { seed: 1 },
        isNew: [true, true],
        base: reversedModel(model),
      },
    },
  };
  for (const [name, { pictures, settings, isNew, ...other }] of Object.entries(cases)) {
    const { base } = { base: model, ...other };
    const { maps, state } = await namesOf(pictures, settings, base);
    assertEquals([maps !== known.maps, state !== known.state], isNew, name);
  }
});

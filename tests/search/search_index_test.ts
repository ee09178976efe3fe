import { assert, assertEquals, assertGreater, assertMatch, assertRejects } from "@std/assert";
import { isVggError } from "../../lib/errors.ts";
import { encodePng } from "../../lib/image/codecs/encode_png.ts";
import { readImage } from "../../lib/image/read.ts";
import { cropImage, resizeImage } from "../../lib/image/resize.ts";
import { lockBeside } from "../../lib/io/lock.ts";
import type { Model } from "../../lib/model/model.ts";
import { resolveModel } from "../../lib/open_model.ts";
import type { Progress } from "../../lib/progress.ts";
import { type IndexOptions, openIndex } from "../../lib/search/search_index.ts";
import { nextTurn } from "../../lib/threads/turn.ts";
import { CIFAR10 } from "../support/cifar10.ts";
import { reversedModel } from "../support/reversed_model.ts";

const PHOTOS = new URL("../data/photos/", import.meta.url).pathname;
const NAMES = ["boats.jpg", "cat.png", "coffee.png", "rocket.jpg"];
const OPTIONS: IndexOptions = { model: CIFAR10, backend: "wasm", threads: 1 };

/** A test with a folder of pictures of its own. */
function testIn(name: string, fn: (folder: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const folder = await Deno.makeTempDir();
    try {
      for (const name of NAMES) await Deno.copyFile(PHOTOS + name, `${folder}/${name}`);
      await fn(folder);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

const inFolder = (folder: string, names: readonly string[]) =>
  names.map((name) => ({ name, image: `${folder}/${name}` }));

testIn(
  "an index looks only at what is new or has changed, and forgets what is gone",
  async (folder) => {
    const file = `${folder}/index.safetensors`;
    await Deno.writeTextFile(`${folder}/broken.jpg`, "no picture");
    const names = [...NAMES, "broken.jpg"];
    {
      await using index = await openIndex({ ...OPTIONS, file });
      const told: Progress[] = [];
      const onProgress = (progress: Progress) => void told.push(progress);
      const { errors, ...counts } = await index.update(inFolder(folder, names), { onProgress });
      assertEquals(counts, { added: 4, changed: 0, kept: 0, removed: 0 });
      assertEquals(errors.map(({ image, code }) => [image, code]), [[
        "broken.jpg",
        "image-format",
      ]]);
      assertEquals(told.at(-1), { stage: "index", unit: "images", done: 5, total: 5 });
    }
    const { mtime } = await Deno.stat(file);
    // Another picture under the same name.
    await Deno.copyFile(`${folder}/cat.png`, `${folder}/coffee.png`);
    await Deno.copyFile(`${folder}/cat.png`, `${folder}/broken.jpg`);
    await Deno.remove(`${folder}/rocket.jpg`);
    const left = ["boats.jpg", "cat.png", "coffee.png", "broken.jpg"];
    await using index = await openIndex({ ...OPTIONS, file });
    assertEquals([index.size, index.has("rocket.jpg"), index.file], [4, true, file]);
    const { errors, ...counts } = await index.update(inFolder(folder, left));
    assertEquals([counts, errors], [{ added: 1, changed: 1, kept: 2, removed: 1 }, []]);
    const found = await index.similar({ name: "cat.png" }, { topK: 2 });
    assertEquals(found.map(({ name, similarity, kind }) => [name, similarity, kind]), [
      ["broken.jpg", 1, "copy"],
      ["coffee.png", 1, "copy"],
    ]);
    assertEquals((await index.duplicates()).map(({ keep, copies }) => [keep.name, copies.length]), [
      ["broken.jpg", 2],
    ]);
    const again = await index.update(inFolder(folder, left));
    assertEquals([again.kept, again.added + again.changed + again.removed], [4, 0]);
    assert((await Deno.stat(file)).mtime! >= mtime!);
    // Neither a lock nor a draft is left beside it.
    assertEquals(
      [...Deno.readDirSync(folder)].map(({ name }) => name).sort(),
      [...left, "index.safetensors"].sort(),
    );
  },
);

testIn("what is found does not depend on an update meanwhile", async (folder) => {
  await using index = await openIndex(OPTIONS);
  const [first, ...others] = NAMES.map((name) => `${folder}/${name}`), query = others[0]!;
  await Deno.copyFile(query, `${folder}/copy.png`);
  const left = [...others, `${folder}/copy.png`];
  await index.update(left);
  const expected = await index.similar(query);
  await index.update([first!, ...left]);
  // The look at the query's file takes until the update has moved all pictures.
  const { stat } = Deno, held = Promise.withResolvers<void>();
  let looks = 0;
  Deno.stat = async (path) => {
    const isQuery = looks++ === 0, info = await stat(path);
    if (isQuery) await held.promise;
    return info;
  };
  try {
    const found = index.similar(query);
    await index.update(left);
    held.resolve();
    assertEquals(await found, expected);
    assertGreater(looks, 1);
  } finally {
    Deno.stat = stat;
  }
});

testIn("copies are looked for once an update is done, unless the caller leaves", async (folder) => {
  await using index = await openIndex(OPTIONS);
  const paths = NAMES.map((name) => `${folder}/${name}`);
  await index.update(paths);
  const going = Promise.withResolvers<void>(), done: string[] = [];
  const slowly = async function* (): AsyncGenerator<string> {
    yield* paths.slice(1);
    await going.promise;
  };
  const updating = index.update(slowly()).then(() => done.push("update"));
  const finding = index.duplicates().then(() => done.push("duplicates"));
  const leaving = new AbortController(), left = index.duplicates({ signal: leaving.signal });
  leaving.abort(new Error("the caller has left"));
  await assertRejects(() => left, Error, "the caller has left");
  for (let turn = 0; turn < 50; turn++) await nextTurn();
  assertEquals(done, []);
  going.resolve();
  await Promise.all([updating, finding]);
  assertEquals(done, ["update", "duplicates"]);
});

testIn(
  "an opening that is ended later ends no update, and a failed one is tried again",
  async (folder) => {
    const opening = new AbortController(), model = await resolveModel(CIFAR10);
    const lost = new Error("the weights are not at hand");
    let failures = 1;
    const failing: Model = {
      ...model,
      weights: (...given: Parameters<Model["weights"]>) => {
        if (failures-- > 0) throw lost;
        return model.weights(...given);
      },
    };
    await using index = await openIndex({ ...OPTIONS, model: failing, signal: opening.signal });
    opening.abort();
    failures = 1; // The model's hash takes the weights as well.
    assertEquals(await assertRejects(() => index.update(inFolder(folder, NAMES))), lost);
    assertEquals((await index.update(inFolder(folder, NAMES))).added, NAMES.length);
  },
);

testIn("a picture that no longer can be read leaves", async (folder) => {
  await using index = await openIndex(OPTIONS);
  await index.update(inFolder(folder, NAMES));
  await Deno.writeTextFile(`${folder}/cat.png`, "no picture any more");
  const { errors, removed } = await index.update(inFolder(folder, NAMES));
  assertEquals([errors.length, removed, index.has("cat.png")], [1, 1, false]);
});

testIn("a copy is found before other pictures, whatever the query is given as", async (folder) => {
  await using index = await openIndex(OPTIONS);
  const paths = NAMES.map((name) => `${folder}/${name}`);
  await index.update(paths);
  const cat = await readImage(`${folder}/cat.png`);
  const small = resizeImage(cat, { width: 200 });
  const bytes = await encodePng(cropImage(small, { left: 4, top: 4, width: 190, height: 122 }));
  for (const query of [bytes, new Blob([bytes]), new Response(bytes).body!, small]) {
    const [best, second] = await index.similar(query);
    assertEquals(best!.name, `${folder}/cat.png`);
    assertGreater(best!.similarity, second!.similarity);
  }
  // By its path it is itself, by its bytes it is another.
  const own = await index.similar(`${folder}/cat.png`, { topK: Infinity });
  assertEquals(own.length, 3);
  const [itself] = await index.similar(await Deno.readFile(`${folder}/cat.png`));
  assertEquals([itself!.name, itself!.similarity], [`${folder}/cat.png`, 1]);
  assertEquals(await index.similar(small, { threshold: 1 }), []);
  await Deno.copyFile(`${folder}/boats.jpg`, `${folder}/cat.png`);
  const [other] = await index.similar(`${folder}/cat.png`);
  assertEquals(other!.name, `${folder}/boats.jpg`, "the file is another now");
});

testIn("what an update has done stays when it ends early", async (folder) => {
  const file = `${folder}/index.safetensors`;
  {
    await using index = await openIndex({ ...OPTIONS, file });
    await index.update(inFolder(folder, NAMES.slice(0, 1)));
    const stop = new AbortController();
    const images = async function* () {
      for (const name of NAMES.slice(1)) {
        yield { name, image: `${folder}/${name}` };
        if (name === "coffee.png") {
          // The first ones are in the index, and the source never ends.
          while (index.size < 3) await new Promise((resolve) => setTimeout(resolve));
          stop.abort(new Error("enough"));
          await new Promise(() => {});
        }
      }
    };
    await assertRejects(() => index.update(images(), { signal: stop.signal }), Error, "enough");
  }
  await using index = await openIndex({ ...OPTIONS, file });
  assertEquals([...index.pictures()].map(({ name }) => name), NAMES.slice(0, 3));
  const { kept, added } = await index.update(inFolder(folder, NAMES));
  assertEquals([kept, added], [3, 1]);
});

testIn(
  "an index of another model is refused, and made anew where that is asked for",
  async (folder) => {
    const file = `${folder}/index.safetensors`;
    {
      await using index = await openIndex({ ...OPTIONS, file });
      await index.update(inFolder(folder, NAMES));
    }
    for (
      const options of [{ model: "vgg16-tiny-imagenet" }, { precision: "float" }] as const
    ) {
      const error = await assertRejects(() => openIndex({ ...OPTIONS, file, ...options }));
      assert(isVggError(error, "index-other"), String(error));
    }
    {
      await using index = await openIndex({ ...OPTIONS, file, precision: "float", rebuild: true });
      assertEquals(index.size, 0);
      await index.update(inFolder(folder, NAMES.slice(1)));
    }
    await using index = await openIndex({ ...OPTIONS, file, precision: "float" });
    assertEquals(index.size, 3);
  },
);

testIn("an index knows a model whose weights alone are others", async (folder) => {
  const file = `${folder}/index.safetensors`, model = await resolveModel(OPTIONS.model);
  const inMemory = { ...model, sha256: undefined };
  for (
    const [own, other] of [
      [inMemory, reversedModel(inMemory)],
      [model, { ...model, sha256: "0a" }],
    ] as const
  ) {
    {
      await using index = await openIndex({ ...OPTIONS, model: own, file, rebuild: true });
      await index.update(inFolder(folder, NAMES.slice(0, 1)));
    }
    {
      await using index = await openIndex({ ...OPTIONS, model: own, file });
      assertEquals(index.size, 1);
    }
    const error = await assertRejects(() => openIndex({ ...OPTIONS, model: other, file }));
    assert(isVggError(error, "index-other"), String(error));
  }
});

testIn("a file that is no index is never replaced", async (folder) => {
  const file = `${folder}/boats.jpg`, before = await Deno.readFile(file);
  const error = await assertRejects(() => openIndex({ ...OPTIONS, file, rebuild: true }));
  assert(isVggError(error, "index-format"), String(error));
  assertEquals(await Deno.readFile(file), before);
});

testIn("one process at a time updates a file, and others search it", async (folder) => {
  const file = `${folder}/index.safetensors`;
  await using first = await openIndex({ ...OPTIONS, file });
  await first.update(inFolder(folder, NAMES));
  {
    using _lock = await lockBeside(file);
    await using second = await openIndex({ ...OPTIONS, file });
    assertEquals((await second.similar({ name: "cat.png" })).length, 3);
    const error = await assertRejects(() => second.update([]));
    assertMatch(String(error), /Another run writes .*index\.safetensors/);
  }
  assertEquals((await first.update(inFolder(folder, NAMES))).kept, 4);
  // In one process they wait for each other.
  const [a, b] = await Promise.all([first.update([]), first.update(inFolder(folder, NAMES))]);
  assertEquals([a.removed, b.added], [4, 4]);
});

testIn("pictures need names, and queries need to be known by theirs", async (folder) => {
  const index = await openIndex(OPTIONS);
  const bytes = await Deno.readFile(`${folder}/boats.jpg`);
  await assertRejects(() => index.update([bytes]), TypeError, "give { name, image }");
  const twice = [{ name: "a", image: bytes }, { name: "a", image: bytes }];
  assertEquals((await index.update(twice)).added, 1);
  // What is no file is known by its name.
  assertEquals((await index.update(twice)).kept, 1);
  await assertRejects(() => index.similar({ name: "b" }), RangeError, "no picture b");
  await assertRejects(() => index.similar("nowhere.jpg"), Deno.errors.NotFound);
  await assertRejects(() => index.similar(bytes, { topK: 0 }), RangeError, "topK");
  // @ts-expect-error: no such option
  await assertRejects(() => index.duplicates({ treshold: 1 }), RangeError, "threshold");
  await index.close();
  await index.close();
  assertEquals(index.closed, true);
  const error = await assertRejects(() => index.similar({ name: "a" }));
  assert(isVggError(error, "disposed"), String(error));
});

Deno.test("what is wrong with an index's options is said", async () => {
  // @ts-expect-error: no such value
  await assertRejects(() => openIndex({ precision: "half" }), RangeError, '"int8", "float"');
  await using index = await openIndex(OPTIONS);
  const smell = "smell" as "look";
  await assertRejects(
    () => index.similar("a", { by: smell }),
    RangeError,
    '"look", "meaning", "both"',
  );
});

import { assert, assertEquals, assertRejects } from "@std/assert";
import { checkEntry } from "../../lib/convert/pull/entry.ts";
import { pullModel } from "../../lib/convert/pull/pull.ts";
import { ModelNotFoundError } from "../../lib/errors.ts";
import { CATALOG, type CatalogEntry, findModel } from "../../lib/model/catalog.ts";
import catalog from "../../weights/catalog.json" with { type: "json" };
import { openModel } from "../../lib/model/file.ts";
import { resolveModel } from "../../lib/open_model.ts";

/** What is asked of the catalog's own entries besides what {@linkcode checkEntry} asks of any. */
const OWN: Readonly<Partial<Record<keyof CatalogEntry, RegExp>>> = {
  id: /^[a-z0-9]+(-[a-z0-9]+)*$/,
  file: /^([a-z0-9]+\/)?[a-z0-9-]+\.safetensors$/,
  package: /^@edge\/vgg16-[a-z0-9]+$/,
  format: /^(model|safetensors|PyTorch|Keras|Caffe|ONNX|numpy)$/,
  size: /^\d{7,}$/,
  sha256Prefix: /^.{8}$/,
  license: /^[A-Z]+[A-Za-z0-9.-]*$/, // an SPDX identifier
};

Deno.test("every field of the catalog is known and looks as it must", () => {
  assertEquals(Object.keys(catalog), ["version", "models"]);
  assertEquals(new Set(CATALOG.map(({ id }) => id)).size, CATALOG.length);
  for (const entry of CATALOG) {
    checkEntry(entry);
    for (const [name, pattern] of Object.entries(OWN)) {
      const value = entry[name as keyof CatalogEntry];
      assert(
        value === undefined || pattern.test(String(value)),
        `${entry.id}: ${name} is ${value}`,
      );
    }
    const accuracies = Object.values(entry.accuracy ?? {});
    assert(accuracies.every((accuracy) => accuracy > 0.5 && accuracy < 1), entry.id);
    for (const list of [entry.unknown, entry.unverified] as (readonly string[] | undefined)[]) {
      assert(list === undefined || list.length > 0 && new Set(list).size === list.length, entry.id);
    }
  }
});

Deno.test("what the catalog does not say about a checkpoint, it says that it does not know", () => {
  for (const entry of CATALOG) {
    if (entry.file !== undefined) continue;
    const hash = entry.sha256 ?? entry.sha256Prefix ?? entry.md5;
    const missing = Object.entries({ size: entry.size, hash, accuracy: entry.accuracy })
      .filter(([, value]) => value === undefined).map(([name]) => name);
    assertEquals<readonly string[]>(entry.unknown ?? [], missing, entry.id);
    assertEquals(entry.url === undefined, entry.page !== undefined, entry.id);
    // What is downloaded can be told from something else.
    if (entry.url !== undefined) assert(hash ?? entry.size, entry.id);
  }
});

Deno.test("the catalog's own models are known by their ids, of which one comes with the package", async () => {
  const own = CATALOG.filter(({ file }) => file !== undefined);
  assertEquals(own.map((entry) => [entry.id, entry.package]), [
    ["vgg16-imagenet200", undefined],
    ["vgg16-tiny-imagenet", "@edge/vgg16-small"],
    ["vgg16-cifar10", "@edge/vgg16-cifar10"],
  ]);
  for (const { id, file } of own) {
    const model = await resolveModel(id, { offline: true });
    assertEquals(model.id, id);
    assertEquals((await openModel(`weights/${file}`)).id, id);
  }
});

Deno.test("torchvision's file names end in the beginning of their hash", () => {
  const entries = CATALOG.filter(({ url }) => url?.startsWith("https://download.pytorch.org/"));
  assertEquals(entries.length, 8);
  for (const { url, sha256, sha256Prefix } of entries) {
    assertEquals(/-([0-9a-f]{8})\.pth$/.exec(url!)![1], (sha256 ?? sha256Prefix)!.slice(0, 8));
  }
});

Deno.test("a checkpoint that no program can download is not pulled, but its page is named", async () => {
  const { page } = findModel("vgg19-machrisaa")!;
  const error = await assertRejects(() => pullModel("vgg19-machrisaa"), ModelNotFoundError);
  assert(error.message.includes(page!), error.message);
});

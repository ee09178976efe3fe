import { assert, assertEquals, assertRejects } from "@std/assert";
import { pullModel } from "../../lib/convert/pull/pull.ts";
import { ModelNotFoundError } from "../../lib/errors.ts";
import { CATALOG, type CatalogEntry, findModel } from "../../lib/model/catalog.ts";
import catalog from "../../weights/catalog.json" with { type: "json" };

const EMBEDDED = new URL("../../weights/vgg16-cifar10.safetensors", import.meta.url);

/** Everything that an entry may have, and how it must look. */
const FIELDS: Readonly<Record<keyof CatalogEntry, (value: unknown) => boolean>> = {
  id: matches(/^[a-z0-9]+(-[a-z0-9]+)*$/),
  title: matches(/./),
  url: isHttp,
  page: isHttp,
  file: matches(/^[a-z0-9-]+\.safetensors$/),
  format: matches(/^(model|safetensors|PyTorch|Keras|Caffe|ONNX|numpy)$/),
  size: (value) => Number.isSafeInteger(value) && Number(value) > 1e6,
  sha256: matches(/^[0-9a-f]{64}$/),
  sha256Prefix: matches(/^[0-9a-f]{8}$/),
  md5: matches(/^[0-9a-f]{32}$/),
  preprocessing: matches(/^(torch|caffe|embedded)$/),
  labels: (value) => value === null || value === "imagenet" || value === "cifar10",
  license: matches(/^[A-Z]+[A-Za-z0-9.-]*$/), // an SPDX identifier
  accuracy: (value) => Object.values(value as object).every((a) => a > 0.5 && a < 1),
  unknown: areOf("size", "hash", "accuracy"),
  unverified: areOf("url", "license"),
};

function matches(pattern: RegExp): (value: unknown) => boolean {
  return (value) => typeof value === "string" && pattern.test(value);
}

function areOf(...allowed: string[]): (value: unknown) => boolean {
  return (value) =>
    Array.isArray(value) && value.length > 0 && new Set(value).size === value.length &&
    value.every((item) => allowed.includes(item));
}

function isHttp(value: unknown): boolean {
  return /^https?:$/.test(new URL(String(value)).protocol);
}

Deno.test("every field of the catalog is known and looks as it must", () => {
  assertEquals(Object.keys(catalog), ["version", "models"]);
  assertEquals(new Set(CATALOG.map(({ id }) => id)).size, CATALOG.length);
  for (const entry of CATALOG) {
    for (const [name, value] of Object.entries(entry)) {
      assert(Object.hasOwn(FIELDS, name), `${entry.id} has the field ${name}`);
      assert(FIELDS[name as keyof CatalogEntry](value), `${entry.id}: ${name} is ${value}`);
    }
    for (const name of ["id", "title", "format", "preprocessing", "labels", "license"] as const) {
      assert(entry[name] !== undefined, `${entry.id} lacks ${name}`);
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

Deno.test("the model that comes with the package is as large as the catalog says", async () => {
  const embedded = CATALOG.filter(({ file }) => file !== undefined);
  assertEquals(embedded.map(({ id }) => id), ["vgg16-cifar10"]);
  assertEquals(embedded[0].size, (await Deno.stat(EMBEDDED)).size);
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

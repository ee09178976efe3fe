/** Whether an entry of the catalog is as it must be, and how far it tells its checkpoint from others. */

import type { CatalogEntry } from "../../model/catalog.ts";
import { isRecord } from "../../model/json.ts";
import type { Verification } from "../../model/model.ts";
import { publicText } from "../../public_url.ts";

/** What there is to verify a checkpoint by: the strongest that an entry has. */
export function verificationOf({ sha256, sha256Prefix, md5 }: CatalogEntry): Verification {
  if (sha256 !== undefined) return "sha256";
  if (md5 !== undefined) return "md5";
  return sha256Prefix === undefined ? "nothing" : "sha256Prefix";
}

type Field = readonly [is: (value: unknown) => boolean, called: string];

const matches = (pattern: RegExp, called: string): Field => [
  (value) => typeof value === "string" && pattern.test(value),
  called,
];
const listOf = (...words: string[]): Field => [
  (value) => Array.isArray(value) && value.every((item) => words.includes(item)),
  `a list of ${words.join(", ")}`,
];
const oneOf = (...values: unknown[]): Field => [
  (value) => values.includes(value),
  `one of ${values.join(", ")}`,
];
const SOME_TEXT = matches(/./, "a text");
const WEB_URL = matches(/^https?:\/\/[^/]/, "an http or https URL");

/** Every field of an entry, and what it must be. An empty hash would be no hash. */
const FIELDS: Readonly<Record<keyof CatalogEntry, Field>> = {
  id: matches(/^\w[\w.-]*$/, "a name of letters, digits, dots and dashes"),
  title: SOME_TEXT,
  url: WEB_URL,
  page: WEB_URL,
  file: SOME_TEXT,
  package: SOME_TEXT,
  format: SOME_TEXT,
  size: [(value) => Number.isSafeInteger(value) && Number(value) > 0, "a number of bytes"],
  sha256: matches(/^[0-9a-f]{64}$/, "64 hex digits, in lower case"),
  sha256Prefix: matches(/^[0-9a-f]{8,63}$/, "8 hex digits or more, in lower case"),
  md5: matches(/^[0-9a-f]{32}$/, "32 hex digits, in lower case"),
  preprocessing: oneOf("torch", "caffe", "mean", "embedded"),
  labels: oneOf("imagenet", "tiny-imagenet", "cifar10", null),
  license: SOME_TEXT,
  accuracy: [
    (value) => isRecord(value) && Object.values(value).every((part) => Number.isFinite(part)),
    "numbers by the names of measures",
  ],
  unknown: listOf("size", "hash", "accuracy"),
  unverified: listOf("url", "license"),
};
const REQUIRED = ["id", "title", "format", "preprocessing", "labels", "license"] as const;

/**
 * Checks an entry, wherever it comes from.
 *
 * @throws {RangeError} Naming the first field that is unknown, missing or not as it must be.
 */
export function checkEntry(entry: CatalogEntry): void {
  const fields = Object.entries(entry).filter(([, value]) => value !== undefined);
  const missing = REQUIRED.find((name) => entry[name] === undefined);
  if (missing !== undefined) throw new RangeError(`Catalog entry ${entry.id} has no ${missing}`);
  for (const [name, value] of fields) {
    if (!Object.hasOwn(FIELDS, name)) {
      throw new RangeError(`Catalog entry ${entry.id} has a field ${name}, which none has`);
    }
    const [is, called] = FIELDS[name as keyof CatalogEntry];
    if (is(value)) continue;
    const found = typeof value === "string" ? JSON.stringify(publicText(value)) : String(value);
    throw new RangeError(`${name} of catalog entry ${entry.id} must be ${called}: found ${found}`);
  }
}

/** What is read, downloaded, kept and removed. */

import type { ChosenMutant } from "../../tools/chosen_mutants.ts";

const SOURCE = { file: "lib/io/http_source.ts", test: "tests/io/http_source_test.ts" };
const RETRY = { file: "lib/io/http_retry.ts", test: "tests/io/http_retry_test.ts" };
const DOWNLOAD = {
  file: "lib/io/download.ts",
  test: "tests/convert/pull/resume_test.ts",
  filter: "a part whose note is of another URL",
};

export const MUTANTS: readonly ChosenMutant[] = [
  {
    ...SOURCE,
    name: "a changed ETag is not noticed",
    before: "(this.validator !== undefined && validator !== this.validator) ||",
    after: "",
  },
  {
    ...SOURCE,
    name: "a changed size is not noticed",
    before: "(this.size !== undefined && size !== undefined && size !== this.size);",
    after: "false;",
  },
  {
    ...SOURCE,
    name: "a range from elsewhere is taken for the one that was asked for",
    before: "if (response.status === 206 && Number(begin) !== this.#position) {",
    after: "if (false) {",
  },
  {
    ...SOURCE,
    name: "a range is asked for whatever the version",
    before: 'if (this.validator !== undefined) headers.set("if-range", this.validator);',
    after: "",
  },
  {
    ...SOURCE,
    name: "a weak ETag is taken for a version",
    before: 'etag !== null && !etag.startsWith("W/")',
    after: "etag !== null",
  },
  {
    ...SOURCE,
    name: "a file that ends at another size than was promised is taken",
    before: "if (this.size === undefined || this.#position === this.size) return undefined;",
    after: "return undefined;",
  },
  {
    ...SOURCE,
    name: "a range that begins behind another version's end is taken for its end",
    before: "if (total < offset || total !== (this.size ?? total)) {",
    after: "if (false) {",
  },
  {
    ...RETRY,
    name: "Retry-After is not obeyed",
    before: "const asked = Math.min(interruption.retryAfterMs ?? 0, MAX_BACKOFF_MS);",
    after: "const asked = 0;",
  },
  {
    ...RETRY,
    name: "Retry-After may ask for any pause",
    before: "const asked = Math.min(interruption.retryAfterMs ?? 0, MAX_BACKOFF_MS);",
    after: "const asked = interruption.retryAfterMs ?? 0;",
  },
  {
    ...RETRY,
    name: "pauses do not grow",
    before: "FIRST_BACKOFF_MS * 2 ** (failures - 1)",
    after: "FIRST_BACKOFF_MS",
  },
  {
    ...RETRY,
    name: "a pause cannot be ended",
    before: "asked), { signal });",
    after: "asked));",
  },
  {
    ...SOURCE,
    name: "a server's Retry-After gets lost",
    before: "throw new Interruption(await refusal(response), status, retryAfterMs(response));",
    after: "throw new Interruption(await refusal(response), status);",
  },
  {
    file: "lib/io/hash.ts",
    name: "MD5 and SHA-256 are exchanged",
    before: "[algorithm, createHash(algorithm)]",
    after: '[algorithm, createHash(algorithm === "md5" ? "sha256" : "md5")]',
    test: "tests/convert/pull/pull_test.ts",
  },
  {
    file: "lib/io/download.ts",
    name: "a SHA-256 is not held against the file",
    before: 'checkHash(url, "SHA-256", sha256, found.sha256);',
    after: "",
    test: "tests/convert/pull/pull_test.ts",
  },
  {
    file: "lib/io/download.ts",
    name: "an MD5 is not held against the file",
    before: 'checkHash(url, "MD5", md5, found.md5);',
    after: "",
    test: "tests/convert/pull/pull_test.ts",
  },
  {
    file: "lib/io/download.ts",
    name: "an MD5 is held against the SHA-256",
    before: 'checkHash(url, "MD5", md5, found.md5);',
    after: 'checkHash(url, "MD5", md5, found.sha256);',
    test: "tests/convert/pull/pull_test.ts",
  },
  {
    ...DOWNLOAD,
    name: "a part of another URL is taken up",
    before: "note?.url === publicUrl(url) && typeof",
    after: "note !== undefined && typeof",
  },
  {
    ...DOWNLOAD,
    name: "a part of a version that nobody knows is taken up",
    before:
      ' && typeof note.validator === "string") {\n      return { offset, validator: note.validator };',
    after: ") {\n      return { offset, validator: String(note.validator) };",
  },
  {
    ...DOWNLOAD,
    name: "a link in a part's place is written through",
    before: "if (await exists(path) && !await isLink(path)) {",
    after: "if (await exists(path)) {",
    test: "tests/io/download_test.ts",
    filter: "link",
  },
  {
    file: "lib/io/cache.ts",
    name: "models remove leaves .part files",
    before: "if (name !== model && !name.startsWith(`${model}.`)) continue;",
    after: "if (name !== model) continue;",
    test: "tests/convert/pull/resume_test.ts",
    filter: "removeModel",
  },
  {
    file: "lib/io/cache.ts",
    name: "models remove takes models whose names begin alike",
    before: "!name.startsWith(`${model}.`)",
    after: "!name.startsWith(id)",
    test: "tests/convert/pull/resume_test.ts",
    filter: "removeModel",
  },
  {
    file: "lib/io/wrapped_file.ts",
    name: "a server is asked again for the first bytes of a model in a module",
    before: "known = this.head.subarray(at, at + into.length)",
    after: "known = this.head.subarray(0, 0)",
    test: "tests/io/wrapped_file_test.ts",
  },
  {
    file: "lib/system/node.ts",
    name: "a lock is held by whoever has got its process's number",
    before: "return start === undefined || start === UNKNOWN || now === UNKNOWN || start === now;",
    after: "return true;",
    test: "tests/system/node_test.ts",
  },
  {
    file: "lib/system/node.ts",
    name: "who takes over a lock removes what another has put there",
    before: "    if (isHeld(fs, place)) return false;\n    fs.rmSync(place, { force: true });",
    after: "    fs.rmSync(place, { force: true });",
    test: "tests/system/node_test.ts",
  },
  {
    file: "lib/search/search_index.ts",
    name: "copies are looked for while an update moves pictures",
    before: "const found = this.#inTurn(find);",
    after: "const found = find();",
    test: "tests/search/search_index_test.ts",
    filter: "copies are looked for once",
  },
  {
    file: "lib/cli/line_file.ts",
    name: "lines are added to a file that another run has begun",
    before: "written.describe().size === kept",
    after: "true",
    test: "tests/cli/line_file_test.ts",
  },
  {
    file: "lib/convert/repository/hub.ts",
    name: "two revisions have one model in the cache",
    before: 'replaceAll("/", "+")',
    after: 'replaceAll("/", "--")',
    test: "tests/convert/repository/hub_test.ts",
  },
  {
    ...SOURCE,
    name: "halves of two versions are one file, where nobody has its hash",
    before: "this.validator === undefined && this.options.oneVersion",
    after: "false",
  },
];

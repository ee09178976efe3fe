/** What a model file may say, which only its document's own checks hold back: a hostile one has a valid hash. */

import type { ChosenMutant } from "../../tools/chosen_mutants.ts";

const DOCUMENT = { file: "lib/model/document.ts", test: "tests/model/document_test.ts" };
const FILE = { file: "lib/model/file.ts", test: "tests/model/file_test.ts" };
const HEADER = { file: "lib/model/safetensors.ts", test: "tests/model/file_test.ts" };

/** A check that is not made. */
const unchecked = (condition: string): Pick<ChosenMutant, "before" | "after"> => ({
  before: `if (${condition})`,
  after: "if (false)",
});

export const MUTANTS: readonly ChosenMutant[] = [
  {
    ...DOCUMENT,
    name: "a document of any version is read",
    ...unchecked("!Object.values<unknown>(VERSIONS).includes(document.version)"),
  },
  {
    ...DOCUMENT,
    name: "a document says more than its version allows",
    ...unchecked("document.version as number < least"),
  },
  {
    ...DOCUMENT,
    name: "there may be any number of labels",
    ...unchecked("labels.length !== count"),
  },
  { ...DOCUMENT, name: "a model needs no id", ...unchecked('typeof id !== "string" || id === ""') },
  {
    ...DOCUMENT,
    name: "ids may be equal",
    before: "new Set(ids).size < ids.length",
    after: "false",
  },
  {
    ...DOCUMENT,
    name: "there may be any number of ids",
    before: '(isArrayOf(ids, "string") && ids.length === labels.length)',
    after: 'isArrayOf(ids, "string")',
  },
  {
    ...DOCUMENT,
    name: "an image may be resized to less than the input",
    ...unchecked('resize === "shorter-side" && size < Math.max(input.height, input.width)'),
  },
  {
    ...DOCUMENT,
    name: "an image's scale may be 0",
    before: '!(scale > 0)) return "preprocessing.scale',
    after: 'false) return "preprocessing.scale',
  },
  {
    ...DOCUMENT,
    name: "an image's mean may have any number of colors",
    before: " || mean.length !== input.channels",
    after: "",
  },
  {
    ...DOCUMENT,
    name: "an image's deviation may be 0",
    before: " || !std.every((s) => s > 0)",
    after: "",
  },
  {
    ...DOCUMENT,
    name: "an image's deviation may have any number of colors",
    before: " || std.length !== input.channels",
    after: "",
  },
  {
    ...DOCUMENT,
    name: "an input may have any size",
    before: "!isPositive(height, 8192) || !isPositive(width, 8192) || ",
    after: "",
  },
  {
    ...DOCUMENT,
    name: "an input may have any number of channels",
    before: " || (channels !== 1 && channels !== 3)",
    after: "",
  },
  {
    ...DOCUMENT,
    name: "a layer may have any number of channels",
    before: "value.every((size) => isPositive(size, 1 << 20));",
    after: "true;",
  },
  {
    ...DOCUMENT,
    name: "chunks may have any size",
    before: "areHashes && isPositive(chunkBytes, 1 << 26)",
    after: "areHashes",
  },
  {
    ...DOCUMENT,
    name: "hashes may be any texts",
    before: " && sha256.every((s) => /^[0-9a-f]{64}$/.test(s))",
    after: "",
  },
  {
    ...FILE,
    name: "scales may be 0 or below",
    before: "s > 0 && s < Infinity",
    after: "s < Infinity",
  },
  { ...FILE, name: "scales may be infinite", before: "s > 0 && s < Infinity", after: "s > 0" },
  {
    ...FILE,
    name: "biases may be no numbers",
    before: " || !bias.every(Number.isFinite)",
    after: "",
  },
  {
    ...FILE,
    name: "a readout's values may be no numbers",
    ...unchecked("!floats.every(Number.isFinite)"),
    test: "tests/model/readout_test.ts",
  },
  {
    ...FILE,
    name: "a readout's examples may be of classes that there are not",
    ...unchecked('head.kind === "nearest" && !head.classes.every(isClass)'),
    test: "tests/model/readout_test.ts",
  },
  { ...FILE, name: "a weight may be -128", ...unchecked("data.includes(-128)") },
  {
    ...FILE,
    name: "there may be more tensors than the document names",
    before: "header.tensors.length !== expected.length || ",
    after: "",
  },
  {
    ...FILE,
    name: "there may be any number of chunks' hashes",
    before: " || sha256.length !== chunks) {",
    after: ") {",
  },
  {
    ...FILE,
    name: "a tensor may have another shape than the document says",
    before: " && String(found.shape) === String(shape)",
    after: "",
  },
  {
    ...FILE,
    name: "a tensor may have another type than the document says",
    before: " && found.dtype === dtype",
    after: "",
  },
  {
    ...FILE,
    name: "the header's hash is not held against the header",
    before: "const sha256 = await verifyHeader(header.bytes, name);",
    after: 'const sha256 = await verifyHeader(header.bytes, name).catch(() => "");',
  },
  {
    ...HEADER,
    name: "a header may have any size",
    before: "length < 2 || length > MAX_HEADER_BYTES",
    after: "length < 2",
  },
  {
    ...HEADER,
    name: "a header may have 8 MiB and more by some",
    before: "length > MAX_HEADER_BYTES",
    after: "length > 2 * MAX_HEADER_BYTES",
  },
  {
    ...HEADER,
    name: "tensors may overlap",
    before: "begin !== position",
    after: "begin > position",
  },
  {
    ...HEADER,
    name: "tensors may have gaps between them",
    before: "begin !== position",
    after: "begin < position",
  },
  {
    ...HEADER,
    name: "a tensor may have other bytes than its shape needs",
    before: "if (end - begin === bytes) {",
    after: "{",
  },
  {
    ...HEADER,
    name: "a file may have bytes after its last tensor",
    before: "if (source.size === undefined || source.size === position) return;",
    after: "if (source.size === undefined || source.size >= position) return;",
  },
];

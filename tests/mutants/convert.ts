/** What checkpoints may refer to and claim, and how a conversion ends. */

import type { ChosenMutant } from "../../tools/chosen_mutants.ts";

const ONNX = {
  file: "lib/convert/formats/onnx/tensor.ts",
  test: "tests/convert/formats/onnx_weights_test.ts",
};
const TFJS = {
  file: "lib/convert/formats/tfjs/read.ts",
  test: "tests/convert/formats/tfjs_test.ts",
};
const ZIP = { file: "lib/convert/formats/zip.ts", test: "tests/convert/formats/zip_test.ts" };

export const MUTANTS: readonly ChosenMutant[] = [
  {
    file: "lib/convert/formats/numpy/npy.ts",
    name: "arrays of the other byte order are read as this machine's",
    before: 'order !== ">"',
    after: "true",
    test: "tests/convert/formats/numpy_test.ts",
  },
  {
    ...ONNX,
    name: "external data may lie in any folder",
    before: '!/^[^/\\\\:]+$/.test(location) || location === ".." || ',
    after: "",
  },
  {
    ...ONNX,
    name: "external data may lie in a folder below",
    before: "!/^[^/\\\\:]+$/.test(location)",
    after: "/^\\.\\.|^\\//.test(location)",
  },
  {
    ...ONNX,
    name: "external data may lie in a folder by a backslash or a drive",
    before: "!/^[^/\\\\:]+$/.test(location)",
    after: "!/^[^/]+$/.test(location)",
  },
  {
    ...ONNX,
    name: "external data may be the folder above",
    before: ' || location === ".."',
    after: "",
  },
  {
    ...ONNX,
    name: "external data may lie beyond the end",
    before: "if (offset < 0 || offset + byteLength(tensor) > (file.size ?? Infinity)) {",
    after: "if (false) {",
  },
  {
    ...TFJS,
    name: "a shard may lie in any folder",
    before: "/^(?:\\.\\/)?([^/\\\\:]+)$/",
    after: "/^(?:\\.\\/)?(.+)$/",
  },
  {
    ...TFJS,
    name: "a shard may lie in a folder by a backslash or a drive",
    before: "/^(?:\\.\\/)?([^/\\\\:]+)$/",
    after: "/^(?:\\.\\/)?([^/]+)$/",
  },
  { ...TFJS, name: "a shard may be the folder above", before: ' || name === ".."', after: "" },
  {
    file: "lib/convert/formats/sharded.ts",
    name: "a list's file may lie in any folder",
    before: 'if (!/^[^/\\\\:]+$/.test(name) || name === "..") fail',
    after: "if (false) fail",
    test: "tests/convert/formats/sharded_test.ts",
  },
  {
    ...ZIP,
    name: "sizes of 64 bits are not read",
    before: "return value === 0xffffffff ? wide.shift() ?? value : value;",
    after: "return value;",
  },
  {
    ...ZIP,
    name: "sizes of 64 bits are taken in another order",
    before: "wide.shift() ?? value",
    after: "wide.pop() ?? value",
  },
  {
    ...ZIP,
    name: "a directory of 64 bits is not found",
    before: "if (!isWide) return end;",
    after: "return end;",
  },
  {
    ...ZIP,
    name: "another field is taken for that of 64 bits",
    before: "view.getUint16(at, true) === 1 && ",
    after: "",
  },
  {
    ...ZIP,
    name: "entries may share their bytes",
    before: "checkPlaces(source, entries, offset);",
    after: "",
    test: "tests/convert/refusals_test.ts",
    filter: "share their bytes",
  },
  {
    file: "lib/convert/quantize/layer.ts",
    name: "an abort does not end quantizing",
    before: "await takeTurn(conversion.signal);",
    after: "await takeTurn(undefined);",
    test: "tests/convert/quantize/layer_test.ts",
  },
  {
    file: "lib/convert/source.ts",
    name: "an abort does not end reading a checkpoint",
    before: "      signal.throwIfAborted();\n      return source.read(offset, into);",
    after: "      return source.read(offset, into);",
    test: "tests/abort_test.ts",
    filter: "reads no more of what it opens",
  },
  {
    file: "lib/io/hash.ts",
    name: "an abort does not end hashing",
    before: "await takeTurn(signal);",
    after: "await takeTurn(undefined);",
    test: "tests/io/hash_test.ts",
  },
  {
    file: "lib/convert/formats/hdf5/hdf5_library.ts",
    name: "texts of an HDF5 file may have any number of bytes",
    before: "this.#bytes > MAX_TEXT_BYTES",
    after: "false",
    test: "tests/convert/formats/hdf5_test.ts",
    filter: "texts of 16 MiB",
  },
  {
    file: "lib/convert/formats/hdf5/hdf5_thread.ts",
    name: "a thread that is woken late takes the last bytes for the next",
    before: "while (Atomics.load(word, 0) === WINDOW.waiting) Atomics.wait",
    after: "Atomics.wait",
    test: "tests/convert/formats/hdf5_test.ts",
    filter: "woken before its bytes",
  },
  {
    file: "lib/convert/formats/hdf5/hdf5_sandbox.ts",
    name: "a closed HDF5 file keeps its thread",
    before: ".finally(() => this.lease[Symbol.dispose]())",
    after: ".finally(() => {})",
    test: "tests/convert/formats/hdf5_test.ts",
    filter: "closed file's thread",
  },
  {
    file: "lib/convert/formats/tensorflow/saved_model.ts",
    name: "an identity of nothing is an error that nobody understands",
    before: 'place.node.inputs[0] ?? ""',
    after: "place.node.inputs[0]!",
    test: "tests/convert/formats/restored_keys_test.ts",
  },
];

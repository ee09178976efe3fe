import { assert, assertEquals, assertRejects } from "@std/assert";
import { convert } from "../../../lib/convert/convert.ts";
import { UNREAD, UNREAD_BY_NAME } from "../../../lib/convert/formats/unread.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";

/** Bytes, a character each. */
const latin1 = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(text, (character) => character.charCodeAt(0));
/** A field of a protocol buffer that holds so many zeros. */
const field = (number: number, length: number): string => {
  const tag = number << 3 | 2;
  const digits = tag < 128 ? [tag] : [tag & 127 | 128, tag >> 7];
  return String.fromCharCode(...digits, length) + "\0".repeat(length);
};

/** A file's name, how it begins, and what is said of it and of what to do. */
const FILES: readonly (readonly [name: string, begin: string, ...said: string[]])[] = [
  ["vgg16.pth", "", "an empty file", "again"],
  [
    "model.safetensors",
    "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 553433881\n",
    "a pointer of Git LFS",
    "git lfs pull",
  ],
  ["vgg16.pth", "<!DOCTYPE html><html><head><title>Sign in</title>", "a web page", "download"],
  ["vgg16.h5", "\n<!-- Saved -->\n<HTML>", "a web page"],
  ["vgg16.npz", '<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code>', "error message"],
  ["vgg16.npz", '{"error":"Repository not found"}', "a server's error message"],
  ["vgg16.pth", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "an image"],
  ["vgg16.pth", "\xff\xd8\xff\xe0\0\x10JFIF", "an image"],
  ["1409.1556.pdf", "%PDF-1.5\n", "a PDF document"],
  ["vgg_16_2016_08_28.tar.gz", "\x1f\x8b\x08\0\0\0\0\0", "compressed with gzip", "unpack it"],
  ["vgg.pth.bz2", "BZh91AY&SY", "bzip2"],
  ["vgg.pth.xz", "\xfd7zXZ\0\0\x04", "xz"],
  ["vgg.pth.zst", "\x28\xb5\x2f\xfd\x04", "Zstandard"],
  ["vgg.lz4", "\x04\x22\x4d\x18", "LZ4"],
  ["vgg.7z", "7z\xbc\xaf\x27\x1c\0\x04", "a 7z archive"],
  ["vgg.rar", "Rar!\x1a\x07\x01\0", "a RAR archive"],
  ["vgg.tar", "vgg/".padEnd(257, "\0") + "ustar\0", "a tar archive", "unpack it"],
  ["vgg.joblib", "\x78\x9c\x01\x02", "zlib", "numpy.savez"],
  [
    "VGG16.mlmodel",
    "\x08\x04" + field(2, 5) + field(500, 9),
    "a Core ML model",
    "convert the checkpoint that it was made of",
  ],
  ["VGG16.mlmodel", "\x08\x01" + "\x12" + "\0".repeat(90), "a Core ML model"],
  [
    "Manifest.json",
    '{"fileFormatVersion": "1.0.0", "itemInfoEntries": {}}',
    "Core ML package",
  ],
  ["vgg16-0000.params", "\x12\x01\0\0\0\0\0\0\0\0\0\0", "an MXNet checkpoint", "export_model"],
  ["vgg16-symbol.json", '{\n  "nodes": [\n    {\n      "op": "null",', "an MXNet network"],
  [
    "vgg16.xml",
    '<?xml version="1.0"?>\n<net name="torch_jit" version="11">',
    "an OpenVINO network without its weights",
  ],
  ["vgg16.xml", '<?xml version="1.0"?><rss>', "an XML document"],
  ["vgg16-f16.gguf", "GGUF\x03\0\0\0", "a GGUF file"],
  ["vgg16.bin", "lmgg\x01\0\0\0", "a GGML file"],
  ["vgg.t7", "\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1\x0d\0\0\0nn.Sequential", "Torch7", "state_dict"],
  ["vgg_ascii.t7", "4\n1\n3\nV 1\n13\nnn.Sequential", "Torch7"],
  ["_METADATA", "{\"tree_metadata\": {\"('conv1_1', 'bias')\": {", "Orbax", "safetensors"],
  ["manifest.ocdbt", "\x0c\xdb\x3a\x2as\0\0\0", "Orbax"],
  ["vgg.dnn", "B\0C\0N\0\0\0", "a CNTK model", "ONNX"],
  ["init_net.pb", field(1, 3) + field(2, 9) + field(7, 4), "a Caffe2 network"],
  ["vgg16.engine", "ftrt\0\0\0\0", "a TensorRT engine"],
  ["vgg16.plan", "\x07\x08\x09", "a TensorRT engine"],
  ["vgg16.rknn", "RKNN\0\0\0\0", "an RKNN model"],
  ["vgg16.ort", "\x1c\0\0\0ORTM", "an ONNX Runtime model"],
  ["vgg16.ptl", "\x1c\0\0\0PTMF", "mobile devices"],
  ["vgg16.pte", "\x1c\0\0\0ET12", "an ExecuTorch program"],
  ["vgg16.param", "7767517\n23 23\nInput data 0 1 data", "an ncnn network"],
  ["vgg16.bin", "\x34\x2c\x3a\x26\xdc\x2e", "numbers alone", "model.json"],
  ["inference.pdmodel", field(1, 40) + field(4, 2), "a Paddle network", ".pdparams"],
  ["inference.json", '{"base_code":{"magic":"pir"}', "a Paddle network"],
  ["inference.pdiparams", "\0\0\0\0\0\0\0\0\0\0\0\0\x06", "Paddle's weights for inference"],
  ["vgg16.mnn", "\x18\0\0\0\0\0", "an MNN or TNN model"],
  ["vgg_ascii.t7", "9\n1\n", "Torch7"],
  [
    "model-00001-of-00002.safetensors",
    "\x02\0\0\0\0\0\0\0{}",
    "one of several files",
    "index.json",
  ],
  ["pytorch_model-00002-of-00002.bin", "PK\x03\x04", "one of several files"],
  [
    "imagenet_mean.binaryproto",
    "\x08\x01\x10\x03\x18\x02\x20\x02" + field(5, 48),
    "a mean image of Caffe",
    "--preprocess",
  ],
  [
    "vgg_iter_1000.solverstate",
    "\x08\xe8\x07\x12\x18vgg_iter_1000.caffemodel" + field(3, 9) + "\x20\x01",
    "the state of Caffe's solver",
    "give the .caffemodel",
  ],
  ["events.out.tfevents.1480000000.host", "\x18\0\0\0\0\0\0\0\xa3", "a log for TensorBoard"],
  ["model.onnx.data", "\x34\x2c\x3a\x26\xdc\x2e", "weights of an ONNX model", ".onnx file"],
  ["frozen_graph.pbtxt", 'node {\n  name: "image"\n', "a TensorFlow graph as text", "binary"],
  [
    "vgg_16.ckpt.meta",
    "\n\x10\x12\x0e\n\x06\n\x03Add",
    "the graph of a TensorFlow checkpoint",
    "give the .index",
  ],
  [
    "checkpoint",
    'model_checkpoint_path: "vgg_16.ckpt-1000"\n',
    "TensorFlow's list of a folder's checkpoints",
    ".data file",
  ],
  ["vgg16.txt", '<\n  ir_version: 8,\n  opset_import: ["" : 17]\n>', "an ONNX model as text"],
  [
    "VGG_ILSVRC_16_layers_deploy.prototxt",
    '# VGG\nname: "VGG_ILSVRC_16_layers"\ninput: "data"\n',
    "Caffe's description of a network",
    "give the .caffemodel",
  ],
  ["vgg-16.cfg", "# vgg\n[net]\nbatch=1\n", "Darknet's description", "give the .weights file"],
  [
    "config.json",
    '{"architectures": ["VGG"], "num_classes": 10}',
    "the configuration of a Hugging Face model",
    "model.safetensors",
  ],
  ["model.json", '{"module": "keras", "class_name": "Functional"}', "Keras' description"],
  ["model.yaml", "backend: tensorflow\nclass_name: Sequential\n", "Keras' description"],
  ["notes.txt", "What is this?", "of no format that is read", "safetensors"],
];

for (const [name, begin, ...said] of FILES) {
  Deno.test(`${name} is refused as what it is: ${said[0]}`, async () => {
    const file = new File([latin1(begin)], name);
    const error = await assertRejects(() => convert(file), CheckpointFormatError);
    assertEquals([error.code, error.file], ["checkpoint-unsupported", name]);
    for (const words of [name, ...said]) {
      assert(error.message.includes(words), `"${words}" is not in: ${error.message}`);
    }
  });
}

Deno.test("each format that is not read is tried", () => {
  const tried = FILES.map(([, , what]) => what);
  for (const { what } of [...UNREAD, ...UNREAD_BY_NAME]) {
    assert(tried.some((words) => what.includes(words)), `no file is ${what}`);
  }
});

// deno-lint-ignore-file no-control-regex -- a file's bytes are matched, a character each.
/** Formats that are not read, but known: people are told what they have, and what to do. */

import type { Head } from "./head.ts";

/** A format that is not read. */
export interface UnreadFormat {
  /** With its article, after "is". */
  readonly what: string;
  /** What to do, as an imperative. */
  readonly instead: string;
  is(head: Head): boolean;
}

const FROM_SOURCE =
  "convert the checkpoint that it was made of, or export the network behind it to ONNX";
const UNPACK = "unpack it, and convert the checkpoint in it";
const DOWNLOAD = "download the file itself";
const CHECKPOINT = "give the checkpoint";
const PADDLE = "save the state_dict (.pdparams) of the layer behind it, and convert that";
const MXNET = "export it to ONNX with mxnet.onnx.export_model, and convert that";

/** Whether the file begins so. */
const begins = (pattern: RegExp) => ({ text }: Head): boolean => pattern.test(text);
/** Whether it is text that begins so. */
const isText = (pattern: RegExp) => ({ text }: Head): boolean =>
  pattern.test(text) && !/[\0-\x08\x0e-\x1a]/.test(text);
/** Whether it is a JSON object that has such text near its beginning. */
const isJson = (pattern: RegExp) => ({ text }: Head): boolean =>
  /^(\xef\xbb\xbf)?\s*\{/.test(text) && pattern.test(text);
/** Whether its name ends so, where its bytes tell nothing. */
const isCalled = (ending: RegExp) => ({ name }: Head): boolean => ending.test(name);
const any = (...tests: UnreadFormat["is"][]) => (head: Head): boolean =>
  tests.some((is) => is(head));

/** Told by their bytes, in this order, before the formats that are read. */
export const UNREAD: readonly UnreadFormat[] = [
  // No checkpoints.
  { what: "an empty file", instead: "copy or download it again", is: begins(/^$/) },
  {
    what: "a pointer of Git LFS, which stands for the file",
    instead: `${DOWNLOAD}, with \`git lfs pull\``,
    is: begins(/^version https:\/\/git-lfs\./),
  },
  {
    what: "a web page",
    instead: `${DOWNLOAD}, whose link may be on the page`,
    is: begins(/^(\xef\xbb\xbf)?\s*(<!--[^]*?-->\s*)?<(!doctype\s+html|html|head|body)\b/i),
  },
  {
    what: "a server's error message",
    instead: `look into it, and ${DOWNLOAD}`,
    is: any(
      begins(/^\s*(<\?xml[^>]*>\s*)?<Error>/),
      isJson(/^\s*\{\s*"(error|errors|message|detail)"\s*:/),
    ),
  },
  {
    what: "an image",
    instead: CHECKPOINT,
    is: begins(/^(\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a|BM[^]{4}\0{4}|RIFF[^]{4}WEBP|II\*\0|MM\0\*)/),
  },
  { what: "a PDF document", instead: CHECKPOINT, is: begins(/^%PDF-/) },

  // Archives.
  { what: "compressed with gzip", instead: UNPACK, is: begins(/^\x1f\x8b\x08/) },
  { what: "compressed with bzip2", instead: UNPACK, is: begins(/^BZh[1-9]1AY&SY/) },
  { what: "compressed with xz", instead: UNPACK, is: begins(/^\xfd7zXZ\0/) },
  { what: "compressed with Zstandard", instead: UNPACK, is: begins(/^\x28\xb5\x2f\xfd/) },
  { what: "compressed with LZ4", instead: UNPACK, is: begins(/^\x04\x22\x4d\x18/) },
  { what: "a 7z archive", instead: UNPACK, is: begins(/^7z\xbc\xaf\x27\x1c/) },
  { what: "a RAR archive", instead: UNPACK, is: begins(/^Rar!\x1a\x07/) },
  { what: "a tar archive", instead: UNPACK, is: begins(/^[^]{257}ustar/) },
  {
    what: "compressed with zlib, as joblib does it",
    instead: "load it, and write its arrays with numpy.savez",
    is: begins(/^(ZF0x|\x78[\x01\x5e\x9c\xda])/),
  },

  // Other frameworks' networks.
  {
    what: "a Core ML model",
    instead: FROM_SOURCE,
    is: ({ fields, name }) =>
      /^1:0 2:2 .*\b[2-9]\d\d:2 /.test(fields) || (/\.mlmodel$/.test(name) && /^1:0 /.test(fields)),
  },
  {
    what: "the list of files of a Core ML package",
    instead: FROM_SOURCE,
    is: isJson(/"(itemInfoEntries|rootModelIdentifier)"/),
  },
  { what: "an MXNet checkpoint (.params)", instead: MXNET, is: begins(/^\x12\x01\0{6}/) },
  {
    what: "an MXNet network without its weights (-symbol.json)",
    instead: MXNET,
    is: isJson(/^\s*\{\s*"nodes"\s*:\s*\[\s*\{\s*"op"/),
  },
  {
    what: "an OpenVINO network without its weights",
    instead: FROM_SOURCE,
    is: begins(/^(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?<net\s/),
  },
  { what: "an XML document", instead: CHECKPOINT, is: begins(/^(\xef\xbb\xbf)?\s*<\?xml\b/) },
  { what: "a GGUF file", instead: FROM_SOURCE, is: begins(/^GGUF/) },
  { what: "a GGML file", instead: FROM_SOURCE, is: begins(/^(lmgg|fmgg|tjgg|algg)/) },
  {
    what: "a Torch7 file (Lua)",
    instead:
      "load it with torch.utils.serialization.load_lua of PyTorch 0.4, save its tensors as a state_dict, and convert that",
    is: begins(/^(\x04\0{3}\x01\0{3}\x03\0{3}V 1|4\n1\n3\nV 1\n)/),
  },
  {
    what: "a part of an Orbax checkpoint",
    instead: "restore it with orbax.checkpoint, write the arrays as safetensors, and convert that",
    is: any(
      begins(/^\x0c\xdb:\*/),
      isJson(/^\s*\{\s*"(tree_metadata|item_handlers|array_metadatas)"/),
    ),
  },
  {
    what: "a CNTK model",
    instead: "save it with format=ModelFormat.ONNX, and convert that",
    is: ({ text, fields }) =>
      text.startsWith("B\0C\0N\0") ||
      (fields === "1:0 2:2 " && /primitive_functions|CompositeFunction/.test(text)),
  },
  {
    // Caffe's own networks have numbers in field 7, and none of text.
    what: "a Caffe2 network",
    instead: "export it to ONNX, and convert that",
    is: ({ fields }) => /^(1:2 )?2:2 .*\b7:2 /.test(fields),
  },
  { what: "a TensorRT engine", instead: FROM_SOURCE, is: begins(/^[fp]trt/) },
  { what: "an RKNN model", instead: FROM_SOURCE, is: begins(/^(\0{4})?RKNN/) },
  { what: "an ONNX Runtime model (.ort)", instead: FROM_SOURCE, is: begins(/^[^]{4}ORTM/) },
  {
    what: "a PyTorch model for mobile devices (.ptl)",
    instead: "save the state_dict of the module behind it, and convert that",
    is: begins(/^[^]{4}PTMF/),
  },
  { what: "an ExecuTorch program (.pte)", instead: FROM_SOURCE, is: begins(/^[^]{4}ET\d\d/) },
  {
    what: "an ncnn network without its weights",
    instead: FROM_SOURCE,
    is: begins(/^(7767517\s|\xdd\x85\x76\0)/),
  },
  {
    what: "a Paddle network without its weights",
    instead: PADDLE,
    is: any(isCalled(/\.pdmodel$/), isJson(/^\s*\{\s*"base_code"/)),
  },

  // Parts of networks, and descriptions without weights.
  {
    what: "one of several files of a network",
    instead: "give the list of them, such as model.safetensors.index.json",
    is: isCalled(/-\d+-of-0*(?!1\.)\d+\.(safetensors|bin)$/),
  },
  {
    what: "the graph of a TensorFlow checkpoint, without its weights",
    instead: "give the .index or the .data file beside it",
    is: isCalled(/\.meta$/),
  },
  {
    what: "TensorFlow's list of a folder's checkpoints",
    instead: "give one of them: the .index or the .data file",
    is: isText(/^model_checkpoint_path: /),
  },
  {
    // What follows the sizes are their floats.
    what: "a mean image of Caffe",
    instead: "give the .caffemodel; its mean color goes with --preprocess",
    is: ({ fields }) => /^1:0 2:0 3:0 4:0 5:[25] $/.test(fields),
  },
  {
    what: "the state of Caffe's solver",
    instead: "give the .caffemodel beside it",
    is: begins(/^\x08[^]{1,5}\x12[^]{1,2}[ -~]+\.caffemodel/),
  },
  {
    what: "a log for TensorBoard",
    instead: CHECKPOINT,
    is: isCalled(/\.tfevents\.|^events\.out\./),
  },
  {
    what: "a TensorFlow graph as text",
    instead: "freeze it with its weights to a binary .pb, and convert that",
    is: isText(/^(\s|#.*\n)*node\s*\{/),
  },
  {
    what: "an ONNX model as text",
    instead: "write it as a binary .onnx, and convert that",
    is: isText(/^\s*<?\s*ir_version\s*:/),
  },
  {
    what: "Caffe's description of a network, without its weights",
    instead: "give the .caffemodel, which holds both",
    is: isText(
      /^(\s|#.*\n)*((name|input|net|train_net)\s*:\s*["']|input_(dim|shape)\b|layers?\s*\{)/,
    ),
  },
  {
    what: "Darknet's description of a network, without its weights",
    instead: "give the .weights file, and keep this one beside it under the same name",
    is: isText(/^(\s|[#;].*\n)*\[(net|network)\]/),
  },
  {
    what: "the configuration of a Hugging Face model, without its weights",
    instead: "give the weights, such as model.safetensors or pytorch_model.bin, or their folder",
    is: isJson(
      /"(architectures|model_type|pretrained_cfg|torch_dtype|id2label|image_processor_type|image_mean)"\s*:/,
    ),
  },
  {
    what: "Keras' description of a network, without its weights",
    instead: "give the file that has them (.keras, .h5)",
    is: any(isJson(/^\s*\{\s*"(class_name|module)"\s*:/), isText(/^(backend|class_name): /)),
  },
];

/** Told by their names alone, where no other format was found. */
export const UNREAD_BY_NAME: readonly UnreadFormat[] = [
  { what: "a Torch7 file (Lua) or a damaged one", instead: FROM_SOURCE, is: isCalled(/\.t7$/) },
  { what: "a TensorRT engine", instead: FROM_SOURCE, is: isCalled(/\.(engine|plan|trt)$/) },
  { what: "Paddle's weights for inference", instead: PADDLE, is: isCalled(/\.pdiparams$/) },
  { what: "an MNN or TNN model", instead: FROM_SOURCE, is: isCalled(/\.(mnn|tnnmodel)$/) },
  {
    what: "a file with weights of an ONNX model",
    instead: "give the .onnx file that refers to it, and keep this one beside it",
    is: isCalled(/\.(onnx\.data|onnx_data|data|weight)$/),
  },
  {
    what: "a file of numbers alone, as OpenVINO's, ncnn's and TensorFlow.js' weights are",
    instead:
      "give the file that describes them, if that is TensorFlow.js' model.json; else export the network to ONNX",
    is: isCalled(/\.bin$/),
  },
];

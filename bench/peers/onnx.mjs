// VGG16 at 224x224 with random weights as ONNX files, without a library: onnx.mjs OUT.onnx int8|float
//
// A file is one protobuf message (onnx.proto3); field numbers are named below. Weights are written
// as they are drawn, so that the 553 MB of the float model are never held.

import { closeSync, openSync, writeSync } from "node:fs";
import process from "node:process";

const [out, kind] = process.argv.slice(2);
const int8 = kind === "int8";
const TYPE = { float: 1, uint8: 2, int8: 3, int32: 6, int64: 7 };
const WIDTH = {
  [TYPE.float]: 4,
  [TYPE.uint8]: 1,
  [TYPE.int8]: 1,
  [TYPE.int32]: 4,
  [TYPE.int64]: 8,
};

let state = 1;
function word() {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return state;
}

// A message is a list of parts: bytes, or `{ length, write }` for those that are drawn on the way.
const size = (parts) => parts.reduce((sum, part) => sum + part.length, 0);
function varint(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push(value % 128 | 128);
  return Uint8Array.from([...bytes, value]);
}
const int = (field, value) => [varint(field << 3), varint(value)];
const nested = (field, parts) => [varint(field << 3 | 2), varint(size(parts)), ...parts];
const text = (field, value) => nested(field, [new TextEncoder().encode(value)]);

/** TensorProto: dims 1, data_type 2, name 8, raw_data 9. */
function tensor(name, type, dims, data) {
  const length = dims.reduce((product, dim) => product * dim, 1) * WIDTH[type];
  const raw = [varint(9 << 3 | 2), varint(length), data ?? { length, write: random(type, dims) }];
  return nested(5, [
    ...dims.flatMap((dim) => int(1, dim)),
    ...int(2, type),
    ...text(8, name),
    ...raw,
  ]);
}

function random(type, dims) {
  return (file, length) => {
    const fan = dims.length === 2 ? dims[0] : dims.slice(1).reduce((a, b) => a * b, 1);
    const scale = Math.sqrt(6 / fan) / 2 ** 31;
    const chunk = new Uint8Array(1 << 20);
    const ints = new Int32Array(chunk.buffer), floats = new Float32Array(chunk.buffer);
    for (let at = 0; at < length; at += chunk.length) {
      if (type === TYPE.float) {
        for (let i = 0; i < floats.length; i++) floats[i] = word() * scale;
      } // No byte is -128: its sign bit alone would have to be set.
      else for (let i = 0; i < ints.length; i++) ints[i] = word() | 0x01010101;
      writeSync(file, chunk, 0, Math.min(chunk.length, length - at));
    }
  };
}

const initializers = [], nodes = [];
const constant = (name, type, dims, array) => {
  initializers.push(...tensor(name, type, dims, array && new Uint8Array(array.buffer)));
  return name;
};
/** NodeProto: input 1, output 2, op_type 4, attribute 5; AttributeProto: name 1, ints 8, type 20. */
function node(type, inputs, output, attributes = {}) {
  const fields = [...inputs.flatMap((name) => text(1, name)), ...text(2, output), ...text(4, type)];
  for (const [name, values] of Object.entries(attributes)) {
    fields.push(
      ...nested(5, [...text(1, name), ...values.flatMap((v) => int(8, v)), ...int(20, 7)]),
    );
  }
  nodes.push(...nested(1, fields));
  return output;
}

if (int8) {
  constant("activationScale", TYPE.float, [], Float32Array.of(0.02));
  constant("weightScale", TYPE.float, [], Float32Array.of(0.005));
  constant("zero", TYPE.uint8, [], Uint8Array.of(0));
  constant("weightZero", TYPE.int8, [], Int8Array.of(0));
}
const X = ["activationScale", "zero"], W = ["weightScale", "weightZero"];
let x = int8 ? node("QuantizeLinear", ["x", ...X], "quantized") : "x";
let channels = 3, layer = 0;
const CONV = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };
for (
  const width of [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0]
) {
  const name = `layer${++layer}`;
  if (width === 0) {
    x = node("MaxPool", [x], name, { kernel_shape: [2, 2], strides: [2, 2] });
    continue;
  }
  const shape = [width, channels, 3, 3];
  channels = width;
  if (int8) {
    const w = constant(`${name}.weight`, TYPE.int8, shape);
    const bias = constant(`${name}.bias`, TYPE.int32, [width], new Int32Array(width));
    x = node("QLinearConv", [x, ...X, w, ...W, ...X, bias], name, CONV);
  } else {
    const w = constant(`${name}.weight`, TYPE.float, shape);
    const bias = constant(`${name}.bias`, TYPE.float, [width], new Float32Array(width));
    x = node("Relu", [node("Conv", [x, w, bias], `${name}.conv`, CONV)], name);
  }
}
x = node("Flatten", [x], "flat");
for (const [from, to] of [[25088, 4096], [4096, 4096], [4096, 1000]]) {
  const name = `dense${++layer}`;
  const w = constant(`${name}.weight`, int8 ? TYPE.int8 : TYPE.float, [from, to]);
  if (int8) x = node("QLinearMatMul", [x, ...X, w, ...W, ...X], name);
  else x = node("MatMul", [x, w], name);
  if (!int8 && to !== 1000) x = node("Relu", [x], `${name}.relu`);
}
node(int8 ? "DequantizeLinear" : "Identity", int8 ? [x, ...X] : [x], "y");

/** ValueInfoProto: name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 { dim 1 { dim_value 1 } } } }. */
function value(field, name, dims) {
  const shape = nested(2, dims.flatMap((dim) => nested(1, int(1, dim))));
  const type = nested(2, nested(1, [...int(1, TYPE.float), ...shape]));
  return nested(field, [...text(1, name), ...type]);
}
/** GraphProto: node 1, name 2, initializer 5, input 11, output 12; ModelProto: ir_version 1, graph 7, opset_import 8. */
const ends = [...value(11, "x", [1, 3, 224, 224]), ...value(12, "y", [1, 1000])];
const graph = [...nodes, ...text(2, "vgg16"), ...initializers, ...ends];
const model = [...int(1, 7), ...nested(7, graph), ...nested(8, int(2, 13))];
const file = openSync(out, "w");
for (const part of model) {
  if (part.write) part.write(file, part.length);
  else writeSync(file, part);
}
closeSync(file);

// VGG16 at 224x224 with random weights as a TFLite file: tflite.mjs OUT.tflite
//
// Full-integer quantization by the TFLite specification: int8 weights with a scale per output
// channel, int8 activations. Float at both ends, as LiteRT.js has no int8 tensors.

import { writeFileSync } from "node:fs";
import process from "node:process";
import { Builder } from "flatbuffers";

const [out] = process.argv.slice(2);
const FLOAT = 0, INT32 = 2, INT8 = 9;
/** Operator: builtin code and version (schema.fbs). */
const OPERATORS = {
  CONV_2D: [3, 3],
  MAX_POOL_2D: [17, 2],
  FULLY_CONNECTED: [9, 12],
  RESHAPE: [22, 1],
  QUANTIZE: [114, 1],
  DEQUANTIZE: [6, 2],
};
const codes = Object.keys(OPERATORS);
/** Builtin options: the union's tag in schema.fbs. */
const OPTIONS = { conv: 1, pool: 5, dense: 8, reshape: 17 };

let state = 0x12345678;
function random() {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) / 2 ** 32;
}

const b = new Builder(145e6);
const buffers = [], tensors = [], operators = [];

function vector(width, align, values, add) {
  b.startVector(width, values.length, align);
  for (let i = values.length; i--;) add(values[i]);
  return b.endVector();
}
const int32s = (values) => vector(4, 4, values, (v) => b.addInt32(v));
const floats = (values) => vector(4, 4, values, (v) => b.addFloat32(v));
const int64s = (values) => vector(8, 8, values, (v) => b.addInt64(BigInt(v)));
const offsets = (values) => vector(4, 4, values, (v) => b.addOffset(v));
/** A table of `fields`, each a function that adds itself. */
function table(count, ...fields) {
  b.startObject(count);
  for (const field of fields) field();
  return b.endObject();
}

function buffer(array) {
  let data = 0;
  if (array) {
    const bytes = new Uint8Array(array.buffer);
    b.startVector(1, bytes.length, 16);
    b.space -= bytes.length;
    b.bb.bytes().set(bytes, b.space);
    data = b.endVector();
  }
  buffers.push(table(3, () => data && b.addFieldOffset(0, data, 0)));
  return buffers.length - 1;
}

function tensor(name, shape, type, { data, scales, zeros } = {}) {
  const index = data ? buffer(data) : 0;
  const nameAt = b.createString(name), shapeAt = int32s(shape);
  let quantization = 0;
  if (scales) {
    const scaleAt = floats(scales), zeroAt = int64s(zeros);
    quantization = table(
      7,
      () => b.addFieldOffset(2, scaleAt, 0),
      () => b.addFieldOffset(3, zeroAt, 0),
      () => b.addFieldInt32(6, 0, 0),
    );
  }
  tensors.push(table(
    11,
    () => b.addFieldOffset(0, shapeAt, 0),
    () => b.addFieldInt8(1, type, 0),
    () => b.addFieldInt32(2, index, 0),
    () => b.addFieldOffset(3, nameAt, 0),
    () => quantization && b.addFieldOffset(4, quantization, 0),
  ));
  return tensors.length - 1;
}

function operator(name, inputs, output, tag = 0, options = 0) {
  const inputsAt = int32s(inputs), outputsAt = int32s([output]);
  operators.push(table(
    11,
    () => b.addFieldInt32(0, codes.indexOf(name), 0),
    () => b.addFieldOffset(1, inputsAt, 0),
    () => b.addFieldOffset(2, outputsAt, 0),
    () => tag && b.addFieldInt8(3, tag, 0),
    () => tag && b.addFieldOffset(4, options, 0),
  ));
  return output;
}

buffer(undefined); // index 0 is the empty one
let scale = 1 / 255, zero = -128, shape = [1, 224, 224, 3];
/** The mean square of the activations, from which scales are chosen. */
let square = 1 / 3;
const activation = (name, shape) => tensor(name, shape, INT8, { scales: [scale], zeros: [zero] });

function weights(name, shape, fan) {
  const outputs = shape[0], zeros = Array(outputs).fill(0);
  const scales = Float32Array.from(
    { length: outputs },
    () => (0.8 + 0.4 * random()) * Math.sqrt(6 / fan) / 127,
  );
  const data = Int8Array.from(
    { length: outputs * fan },
    () => Math.round((random() * 2 - 1) * 127),
  );
  const biasScales = scales.map((s) => s * scale);
  const bias = Int32Array.from(biasScales, (s) => Math.round((random() - 0.5) * 0.1 / s));
  return [
    tensor(`${name}/weight`, shape, INT8, { data, scales, zeros }),
    tensor(`${name}/bias`, [outputs], INT32, { data: bias, scales: biasScales, zeros }),
  ];
}

const input = tensor("x", shape, FLOAT);
let x = operator("QUANTIZE", [input], activation("quantized", shape));
let layer = 0;
for (
  const width of [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0]
) {
  const name = `layer${++layer}`;
  const [, height, columns, channels] = shape;
  if (width === 0) {
    shape = [1, height / 2, columns / 2, channels];
    square *= 2.5; // what a 2x2 maximum adds, roughly
    const options = table(
      6,
      ...[[0, 1], [1, 2], [2, 2], [3, 2], [4, 2]].map(([field, value]) => () =>
        field === 0 ? b.addFieldInt8(0, value, 0) : b.addFieldInt32(field, value, 0)
      ),
    );
    x = operator("MAX_POOL_2D", [x], activation(name, shape), OPTIONS.pool, options);
    continue;
  }
  const tensors = weights(name, [width, 3, 3, channels], 9 * channels);
  scale = 5 * Math.sqrt(2 * square) / 255; // five standard deviations before the ReLU
  shape = [1, height, columns, width];
  const options = table(
    7,
    () => b.addFieldInt32(1, 1, 0),
    () => b.addFieldInt32(2, 1, 0),
    () => b.addFieldInt8(3, 1, 0),
    () => b.addFieldInt32(4, 1, 1),
    () => b.addFieldInt32(5, 1, 1),
  );
  x = operator("CONV_2D", [x, ...tensors], activation(name, shape), OPTIONS.conv, options);
}

let width = 25088;
const flatShape = tensor("flat/shape", [2], INT32, { data: Int32Array.of(1, width) });
const newShape = int32s([1, width]);
x = operator(
  "RESHAPE",
  [x, flatShape],
  activation("flat", [1, width]),
  OPTIONS.reshape,
  table(1, () => b.addFieldOffset(0, newShape, 0)),
);
for (const outputs of [4096, 4096, 1000]) {
  const last = outputs === 1000, name = `dense${++layer}`;
  const tensors = weights(name, [outputs, width], width);
  scale = (last ? 10 : 5) * Math.sqrt(2 * square) / 255;
  zero = last ? 0 : -128;
  const options = table(5, () => b.addFieldInt8(0, last ? 0 : 1, 0));
  x = operator(
    "FULLY_CONNECTED",
    [x, ...tensors],
    activation(name, [1, outputs]),
    OPTIONS.dense,
    options,
  );
  width = outputs;
}
const output = operator("DEQUANTIZE", [x], tensor("y", [1, width], FLOAT));

const codesAt = offsets(codes.map((name) => {
  const [code, version] = OPERATORS[name];
  return table(
    4,
    () => b.addFieldInt8(0, code, 0),
    () => b.addFieldInt32(2, version, 1),
    () => b.addFieldInt32(3, code, 0),
  );
}));
const tensorsAt = offsets(tensors), operatorsAt = offsets(operators);
const inputsAt = int32s([input]), outputsAt = int32s([output]), graphName = b.createString("main");
const graphs = offsets([table(
  6,
  () => b.addFieldOffset(0, tensorsAt, 0),
  () => b.addFieldOffset(1, inputsAt, 0),
  () => b.addFieldOffset(2, outputsAt, 0),
  () => b.addFieldOffset(3, operatorsAt, 0),
  () => b.addFieldOffset(4, graphName, 0),
)]);
const buffersAt = offsets(buffers);
function signatureTensor(name, index) {
  const nameAt = b.createString(name);
  return offsets([
    table(2, () => b.addFieldOffset(0, nameAt, 0), () => b.addFieldInt32(1, index, 0)),
  ]);
}
const ins = signatureTensor("x", input), outs = signatureTensor("y", output);
const key = b.createString("serving_default");
const signatures = offsets([table(
  5,
  () => b.addFieldOffset(0, ins, 0),
  () => b.addFieldOffset(1, outs, 0),
  () => b.addFieldOffset(2, key, 0),
)]);
b.finish(
  table(
    8,
    () => b.addFieldInt32(0, 3, 0),
    () => b.addFieldOffset(1, codesAt, 0),
    () => b.addFieldOffset(2, graphs, 0),
    () => b.addFieldOffset(4, buffersAt, 0),
    () => b.addFieldOffset(7, signatures, 0),
  ),
  "TFL3",
);
writeFileSync(out, b.asUint8Array());

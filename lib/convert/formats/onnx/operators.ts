/** Which operators are understood, and who tells what they mean. */

import * as activations from "./activations.ts";
import type { Translator } from "./call.ts";
import * as colors from "./colors.ts";
import * as layers from "./layers.ts";
import * as moves from "./moves.ts";
import type { OnnxNode } from "./parse.ts";
import * as pools from "./pools.ts";
import * as quantized from "./quantized.ts";

/** ONNX's own. */
const STANDARD: Readonly<Record<string, Translator>> = {
  Add: activations.add,
  AveragePool: pools.pool("averagePool"),
  BatchNormalization: layers.batchNorm,
  Cast: moves.cast,
  CastLike: moves.castLike,
  Clip: activations.clip,
  Concat: colors.concat,
  Conv: layers.conv,
  ConvInteger: quantized.convInteger,
  DequantizeLinear: quantized.dequantizeLinear,
  Div: activations.divide,
  Dropout: moves.identity,
  DynamicQuantizeLinear: quantized.dynamicQuantizeLinear,
  Flatten: moves.flatten,
  Gather: colors.gather,
  GatherND: colors.gatherND,
  Gemm: layers.gemm,
  GlobalAveragePool: pools.globalAverage,
  Identity: moves.identity,
  ImageScaler: activations.imageScaler,
  LeakyRelu: activations.leakyRelu,
  LogSoftmax: activations.softmax,
  MatMul: layers.matMul,
  MatMulInteger: quantized.matMulInteger,
  Max: activations.max,
  MaxPool: pools.pool("maxPool"),
  Mul: activations.multiply,
  Neg: activations.negate,
  Pad: moves.pad,
  Pow: activations.power,
  QLinearConv: quantized.qLinearConv,
  QLinearMatMul: quantized.qLinearMatMul,
  QuantizeLinear: quantized.quantizeLinear,
  ReduceMean: pools.reduceMean,
  Relu: activations.relu,
  Reshape: moves.reshaped,
  Sigmoid: activations.sigmoid,
  Slice: colors.slice,
  Softmax: activations.softmax,
  Split: colors.split,
  Squeeze: moves.squeeze,
  Sub: activations.subtract,
  Sum: activations.add,
  Transpose: moves.transpose,
  Unsqueeze: moves.unsqueeze,
};

/** onnxruntime's, which its optimizer and its quantizer write. */
const MICROSOFT: Readonly<Record<string, Translator>> = {
  DequantizeLinear: quantized.dequantizeLinear,
  DynamicQuantizeMatMul: quantized.matMulToFloat({ bScale: 2, bZero: 3, bias: 4 }),
  FusedConv: layers.conv,
  FusedGemm: layers.gemm,
  FusedMatMul: layers.matMul,
  MatMulIntegerToFloat: quantized.matMulToFloat({
    aScale: 2,
    bScale: 3,
    aZero: 4,
    bZero: 5,
    bias: 6,
  }),
  NhwcMaxPool: pools.pool("maxPool", "NHWC"),
  QGemm: quantized.qGemm,
  QLinearAdd: quantized.qLinear("shift"),
  QLinearAveragePool: quantized.averagePool,
  QLinearConv: quantized.qLinearConv,
  QLinearGlobalAveragePool: quantized.qLinearOf(pools.globalAverage),
  QLinearMul: quantized.qLinear("scale"),
  QLinearReduceMean: quantized.qLinearOf(pools.reduceMean),
  QLinearSigmoid: quantized.qLinearOf(activations.sigmoid),
  QLinearSoftmax: quantized.qLinearOf(activations.softmax),
  QuantizeLinear: quantized.quantizeLinear,
};

/** Who tells what a node means; `undefined` if nobody knows. */
export function translatorOf({ domain, op }: OnnxNode): Translator | undefined {
  const table = domain === "" ? STANDARD : domain === "com.microsoft" ? MICROSOFT : {};
  return Object.hasOwn(table, op) ? table[op] : undefined;
}

/** An operator's name, with its domain if it is not ONNX's own. */
export function operatorName({ domain, op }: OnnxNode): string {
  return domain === "" ? op : `${domain}.${op}`;
}

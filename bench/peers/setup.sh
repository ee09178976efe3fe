#!/bin/sh
# Installs the peers and makes their models, in bench/peers/node_modules and .cache/bench (1.3 GB).
set -e
cd "$(dirname "$0")"
npm ci --ignore-scripts --no-audit --no-fund
cache=../../.cache/bench
mkdir -p "$cache/litert"
# The loaders are CommonJS scripts in a package of modules.
cp node_modules/@litertjs/core/wasm/* "$cache/litert/"
echo '{"type":"commonjs"}' > "$cache/litert/package.json"
node onnx.mjs "$cache/vgg16_int8.onnx" int8
node onnx.mjs "$cache/vgg16_float.onnx" float
node tflite.mjs "$cache/vgg16_int8.tflite"
# Ours at the same size.
deno run -A ../make_model.ts "$cache/vgg16.safetensors"

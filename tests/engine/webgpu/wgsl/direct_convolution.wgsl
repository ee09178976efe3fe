// conv3_2 (buffer 2x4x8 8x8 tap staged): convolution int8 3x3 padding 0 2x4x8 8x8 tap staged
// 49 x 4 x 1 workgroups of 64 lanes
// parameters: inHeight 58, inWidth 58, sixteens 16, tilesAcross 14, parts 1, outHeight 56, outWidth
//   56, outQuads 64, relu 1, scaleStride 130, scaleOffset 2, maxima 200704

@group(0) @binding(1) var<storage, read> x: array<vec4<u32>>;

fn load_x(index: i32) -> vec4<u32> {
  return x[index];
}

@group(0) @binding(2) var<storage, read> weights: array<vec4<u32>>;

fn load_weights(index: i32) -> vec4<u32> {
  return weights[index];
}

@group(0) @binding(3) var<storage, read> scales: array<vec4<u32>>;

fn load_scales(index: i32) -> vec4<u32> {
  return scales[index];
}

fn store(index: i32, value: vec4<u32>) {
  result[index] = bitcast<vec4<i32>>(value);
}

struct Parameters {
  strides: i32,
  inHeight: i32,
  inWidth: i32,
  sixteens: i32,
  tilesAcross: i32,
  parts: i32,
  outHeight: i32,
  outWidth: i32,
  outQuads: i32,
  relu: i32,
  scaleStride: i32,
  scaleOffset: i32,
  maxima: i32,
};

@group(0) @binding(4) var<uniform> parameters: Parameters;

fn dot16(a: vec4<u32>, b: vec4<u32>) -> i32 {
  return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) +
      dot4I8Packed(a.w, b.w);
}

fn scaleIndex(image: i32, quad: i32) -> i32 {
  return image * parameters.scaleStride + parameters.scaleOffset + 2 * quad;
}

// The 64-bit product of two words, low word first.
fn umul64(a: u32, b: u32) -> vec2<u32> {
  let a0 = a & 0xffffu;
  let a1 = a >> 16u;
  let b0 = b & 0xffffu;
  let b1 = b >> 16u;
  let low = a0 * b0;
  let middle = a1 * b0 + (low >> 16u);
  let middle2 = a0 * b1 + (middle & 0xffffu);
  return vec2<u32>(a * b, a1 * b1 + (middle >> 16u) + (middle2 >> 16u));
}

// Two's complement: a negative factor was read as 2^32 more than it is.
fn mul64(a: i32, b: i32) -> vec2<u32> {
  let product = umul64(u32(a), u32(b));
  let excess = select(0u, u32(b), a < 0) + select(0u, u32(a), b < 0);
  return vec2<u32>(product.x, product.y - excess);
}

fn mulhi(a: i32, b: i32) -> i32 {
  return i32(mul64(a, b).y);
}

fn mulhiRound(a: i32, b: i32) -> i32 {
  let product = mul64(a, b);
  return i32(product.y + (product.x >> 31u));
}

// The mantissa in [2^30, 2^31) and the shift that made it.
fn normalize31(a: i32) -> vec2<i32> {
  let s = countLeadingZeros(a) - 1;
  return vec2<i32>(a << u32(s), s);
}

var<workgroup> workgroupMaximum: atomic<i32>;
var<private> laneMaximum: i32;

fn writeQuad(index: i32, scale: i32, acc: vec4<i32>) {
  let m = bitcast<vec4<i32>>(load_scales(scale));
  let b = bitcast<vec4<i32>>(load_scales(scale + 1));
  var v = b + vec4<i32>(mulhiRound(acc.x << 2u, m.x), mulhiRound(acc.y << 2u, m.y), mulhiRound(acc.z
      << 2u, m.z), mulhiRound(acc.w << 2u, m.w));
  if (parameters.relu != 0) {
    v = max(v, vec4<i32>());
  }
  store(index, bitcast<vec4<u32>>(v));
  laneMaximum = max(laneMaximum, max(max(v.x, v.y), max(v.z, v.w)));
}

fn writeMaximum() {
  atomicMax(&workgroupMaximum, laneMaximum);
  workgroupBarrier();
  if (localIndex == 0u) {
    store(parameters.maxima + i32((workgroupId.z * numWorkgroups.y + workgroupId.y) *
        numWorkgroups.x + workgroupId.x), vec4<u32>(u32(atomicLoad(&workgroupMaximum))));
  }
}

fn input(image: i32, y: i32, x: i32, vector: i32) -> vec4<u32> {
  return load_x(((image * parameters.inHeight + y - 0) * parameters.inWidth + x - 0) *
      parameters.sixteens + vector);
}

var<workgroup> stagedX: array<vec4<u32>, 64>;
var<workgroup> stagedWeights: array<vec4<u32>, 64>;

fn main() {
  let lane = i32(localIndex);
  let image = i32(workgroupId.z) / parameters.parts;
  let part = i32(workgroupId.z) % parameters.parts;
  let quad0 = i32(workgroupId.y) * 16 + lane % 8;
  let workgroupTile = (part * i32(numWorkgroups.x) + i32(workgroupId.x)) * 8;
  let pixelTile = workgroupTile + lane / 8;
  let y0 = pixelTile / parameters.tilesAcross * 2;
  let x0 = pixelTile % parameters.tilesAcross * 4;
  let block = 144 * parameters.sixteens;
  let weights0 = ((quad0 + 0) >> 2u) * block + ((quad0 + 0) & 3);
  let weights4 = ((quad0 + 8) >> 2u) * block + ((quad0 + 8) & 3);
  var acc_0_0_0 = i32();
  var acc_0_0_1 = i32();
  var acc_0_0_2 = i32();
  var acc_0_0_3 = i32();
  var acc_0_0_4 = i32();
  var acc_0_0_5 = i32();
  var acc_0_0_6 = i32();
  var acc_0_0_7 = i32();
  var acc_0_1_0 = i32();
  var acc_0_1_1 = i32();
  var acc_0_1_2 = i32();
  var acc_0_1_3 = i32();
  var acc_0_1_4 = i32();
  var acc_0_1_5 = i32();
  var acc_0_1_6 = i32();
  var acc_0_1_7 = i32();
  var acc_0_2_0 = i32();
  var acc_0_2_1 = i32();
  var acc_0_2_2 = i32();
  var acc_0_2_3 = i32();
  var acc_0_2_4 = i32();
  var acc_0_2_5 = i32();
  var acc_0_2_6 = i32();
  var acc_0_2_7 = i32();
  var acc_0_3_0 = i32();
  var acc_0_3_1 = i32();
  var acc_0_3_2 = i32();
  var acc_0_3_3 = i32();
  var acc_0_3_4 = i32();
  var acc_0_3_5 = i32();
  var acc_0_3_6 = i32();
  var acc_0_3_7 = i32();
  var acc_1_0_0 = i32();
  var acc_1_0_1 = i32();
  var acc_1_0_2 = i32();
  var acc_1_0_3 = i32();
  var acc_1_0_4 = i32();
  var acc_1_0_5 = i32();
  var acc_1_0_6 = i32();
  var acc_1_0_7 = i32();
  var acc_1_1_0 = i32();
  var acc_1_1_1 = i32();
  var acc_1_1_2 = i32();
  var acc_1_1_3 = i32();
  var acc_1_1_4 = i32();
  var acc_1_1_5 = i32();
  var acc_1_1_6 = i32();
  var acc_1_1_7 = i32();
  var acc_1_2_0 = i32();
  var acc_1_2_1 = i32();
  var acc_1_2_2 = i32();
  var acc_1_2_3 = i32();
  var acc_1_2_4 = i32();
  var acc_1_2_5 = i32();
  var acc_1_2_6 = i32();
  var acc_1_2_7 = i32();
  var acc_1_3_0 = i32();
  var acc_1_3_1 = i32();
  var acc_1_3_2 = i32();
  var acc_1_3_3 = i32();
  var acc_1_3_4 = i32();
  var acc_1_3_5 = i32();
  var acc_1_3_6 = i32();
  var acc_1_3_7 = i32();
  let xLane = lane / 8 * 8;
  let workgroupQuad = i32(workgroupId.y) * 16;
  for (var ky = 0; ky < 3; ky++) {
    for (var kx = 0; kx < 3; kx++) {
      for (var c = 0; c < parameters.sixteens; c++) {
        workgroupBarrier();
        for (var i = lane; i < 64; i += 64) {
          let pixel = i / 1 % 8;
          let tile = workgroupTile + i / 8;
          let y = tile / parameters.tilesAcross * 2 + pixel / 4;
          let x = tile % parameters.tilesAcross * 4 + pixel % 4;
          stagedX[i] = input(image, y + ky, x + kx, c * 1 + i % 1);
        }
        for (var i = lane; i < 64; i += 64) {
          let quad = workgroupQuad + i / 4;
          let row = (quad >> 2u) * block + (quad & 3) + i % 4 * 4;
          stagedWeights[i] = load_weights(row + ((ky * 3 + kx) * parameters.sixteens + c) * 16);
        }
        workgroupBarrier();
        let x_0_0 = stagedX[xLane + 0 + 0];
        let x_0_1 = stagedX[xLane + 1 + 0];
        let x_0_2 = stagedX[xLane + 2 + 0];
        let x_0_3 = stagedX[xLane + 3 + 0];
        let x_1_0 = stagedX[xLane + 4 + 0];
        let x_1_1 = stagedX[xLane + 5 + 0];
        let x_1_2 = stagedX[xLane + 6 + 0];
        let x_1_3 = stagedX[xLane + 7 + 0];
        {
          let w = stagedWeights[(lane % 8 + 0) * 4 + 0];
          acc_0_0_0 += dot16(x_0_0, w);
          acc_0_1_0 += dot16(x_0_1, w);
          acc_0_2_0 += dot16(x_0_2, w);
          acc_0_3_0 += dot16(x_0_3, w);
          acc_1_0_0 += dot16(x_1_0, w);
          acc_1_1_0 += dot16(x_1_1, w);
          acc_1_2_0 += dot16(x_1_2, w);
          acc_1_3_0 += dot16(x_1_3, w);
        }
        {
          let w = stagedWeights[(lane % 8 + 0) * 4 + 1];
          acc_0_0_1 += dot16(x_0_0, w);
          acc_0_1_1 += dot16(x_0_1, w);
          acc_0_2_1 += dot16(x_0_2, w);
          acc_0_3_1 += dot16(x_0_3, w);
          acc_1_0_1 += dot16(x_1_0, w);
          acc_1_1_1 += dot16(x_1_1, w);
          acc_1_2_1 += dot16(x_1_2, w);
          acc_1_3_1 += dot16(x_1_3, w);
        }
        {
          let w = stagedWeights[(lane % 8 + 0) * 4 + 2];
          acc_0_0_2 += dot16(x_0_0, w);
          acc_0_1_2 += dot16(x_0_1, w);
          acc_0_2_2 += dot16(x_0_2, w);
          acc_0_3_2 += dot16(x_0_3, w);
          acc_1_0_2 += dot16(x_1_0, w);
          acc_1_1_2 += dot16(x_1_1, w);
          acc_1_2_2 += dot16(x_1_2, w);
          acc_1_3_2 += dot16(x_1_3, w);
        }
        {
          let w = stagedWeights[(lane % 8 + 0) * 4 + 3];
          acc_0_0_3 += dot16(x_0_0, w);
          acc_0_1_3 += dot16(x_0_1, w);
          acc_0_2_3 += dot16(x_0_2, w);
          acc_0_3_3 += dot16(x_0_3, w);
          acc_1_0_3 += dot16(x_1_0, w);
          acc_1_1_3 += dot16(x_1_1, w);
          acc_1_2_3 += dot16(x_1_2, w);
          acc_1_3_3 += dot16(x_1_3, w);
        }
        {
          let w = stagedWeights[(lane % 8 + 8) * 4 + 0];
          acc_0_0_4 += dot16(x_0_0, w);
          acc_0_1_4 += dot16(x_0_1, w);
          acc_0_2_4 += dot16(x_0_2, w);
          acc_0_3_4 += dot16(x_0_3, w);
          acc_1_0_4 += dot16(x_1_0, w);
          acc_1_1_4 += dot16(x_1_1, w);
          acc_1_2_4 += dot16(x_1_2, w);
          acc_1_3_4 += dot16(x_1_3, w);
        }
        {
          let w = stagedWeights[(lane % 8 + 8) * 4 + 1];
          acc_0_0_5 += dot16(x_0_0, w);
          acc_0_1_5 += dot16(x_0_1, w);
          acc_0_2_5 += dot16(x_0_2, w);
          acc_0_3_5 += dot16(x_0_3, w);
          acc_1_0_5 += dot16(x_1_0, w);
          acc_1_1_5 += dot16(x_1_1, w);
          acc_1_2_5 += dot16(x_1_2, w);
          acc_1_3_5 += dot16(x_1_3, w);
        }
        {
          let w = stagedWeights[(lane % 8 + 8) * 4 + 2];
          acc_0_0_6 += dot16(x_0_0, w);
          acc_0_1_6 += dot16(x_0_1, w);
          acc_0_2_6 += dot16(x_0_2, w);
          acc_0_3_6 += dot16(x_0_3, w);
          acc_1_0_6 += dot16(x_1_0, w);
          acc_1_1_6 += dot16(x_1_1, w);
          acc_1_2_6 += dot16(x_1_2, w);
          acc_1_3_6 += dot16(x_1_3, w);
        }
        {
          let w = stagedWeights[(lane % 8 + 8) * 4 + 3];
          acc_0_0_7 += dot16(x_0_0, w);
          acc_0_1_7 += dot16(x_0_1, w);
          acc_0_2_7 += dot16(x_0_2, w);
          acc_0_3_7 += dot16(x_0_3, w);
          acc_1_0_7 += dot16(x_1_0, w);
          acc_1_1_7 += dot16(x_1_1, w);
          acc_1_2_7 += dot16(x_1_2, w);
          acc_1_3_7 += dot16(x_1_3, w);
        }
      }
    }
  }
  let yOut = y0 / 1;
  let xOut = x0 / 1;
  let outQuad0 = quad0 + 0;
  let scale0 = scaleIndex(image, outQuad0);
  if (yOut + 0 < parameters.outHeight && xOut + 0 < parameters.outWidth && outQuad0 <
      parameters.outQuads) {
    let index = ((image * parameters.outHeight + yOut + 0) * parameters.outWidth + xOut + 0) *
        parameters.outQuads;
    writeQuad(index + outQuad0, scale0, vec4<i32>(acc_0_0_0, acc_0_0_1, acc_0_0_2, acc_0_0_3));
  }
  if (yOut + 0 < parameters.outHeight && xOut + 1 < parameters.outWidth && outQuad0 <
      parameters.outQuads) {
    let index = ((image * parameters.outHeight + yOut + 0) * parameters.outWidth + xOut + 1) *
        parameters.outQuads;
    writeQuad(index + outQuad0, scale0, vec4<i32>(acc_0_1_0, acc_0_1_1, acc_0_1_2, acc_0_1_3));
  }
  if (yOut + 0 < parameters.outHeight && xOut + 2 < parameters.outWidth && outQuad0 <
      parameters.outQuads) {
    let index = ((image * parameters.outHeight + yOut + 0) * parameters.outWidth + xOut + 2) *
        parameters.outQuads;
    writeQuad(index + outQuad0, scale0, vec4<i32>(acc_0_2_0, acc_0_2_1, acc_0_2_2, acc_0_2_3));
  }
  if (yOut + 0 < parameters.outHeight && xOut + 3 < parameters.outWidth && outQuad0 <
      parameters.outQuads) {
    let index = ((image * parameters.outHeight + yOut + 0) * parameters.outWidth + xOut + 3) *
        parameters.outQuads;
    writeQuad(index + outQuad0, scale0, vec4<i32>(acc_0_3_0, acc_0_3_1, acc_0_3_2, acc_0_3_3));
  }
  if (yOut + 1 < parameters.outHeight && xOut + 0 < parameters.outWidth && outQuad0 <
      parameters.outQuads) {
    let index = ((image * parameters.outHeight + yOut + 1) * parameters.outWidth + xOut + 0) *
        parameters.outQuads;
    writeQuad(index + outQuad0, scale0, vec4<i32>(acc_1_0_0, acc_1_0_1, acc_1_0_2, acc_1_0_3));
  }
  if (yOut + 1 < parameters.outHeight && xOut + 1 < parameters.outWidth && outQuad0 <
      parameters.outQuads) {
    let index = ((image * parameters.outHeight + yOut + 1) * parameters.outWidth + xOut + 1) *
        parameters.outQuads;
    writeQuad(index + outQuad0, scale0, vec4<i32>(acc_1_1_0, acc_1_1_1, acc_1_1_2, acc_1_1_3));
  }
  if (yOut + 1 < parameters.outHeight && xOut + 2 < parameters.outWidth && outQuad0 <
      parameters.outQuads) {
    let index = ((image * parameters.outHeight + yOut + 1) * parameters.outWidth + xOut + 2) *
        parameters.outQuads;
    writeQuad(index + outQuad0, scale0, vec4<i32>(acc_1_2_0, acc_1_2_1, acc_1_2_2, acc_1_2_3));
  }
  if (yOut + 1 < parameters.outHeight && xOut + 3 < parameters.outWidth && outQuad0 <
      parameters.outQuads) {
    let index = ((image * parameters.outHeight + yOut + 1) * parameters.outWidth + xOut + 3) *
        parameters.outQuads;
    writeQuad(index + outQuad0, scale0, vec4<i32>(acc_1_3_0, acc_1_3_1, acc_1_3_2, acc_1_3_3));
  }
  let outQuad4 = quad0 + 8;
  let scale4 = scaleIndex(image, outQuad4);
  if (yOut + 0 < parameters.outHeight && xOut + 0 < parameters.outWidth && outQuad4 <
      parameters.outQuads) {
    let index = ((image * parameters.outHeight + yOut + 0) * parameters.outWidth + xOut + 0) *
        parameters.outQuads;
    writeQuad(index + outQuad4, scale4, vec4<i32>(acc_0_0_4, acc_0_0_5, acc_0_0_6, acc_0_0_7));
  }
  if (yOut + 0 < parameters.outHeight && xOut + 1 < parameters.outWidth && outQuad4 <
      parameters.outQuads) {
    let index = ((image * parameters.outHeight + yOut + 0) * parameters.outWidth + xOut + 1) *
        parameters.outQuads;
    writeQuad(index + outQuad4, scale4, vec4<i32>(acc_0_1_4, acc_0_1_5, acc_0_1_6, acc_0_1_7));
  }
  if (yOut + 0 < parameters.outHeight && xOut + 2 < parameters.outWidth && outQuad4 <
      parameters.outQuads) {
    let index = ((image * parameters.outHeight + yOut + 0) * parameters.outWidth + xOut + 2) *
        parameters.outQuads;
    writeQuad(index + outQuad4, scale4, vec4<i32>(acc_0_2_4, acc_0_2_5, acc_0_2_6, acc_0_2_7));
  }
  if (yOut + 0 < parameters.outHeight && xOut + 3 < parameters.outWidth && outQuad4 <
      parameters.outQuads) {
    let index = ((image * parameters.outHeight + yOut + 0) * parameters.outWidth + xOut + 3) *
        parameters.outQuads;
    writeQuad(index + outQuad4, scale4, vec4<i32>(acc_0_3_4, acc_0_3_5, acc_0_3_6, acc_0_3_7));
  }
  if (yOut + 1 < parameters.outHeight && xOut + 0 < parameters.outWidth && outQuad4 <
      parameters.outQuads) {
    let index = ((image * parameters.outHeight + yOut + 1) * parameters.outWidth + xOut + 0) *
        parameters.outQuads;
    writeQuad(index + outQuad4, scale4, vec4<i32>(acc_1_0_4, acc_1_0_5, acc_1_0_6, acc_1_0_7));
  }
  if (yOut + 1 < parameters.outHeight && xOut + 1 < parameters.outWidth && outQuad4 <
      parameters.outQuads) {
    let index = ((image * parameters.outHeight + yOut + 1) * parameters.outWidth + xOut + 1) *
        parameters.outQuads;
    writeQuad(index + outQuad4, scale4, vec4<i32>(acc_1_1_4, acc_1_1_5, acc_1_1_6, acc_1_1_7));
  }
  if (yOut + 1 < parameters.outHeight && xOut + 2 < parameters.outWidth && outQuad4 <
      parameters.outQuads) {
    let index = ((image * parameters.outHeight + yOut + 1) * parameters.outWidth + xOut + 2) *
        parameters.outQuads;
    writeQuad(index + outQuad4, scale4, vec4<i32>(acc_1_2_4, acc_1_2_5, acc_1_2_6, acc_1_2_7));
  }
  if (yOut + 1 < parameters.outHeight && xOut + 3 < parameters.outWidth && outQuad4 <
      parameters.outQuads) {
    let index = ((image * parameters.outHeight + yOut + 1) * parameters.outWidth + xOut + 3) *
        parameters.outQuads;
    writeQuad(index + outQuad4, scale4, vec4<i32>(acc_1_3_4, acc_1_3_5, acc_1_3_6, acc_1_3_7));
  }
  writeMaximum();
}

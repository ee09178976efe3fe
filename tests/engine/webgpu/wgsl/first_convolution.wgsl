// conv1_1 (buffer first): first-convolution int8 3 channels
// 196 x 1 x 1 workgroups of 64 lanes
// parameters: inHeight 224, inWidth 224, tilesAcross 56, outHeight 224, outWidth 224, outQuads 16,
//   relu 1, scaleStride 34, scaleOffset 2, maxima 802816

@group(0) @binding(1) var<storage, read> image: array<vec4<u32>>;

fn load_image(index: i32) -> vec4<u32> {
  return image[index];
}

@group(0) @binding(2) var<storage, read> table: array<vec4<u32>>;

fn load_table(index: i32) -> vec4<u32> {
  return table[index];
}

@group(0) @binding(3) var<storage, read> weights: array<vec4<u32>>;

fn load_weights(index: i32) -> vec4<u32> {
  return weights[index];
}

@group(0) @binding(4) var<storage, read> scales: array<vec4<u32>>;

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
  tilesAcross: i32,
  outHeight: i32,
  outWidth: i32,
  outQuads: i32,
  relu: i32,
  scaleStride: i32,
  scaleOffset: i32,
  maxima: i32,
};

@group(0) @binding(5) var<uniform> parameters: Parameters;

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

fn imageVector(image: i32, y: i32, vector: i32) -> vec4<u32> {
  return load_image((image * parameters.inHeight + y) * parameters.tilesAcross + vector);
}

fn lookUp(pixel: u32, y: i32, x: i32) -> vec4<u32> {
  return vec4<u32>(load_table(i32((pixel >> 0u) & 255u)).x, load_table(i32((pixel >> 8u) & 255u)).y,
      load_table(i32((pixel >> 16u) & 255u)).z, 0u) * u32(y >= 0 && x >= 0 && y <
      parameters.inHeight && x < parameters.inWidth);
}

fn main() {
  let lane = i32(localIndex);
  let image = i32(workgroupId.z);
  let pixelTile = i32(workgroupId.x) * 32 + lane / 2;
  let y0 = pixelTile / parameters.tilesAcross * 2;
  let vector0 = pixelTile % parameters.tilesAcross;
  let x0 = vector0 * 4;
  let image_0_0 = imageVector(image, y0 + -1, vector0 + -1);
  let image_0_1 = imageVector(image, y0 + -1, vector0 + 0);
  let image_0_2 = imageVector(image, y0 + -1, vector0 + 1);
  let x_0_0 = bitcast<vec4<i32>>(lookUp(image_0_0[3], y0 + -1, x0 + -1));
  let x_0_1 = bitcast<vec4<i32>>(lookUp(image_0_1[0], y0 + -1, x0 + 0));
  let x_0_2 = bitcast<vec4<i32>>(lookUp(image_0_1[1], y0 + -1, x0 + 1));
  let x_0_3 = bitcast<vec4<i32>>(lookUp(image_0_1[2], y0 + -1, x0 + 2));
  let x_0_4 = bitcast<vec4<i32>>(lookUp(image_0_1[3], y0 + -1, x0 + 3));
  let x_0_5 = bitcast<vec4<i32>>(lookUp(image_0_2[0], y0 + -1, x0 + 4));
  let image_1_0 = imageVector(image, y0 + 0, vector0 + -1);
  let image_1_1 = imageVector(image, y0 + 0, vector0 + 0);
  let image_1_2 = imageVector(image, y0 + 0, vector0 + 1);
  let x_1_0 = bitcast<vec4<i32>>(lookUp(image_1_0[3], y0 + 0, x0 + -1));
  let x_1_1 = bitcast<vec4<i32>>(lookUp(image_1_1[0], y0 + 0, x0 + 0));
  let x_1_2 = bitcast<vec4<i32>>(lookUp(image_1_1[1], y0 + 0, x0 + 1));
  let x_1_3 = bitcast<vec4<i32>>(lookUp(image_1_1[2], y0 + 0, x0 + 2));
  let x_1_4 = bitcast<vec4<i32>>(lookUp(image_1_1[3], y0 + 0, x0 + 3));
  let x_1_5 = bitcast<vec4<i32>>(lookUp(image_1_2[0], y0 + 0, x0 + 4));
  let image_2_0 = imageVector(image, y0 + 1, vector0 + -1);
  let image_2_1 = imageVector(image, y0 + 1, vector0 + 0);
  let image_2_2 = imageVector(image, y0 + 1, vector0 + 1);
  let x_2_0 = bitcast<vec4<i32>>(lookUp(image_2_0[3], y0 + 1, x0 + -1));
  let x_2_1 = bitcast<vec4<i32>>(lookUp(image_2_1[0], y0 + 1, x0 + 0));
  let x_2_2 = bitcast<vec4<i32>>(lookUp(image_2_1[1], y0 + 1, x0 + 1));
  let x_2_3 = bitcast<vec4<i32>>(lookUp(image_2_1[2], y0 + 1, x0 + 2));
  let x_2_4 = bitcast<vec4<i32>>(lookUp(image_2_1[3], y0 + 1, x0 + 3));
  let x_2_5 = bitcast<vec4<i32>>(lookUp(image_2_2[0], y0 + 1, x0 + 4));
  let image_3_0 = imageVector(image, y0 + 2, vector0 + -1);
  let image_3_1 = imageVector(image, y0 + 2, vector0 + 0);
  let image_3_2 = imageVector(image, y0 + 2, vector0 + 1);
  let x_3_0 = bitcast<vec4<i32>>(lookUp(image_3_0[3], y0 + 2, x0 + -1));
  let x_3_1 = bitcast<vec4<i32>>(lookUp(image_3_1[0], y0 + 2, x0 + 0));
  let x_3_2 = bitcast<vec4<i32>>(lookUp(image_3_1[1], y0 + 2, x0 + 1));
  let x_3_3 = bitcast<vec4<i32>>(lookUp(image_3_1[2], y0 + 2, x0 + 2));
  let x_3_4 = bitcast<vec4<i32>>(lookUp(image_3_1[3], y0 + 2, x0 + 3));
  let x_3_5 = bitcast<vec4<i32>>(lookUp(image_3_2[0], y0 + 2, x0 + 4));
  for (var quad0 = lane % 2; quad0 < parameters.outQuads; quad0 += 2) {
    var acc_0_0_0 = i32();
    var acc_0_0_1 = i32();
    var acc_0_0_2 = i32();
    var acc_0_0_3 = i32();
    var acc_0_1_0 = i32();
    var acc_0_1_1 = i32();
    var acc_0_1_2 = i32();
    var acc_0_1_3 = i32();
    var acc_0_2_0 = i32();
    var acc_0_2_1 = i32();
    var acc_0_2_2 = i32();
    var acc_0_2_3 = i32();
    var acc_0_3_0 = i32();
    var acc_0_3_1 = i32();
    var acc_0_3_2 = i32();
    var acc_0_3_3 = i32();
    var acc_1_0_0 = i32();
    var acc_1_0_1 = i32();
    var acc_1_0_2 = i32();
    var acc_1_0_3 = i32();
    var acc_1_1_0 = i32();
    var acc_1_1_1 = i32();
    var acc_1_1_2 = i32();
    var acc_1_1_3 = i32();
    var acc_1_2_0 = i32();
    var acc_1_2_1 = i32();
    var acc_1_2_2 = i32();
    var acc_1_2_3 = i32();
    var acc_1_3_0 = i32();
    var acc_1_3_1 = i32();
    var acc_1_3_2 = i32();
    var acc_1_3_3 = i32();
    let weights_0 = load_weights(quad0 * 9 + 0);
    let w_0_0 = vec4<i32>(unpack4xI8(weights_0[0]));
    acc_0_0_0 += x_0_0.x * w_0_0.x + x_0_0.y * w_0_0.y + x_0_0.z * w_0_0.z;
    acc_0_1_0 += x_0_1.x * w_0_0.x + x_0_1.y * w_0_0.y + x_0_1.z * w_0_0.z;
    acc_0_2_0 += x_0_2.x * w_0_0.x + x_0_2.y * w_0_0.y + x_0_2.z * w_0_0.z;
    acc_0_3_0 += x_0_3.x * w_0_0.x + x_0_3.y * w_0_0.y + x_0_3.z * w_0_0.z;
    acc_1_0_0 += x_1_0.x * w_0_0.x + x_1_0.y * w_0_0.y + x_1_0.z * w_0_0.z;
    acc_1_1_0 += x_1_1.x * w_0_0.x + x_1_1.y * w_0_0.y + x_1_1.z * w_0_0.z;
    acc_1_2_0 += x_1_2.x * w_0_0.x + x_1_2.y * w_0_0.y + x_1_2.z * w_0_0.z;
    acc_1_3_0 += x_1_3.x * w_0_0.x + x_1_3.y * w_0_0.y + x_1_3.z * w_0_0.z;
    let w_0_1 = vec4<i32>(unpack4xI8(weights_0[1]));
    acc_0_0_1 += x_0_0.x * w_0_1.x + x_0_0.y * w_0_1.y + x_0_0.z * w_0_1.z;
    acc_0_1_1 += x_0_1.x * w_0_1.x + x_0_1.y * w_0_1.y + x_0_1.z * w_0_1.z;
    acc_0_2_1 += x_0_2.x * w_0_1.x + x_0_2.y * w_0_1.y + x_0_2.z * w_0_1.z;
    acc_0_3_1 += x_0_3.x * w_0_1.x + x_0_3.y * w_0_1.y + x_0_3.z * w_0_1.z;
    acc_1_0_1 += x_1_0.x * w_0_1.x + x_1_0.y * w_0_1.y + x_1_0.z * w_0_1.z;
    acc_1_1_1 += x_1_1.x * w_0_1.x + x_1_1.y * w_0_1.y + x_1_1.z * w_0_1.z;
    acc_1_2_1 += x_1_2.x * w_0_1.x + x_1_2.y * w_0_1.y + x_1_2.z * w_0_1.z;
    acc_1_3_1 += x_1_3.x * w_0_1.x + x_1_3.y * w_0_1.y + x_1_3.z * w_0_1.z;
    let w_0_2 = vec4<i32>(unpack4xI8(weights_0[2]));
    acc_0_0_2 += x_0_0.x * w_0_2.x + x_0_0.y * w_0_2.y + x_0_0.z * w_0_2.z;
    acc_0_1_2 += x_0_1.x * w_0_2.x + x_0_1.y * w_0_2.y + x_0_1.z * w_0_2.z;
    acc_0_2_2 += x_0_2.x * w_0_2.x + x_0_2.y * w_0_2.y + x_0_2.z * w_0_2.z;
    acc_0_3_2 += x_0_3.x * w_0_2.x + x_0_3.y * w_0_2.y + x_0_3.z * w_0_2.z;
    acc_1_0_2 += x_1_0.x * w_0_2.x + x_1_0.y * w_0_2.y + x_1_0.z * w_0_2.z;
    acc_1_1_2 += x_1_1.x * w_0_2.x + x_1_1.y * w_0_2.y + x_1_1.z * w_0_2.z;
    acc_1_2_2 += x_1_2.x * w_0_2.x + x_1_2.y * w_0_2.y + x_1_2.z * w_0_2.z;
    acc_1_3_2 += x_1_3.x * w_0_2.x + x_1_3.y * w_0_2.y + x_1_3.z * w_0_2.z;
    let w_0_3 = vec4<i32>(unpack4xI8(weights_0[3]));
    acc_0_0_3 += x_0_0.x * w_0_3.x + x_0_0.y * w_0_3.y + x_0_0.z * w_0_3.z;
    acc_0_1_3 += x_0_1.x * w_0_3.x + x_0_1.y * w_0_3.y + x_0_1.z * w_0_3.z;
    acc_0_2_3 += x_0_2.x * w_0_3.x + x_0_2.y * w_0_3.y + x_0_2.z * w_0_3.z;
    acc_0_3_3 += x_0_3.x * w_0_3.x + x_0_3.y * w_0_3.y + x_0_3.z * w_0_3.z;
    acc_1_0_3 += x_1_0.x * w_0_3.x + x_1_0.y * w_0_3.y + x_1_0.z * w_0_3.z;
    acc_1_1_3 += x_1_1.x * w_0_3.x + x_1_1.y * w_0_3.y + x_1_1.z * w_0_3.z;
    acc_1_2_3 += x_1_2.x * w_0_3.x + x_1_2.y * w_0_3.y + x_1_2.z * w_0_3.z;
    acc_1_3_3 += x_1_3.x * w_0_3.x + x_1_3.y * w_0_3.y + x_1_3.z * w_0_3.z;
    let weights_1 = load_weights(quad0 * 9 + 1);
    let w_1_0 = vec4<i32>(unpack4xI8(weights_1[0]));
    acc_0_0_0 += x_0_1.x * w_1_0.x + x_0_1.y * w_1_0.y + x_0_1.z * w_1_0.z;
    acc_0_1_0 += x_0_2.x * w_1_0.x + x_0_2.y * w_1_0.y + x_0_2.z * w_1_0.z;
    acc_0_2_0 += x_0_3.x * w_1_0.x + x_0_3.y * w_1_0.y + x_0_3.z * w_1_0.z;
    acc_0_3_0 += x_0_4.x * w_1_0.x + x_0_4.y * w_1_0.y + x_0_4.z * w_1_0.z;
    acc_1_0_0 += x_1_1.x * w_1_0.x + x_1_1.y * w_1_0.y + x_1_1.z * w_1_0.z;
    acc_1_1_0 += x_1_2.x * w_1_0.x + x_1_2.y * w_1_0.y + x_1_2.z * w_1_0.z;
    acc_1_2_0 += x_1_3.x * w_1_0.x + x_1_3.y * w_1_0.y + x_1_3.z * w_1_0.z;
    acc_1_3_0 += x_1_4.x * w_1_0.x + x_1_4.y * w_1_0.y + x_1_4.z * w_1_0.z;
    let w_1_1 = vec4<i32>(unpack4xI8(weights_1[1]));
    acc_0_0_1 += x_0_1.x * w_1_1.x + x_0_1.y * w_1_1.y + x_0_1.z * w_1_1.z;
    acc_0_1_1 += x_0_2.x * w_1_1.x + x_0_2.y * w_1_1.y + x_0_2.z * w_1_1.z;
    acc_0_2_1 += x_0_3.x * w_1_1.x + x_0_3.y * w_1_1.y + x_0_3.z * w_1_1.z;
    acc_0_3_1 += x_0_4.x * w_1_1.x + x_0_4.y * w_1_1.y + x_0_4.z * w_1_1.z;
    acc_1_0_1 += x_1_1.x * w_1_1.x + x_1_1.y * w_1_1.y + x_1_1.z * w_1_1.z;
    acc_1_1_1 += x_1_2.x * w_1_1.x + x_1_2.y * w_1_1.y + x_1_2.z * w_1_1.z;
    acc_1_2_1 += x_1_3.x * w_1_1.x + x_1_3.y * w_1_1.y + x_1_3.z * w_1_1.z;
    acc_1_3_1 += x_1_4.x * w_1_1.x + x_1_4.y * w_1_1.y + x_1_4.z * w_1_1.z;
    let w_1_2 = vec4<i32>(unpack4xI8(weights_1[2]));
    acc_0_0_2 += x_0_1.x * w_1_2.x + x_0_1.y * w_1_2.y + x_0_1.z * w_1_2.z;
    acc_0_1_2 += x_0_2.x * w_1_2.x + x_0_2.y * w_1_2.y + x_0_2.z * w_1_2.z;
    acc_0_2_2 += x_0_3.x * w_1_2.x + x_0_3.y * w_1_2.y + x_0_3.z * w_1_2.z;
    acc_0_3_2 += x_0_4.x * w_1_2.x + x_0_4.y * w_1_2.y + x_0_4.z * w_1_2.z;
    acc_1_0_2 += x_1_1.x * w_1_2.x + x_1_1.y * w_1_2.y + x_1_1.z * w_1_2.z;
    acc_1_1_2 += x_1_2.x * w_1_2.x + x_1_2.y * w_1_2.y + x_1_2.z * w_1_2.z;
    acc_1_2_2 += x_1_3.x * w_1_2.x + x_1_3.y * w_1_2.y + x_1_3.z * w_1_2.z;
    acc_1_3_2 += x_1_4.x * w_1_2.x + x_1_4.y * w_1_2.y + x_1_4.z * w_1_2.z;
    let w_1_3 = vec4<i32>(unpack4xI8(weights_1[3]));
    acc_0_0_3 += x_0_1.x * w_1_3.x + x_0_1.y * w_1_3.y + x_0_1.z * w_1_3.z;
    acc_0_1_3 += x_0_2.x * w_1_3.x + x_0_2.y * w_1_3.y + x_0_2.z * w_1_3.z;
    acc_0_2_3 += x_0_3.x * w_1_3.x + x_0_3.y * w_1_3.y + x_0_3.z * w_1_3.z;
    acc_0_3_3 += x_0_4.x * w_1_3.x + x_0_4.y * w_1_3.y + x_0_4.z * w_1_3.z;
    acc_1_0_3 += x_1_1.x * w_1_3.x + x_1_1.y * w_1_3.y + x_1_1.z * w_1_3.z;
    acc_1_1_3 += x_1_2.x * w_1_3.x + x_1_2.y * w_1_3.y + x_1_2.z * w_1_3.z;
    acc_1_2_3 += x_1_3.x * w_1_3.x + x_1_3.y * w_1_3.y + x_1_3.z * w_1_3.z;
    acc_1_3_3 += x_1_4.x * w_1_3.x + x_1_4.y * w_1_3.y + x_1_4.z * w_1_3.z;
    let weights_2 = load_weights(quad0 * 9 + 2);
    let w_2_0 = vec4<i32>(unpack4xI8(weights_2[0]));
    acc_0_0_0 += x_0_2.x * w_2_0.x + x_0_2.y * w_2_0.y + x_0_2.z * w_2_0.z;
    acc_0_1_0 += x_0_3.x * w_2_0.x + x_0_3.y * w_2_0.y + x_0_3.z * w_2_0.z;
    acc_0_2_0 += x_0_4.x * w_2_0.x + x_0_4.y * w_2_0.y + x_0_4.z * w_2_0.z;
    acc_0_3_0 += x_0_5.x * w_2_0.x + x_0_5.y * w_2_0.y + x_0_5.z * w_2_0.z;
    acc_1_0_0 += x_1_2.x * w_2_0.x + x_1_2.y * w_2_0.y + x_1_2.z * w_2_0.z;
    acc_1_1_0 += x_1_3.x * w_2_0.x + x_1_3.y * w_2_0.y + x_1_3.z * w_2_0.z;
    acc_1_2_0 += x_1_4.x * w_2_0.x + x_1_4.y * w_2_0.y + x_1_4.z * w_2_0.z;
    acc_1_3_0 += x_1_5.x * w_2_0.x + x_1_5.y * w_2_0.y + x_1_5.z * w_2_0.z;
    let w_2_1 = vec4<i32>(unpack4xI8(weights_2[1]));
    acc_0_0_1 += x_0_2.x * w_2_1.x + x_0_2.y * w_2_1.y + x_0_2.z * w_2_1.z;
    acc_0_1_1 += x_0_3.x * w_2_1.x + x_0_3.y * w_2_1.y + x_0_3.z * w_2_1.z;
    acc_0_2_1 += x_0_4.x * w_2_1.x + x_0_4.y * w_2_1.y + x_0_4.z * w_2_1.z;
    acc_0_3_1 += x_0_5.x * w_2_1.x + x_0_5.y * w_2_1.y + x_0_5.z * w_2_1.z;
    acc_1_0_1 += x_1_2.x * w_2_1.x + x_1_2.y * w_2_1.y + x_1_2.z * w_2_1.z;
    acc_1_1_1 += x_1_3.x * w_2_1.x + x_1_3.y * w_2_1.y + x_1_3.z * w_2_1.z;
    acc_1_2_1 += x_1_4.x * w_2_1.x + x_1_4.y * w_2_1.y + x_1_4.z * w_2_1.z;
    acc_1_3_1 += x_1_5.x * w_2_1.x + x_1_5.y * w_2_1.y + x_1_5.z * w_2_1.z;
    let w_2_2 = vec4<i32>(unpack4xI8(weights_2[2]));
    acc_0_0_2 += x_0_2.x * w_2_2.x + x_0_2.y * w_2_2.y + x_0_2.z * w_2_2.z;
    acc_0_1_2 += x_0_3.x * w_2_2.x + x_0_3.y * w_2_2.y + x_0_3.z * w_2_2.z;
    acc_0_2_2 += x_0_4.x * w_2_2.x + x_0_4.y * w_2_2.y + x_0_4.z * w_2_2.z;
    acc_0_3_2 += x_0_5.x * w_2_2.x + x_0_5.y * w_2_2.y + x_0_5.z * w_2_2.z;
    acc_1_0_2 += x_1_2.x * w_2_2.x + x_1_2.y * w_2_2.y + x_1_2.z * w_2_2.z;
    acc_1_1_2 += x_1_3.x * w_2_2.x + x_1_3.y * w_2_2.y + x_1_3.z * w_2_2.z;
    acc_1_2_2 += x_1_4.x * w_2_2.x + x_1_4.y * w_2_2.y + x_1_4.z * w_2_2.z;
    acc_1_3_2 += x_1_5.x * w_2_2.x + x_1_5.y * w_2_2.y + x_1_5.z * w_2_2.z;
    let w_2_3 = vec4<i32>(unpack4xI8(weights_2[3]));
    acc_0_0_3 += x_0_2.x * w_2_3.x + x_0_2.y * w_2_3.y + x_0_2.z * w_2_3.z;
    acc_0_1_3 += x_0_3.x * w_2_3.x + x_0_3.y * w_2_3.y + x_0_3.z * w_2_3.z;
    acc_0_2_3 += x_0_4.x * w_2_3.x + x_0_4.y * w_2_3.y + x_0_4.z * w_2_3.z;
    acc_0_3_3 += x_0_5.x * w_2_3.x + x_0_5.y * w_2_3.y + x_0_5.z * w_2_3.z;
    acc_1_0_3 += x_1_2.x * w_2_3.x + x_1_2.y * w_2_3.y + x_1_2.z * w_2_3.z;
    acc_1_1_3 += x_1_3.x * w_2_3.x + x_1_3.y * w_2_3.y + x_1_3.z * w_2_3.z;
    acc_1_2_3 += x_1_4.x * w_2_3.x + x_1_4.y * w_2_3.y + x_1_4.z * w_2_3.z;
    acc_1_3_3 += x_1_5.x * w_2_3.x + x_1_5.y * w_2_3.y + x_1_5.z * w_2_3.z;
    let weights_3 = load_weights(quad0 * 9 + 3);
    let w_3_0 = vec4<i32>(unpack4xI8(weights_3[0]));
    acc_0_0_0 += x_1_0.x * w_3_0.x + x_1_0.y * w_3_0.y + x_1_0.z * w_3_0.z;
    acc_0_1_0 += x_1_1.x * w_3_0.x + x_1_1.y * w_3_0.y + x_1_1.z * w_3_0.z;
    acc_0_2_0 += x_1_2.x * w_3_0.x + x_1_2.y * w_3_0.y + x_1_2.z * w_3_0.z;
    acc_0_3_0 += x_1_3.x * w_3_0.x + x_1_3.y * w_3_0.y + x_1_3.z * w_3_0.z;
    acc_1_0_0 += x_2_0.x * w_3_0.x + x_2_0.y * w_3_0.y + x_2_0.z * w_3_0.z;
    acc_1_1_0 += x_2_1.x * w_3_0.x + x_2_1.y * w_3_0.y + x_2_1.z * w_3_0.z;
    acc_1_2_0 += x_2_2.x * w_3_0.x + x_2_2.y * w_3_0.y + x_2_2.z * w_3_0.z;
    acc_1_3_0 += x_2_3.x * w_3_0.x + x_2_3.y * w_3_0.y + x_2_3.z * w_3_0.z;
    let w_3_1 = vec4<i32>(unpack4xI8(weights_3[1]));
    acc_0_0_1 += x_1_0.x * w_3_1.x + x_1_0.y * w_3_1.y + x_1_0.z * w_3_1.z;
    acc_0_1_1 += x_1_1.x * w_3_1.x + x_1_1.y * w_3_1.y + x_1_1.z * w_3_1.z;
    acc_0_2_1 += x_1_2.x * w_3_1.x + x_1_2.y * w_3_1.y + x_1_2.z * w_3_1.z;
    acc_0_3_1 += x_1_3.x * w_3_1.x + x_1_3.y * w_3_1.y + x_1_3.z * w_3_1.z;
    acc_1_0_1 += x_2_0.x * w_3_1.x + x_2_0.y * w_3_1.y + x_2_0.z * w_3_1.z;
    acc_1_1_1 += x_2_1.x * w_3_1.x + x_2_1.y * w_3_1.y + x_2_1.z * w_3_1.z;
    acc_1_2_1 += x_2_2.x * w_3_1.x + x_2_2.y * w_3_1.y + x_2_2.z * w_3_1.z;
    acc_1_3_1 += x_2_3.x * w_3_1.x + x_2_3.y * w_3_1.y + x_2_3.z * w_3_1.z;
    let w_3_2 = vec4<i32>(unpack4xI8(weights_3[2]));
    acc_0_0_2 += x_1_0.x * w_3_2.x + x_1_0.y * w_3_2.y + x_1_0.z * w_3_2.z;
    acc_0_1_2 += x_1_1.x * w_3_2.x + x_1_1.y * w_3_2.y + x_1_1.z * w_3_2.z;
    acc_0_2_2 += x_1_2.x * w_3_2.x + x_1_2.y * w_3_2.y + x_1_2.z * w_3_2.z;
    acc_0_3_2 += x_1_3.x * w_3_2.x + x_1_3.y * w_3_2.y + x_1_3.z * w_3_2.z;
    acc_1_0_2 += x_2_0.x * w_3_2.x + x_2_0.y * w_3_2.y + x_2_0.z * w_3_2.z;
    acc_1_1_2 += x_2_1.x * w_3_2.x + x_2_1.y * w_3_2.y + x_2_1.z * w_3_2.z;
    acc_1_2_2 += x_2_2.x * w_3_2.x + x_2_2.y * w_3_2.y + x_2_2.z * w_3_2.z;
    acc_1_3_2 += x_2_3.x * w_3_2.x + x_2_3.y * w_3_2.y + x_2_3.z * w_3_2.z;
    let w_3_3 = vec4<i32>(unpack4xI8(weights_3[3]));
    acc_0_0_3 += x_1_0.x * w_3_3.x + x_1_0.y * w_3_3.y + x_1_0.z * w_3_3.z;
    acc_0_1_3 += x_1_1.x * w_3_3.x + x_1_1.y * w_3_3.y + x_1_1.z * w_3_3.z;
    acc_0_2_3 += x_1_2.x * w_3_3.x + x_1_2.y * w_3_3.y + x_1_2.z * w_3_3.z;
    acc_0_3_3 += x_1_3.x * w_3_3.x + x_1_3.y * w_3_3.y + x_1_3.z * w_3_3.z;
    acc_1_0_3 += x_2_0.x * w_3_3.x + x_2_0.y * w_3_3.y + x_2_0.z * w_3_3.z;
    acc_1_1_3 += x_2_1.x * w_3_3.x + x_2_1.y * w_3_3.y + x_2_1.z * w_3_3.z;
    acc_1_2_3 += x_2_2.x * w_3_3.x + x_2_2.y * w_3_3.y + x_2_2.z * w_3_3.z;
    acc_1_3_3 += x_2_3.x * w_3_3.x + x_2_3.y * w_3_3.y + x_2_3.z * w_3_3.z;
    let weights_4 = load_weights(quad0 * 9 + 4);
    let w_4_0 = vec4<i32>(unpack4xI8(weights_4[0]));
    acc_0_0_0 += x_1_1.x * w_4_0.x + x_1_1.y * w_4_0.y + x_1_1.z * w_4_0.z;
    acc_0_1_0 += x_1_2.x * w_4_0.x + x_1_2.y * w_4_0.y + x_1_2.z * w_4_0.z;
    acc_0_2_0 += x_1_3.x * w_4_0.x + x_1_3.y * w_4_0.y + x_1_3.z * w_4_0.z;
    acc_0_3_0 += x_1_4.x * w_4_0.x + x_1_4.y * w_4_0.y + x_1_4.z * w_4_0.z;
    acc_1_0_0 += x_2_1.x * w_4_0.x + x_2_1.y * w_4_0.y + x_2_1.z * w_4_0.z;
    acc_1_1_0 += x_2_2.x * w_4_0.x + x_2_2.y * w_4_0.y + x_2_2.z * w_4_0.z;
    acc_1_2_0 += x_2_3.x * w_4_0.x + x_2_3.y * w_4_0.y + x_2_3.z * w_4_0.z;
    acc_1_3_0 += x_2_4.x * w_4_0.x + x_2_4.y * w_4_0.y + x_2_4.z * w_4_0.z;
    let w_4_1 = vec4<i32>(unpack4xI8(weights_4[1]));
    acc_0_0_1 += x_1_1.x * w_4_1.x + x_1_1.y * w_4_1.y + x_1_1.z * w_4_1.z;
    acc_0_1_1 += x_1_2.x * w_4_1.x + x_1_2.y * w_4_1.y + x_1_2.z * w_4_1.z;
    acc_0_2_1 += x_1_3.x * w_4_1.x + x_1_3.y * w_4_1.y + x_1_3.z * w_4_1.z;
    acc_0_3_1 += x_1_4.x * w_4_1.x + x_1_4.y * w_4_1.y + x_1_4.z * w_4_1.z;
    acc_1_0_1 += x_2_1.x * w_4_1.x + x_2_1.y * w_4_1.y + x_2_1.z * w_4_1.z;
    acc_1_1_1 += x_2_2.x * w_4_1.x + x_2_2.y * w_4_1.y + x_2_2.z * w_4_1.z;
    acc_1_2_1 += x_2_3.x * w_4_1.x + x_2_3.y * w_4_1.y + x_2_3.z * w_4_1.z;
    acc_1_3_1 += x_2_4.x * w_4_1.x + x_2_4.y * w_4_1.y + x_2_4.z * w_4_1.z;
    let w_4_2 = vec4<i32>(unpack4xI8(weights_4[2]));
    acc_0_0_2 += x_1_1.x * w_4_2.x + x_1_1.y * w_4_2.y + x_1_1.z * w_4_2.z;
    acc_0_1_2 += x_1_2.x * w_4_2.x + x_1_2.y * w_4_2.y + x_1_2.z * w_4_2.z;
    acc_0_2_2 += x_1_3.x * w_4_2.x + x_1_3.y * w_4_2.y + x_1_3.z * w_4_2.z;
    acc_0_3_2 += x_1_4.x * w_4_2.x + x_1_4.y * w_4_2.y + x_1_4.z * w_4_2.z;
    acc_1_0_2 += x_2_1.x * w_4_2.x + x_2_1.y * w_4_2.y + x_2_1.z * w_4_2.z;
    acc_1_1_2 += x_2_2.x * w_4_2.x + x_2_2.y * w_4_2.y + x_2_2.z * w_4_2.z;
    acc_1_2_2 += x_2_3.x * w_4_2.x + x_2_3.y * w_4_2.y + x_2_3.z * w_4_2.z;
    acc_1_3_2 += x_2_4.x * w_4_2.x + x_2_4.y * w_4_2.y + x_2_4.z * w_4_2.z;
    let w_4_3 = vec4<i32>(unpack4xI8(weights_4[3]));
    acc_0_0_3 += x_1_1.x * w_4_3.x + x_1_1.y * w_4_3.y + x_1_1.z * w_4_3.z;
    acc_0_1_3 += x_1_2.x * w_4_3.x + x_1_2.y * w_4_3.y + x_1_2.z * w_4_3.z;
    acc_0_2_3 += x_1_3.x * w_4_3.x + x_1_3.y * w_4_3.y + x_1_3.z * w_4_3.z;
    acc_0_3_3 += x_1_4.x * w_4_3.x + x_1_4.y * w_4_3.y + x_1_4.z * w_4_3.z;
    acc_1_0_3 += x_2_1.x * w_4_3.x + x_2_1.y * w_4_3.y + x_2_1.z * w_4_3.z;
    acc_1_1_3 += x_2_2.x * w_4_3.x + x_2_2.y * w_4_3.y + x_2_2.z * w_4_3.z;
    acc_1_2_3 += x_2_3.x * w_4_3.x + x_2_3.y * w_4_3.y + x_2_3.z * w_4_3.z;
    acc_1_3_3 += x_2_4.x * w_4_3.x + x_2_4.y * w_4_3.y + x_2_4.z * w_4_3.z;
    let weights_5 = load_weights(quad0 * 9 + 5);
    let w_5_0 = vec4<i32>(unpack4xI8(weights_5[0]));
    acc_0_0_0 += x_1_2.x * w_5_0.x + x_1_2.y * w_5_0.y + x_1_2.z * w_5_0.z;
    acc_0_1_0 += x_1_3.x * w_5_0.x + x_1_3.y * w_5_0.y + x_1_3.z * w_5_0.z;
    acc_0_2_0 += x_1_4.x * w_5_0.x + x_1_4.y * w_5_0.y + x_1_4.z * w_5_0.z;
    acc_0_3_0 += x_1_5.x * w_5_0.x + x_1_5.y * w_5_0.y + x_1_5.z * w_5_0.z;
    acc_1_0_0 += x_2_2.x * w_5_0.x + x_2_2.y * w_5_0.y + x_2_2.z * w_5_0.z;
    acc_1_1_0 += x_2_3.x * w_5_0.x + x_2_3.y * w_5_0.y + x_2_3.z * w_5_0.z;
    acc_1_2_0 += x_2_4.x * w_5_0.x + x_2_4.y * w_5_0.y + x_2_4.z * w_5_0.z;
    acc_1_3_0 += x_2_5.x * w_5_0.x + x_2_5.y * w_5_0.y + x_2_5.z * w_5_0.z;
    let w_5_1 = vec4<i32>(unpack4xI8(weights_5[1]));
    acc_0_0_1 += x_1_2.x * w_5_1.x + x_1_2.y * w_5_1.y + x_1_2.z * w_5_1.z;
    acc_0_1_1 += x_1_3.x * w_5_1.x + x_1_3.y * w_5_1.y + x_1_3.z * w_5_1.z;
    acc_0_2_1 += x_1_4.x * w_5_1.x + x_1_4.y * w_5_1.y + x_1_4.z * w_5_1.z;
    acc_0_3_1 += x_1_5.x * w_5_1.x + x_1_5.y * w_5_1.y + x_1_5.z * w_5_1.z;
    acc_1_0_1 += x_2_2.x * w_5_1.x + x_2_2.y * w_5_1.y + x_2_2.z * w_5_1.z;
    acc_1_1_1 += x_2_3.x * w_5_1.x + x_2_3.y * w_5_1.y + x_2_3.z * w_5_1.z;
    acc_1_2_1 += x_2_4.x * w_5_1.x + x_2_4.y * w_5_1.y + x_2_4.z * w_5_1.z;
    acc_1_3_1 += x_2_5.x * w_5_1.x + x_2_5.y * w_5_1.y + x_2_5.z * w_5_1.z;
    let w_5_2 = vec4<i32>(unpack4xI8(weights_5[2]));
    acc_0_0_2 += x_1_2.x * w_5_2.x + x_1_2.y * w_5_2.y + x_1_2.z * w_5_2.z;
    acc_0_1_2 += x_1_3.x * w_5_2.x + x_1_3.y * w_5_2.y + x_1_3.z * w_5_2.z;
    acc_0_2_2 += x_1_4.x * w_5_2.x + x_1_4.y * w_5_2.y + x_1_4.z * w_5_2.z;
    acc_0_3_2 += x_1_5.x * w_5_2.x + x_1_5.y * w_5_2.y + x_1_5.z * w_5_2.z;
    acc_1_0_2 += x_2_2.x * w_5_2.x + x_2_2.y * w_5_2.y + x_2_2.z * w_5_2.z;
    acc_1_1_2 += x_2_3.x * w_5_2.x + x_2_3.y * w_5_2.y + x_2_3.z * w_5_2.z;
    acc_1_2_2 += x_2_4.x * w_5_2.x + x_2_4.y * w_5_2.y + x_2_4.z * w_5_2.z;
    acc_1_3_2 += x_2_5.x * w_5_2.x + x_2_5.y * w_5_2.y + x_2_5.z * w_5_2.z;
    let w_5_3 = vec4<i32>(unpack4xI8(weights_5[3]));
    acc_0_0_3 += x_1_2.x * w_5_3.x + x_1_2.y * w_5_3.y + x_1_2.z * w_5_3.z;
    acc_0_1_3 += x_1_3.x * w_5_3.x + x_1_3.y * w_5_3.y + x_1_3.z * w_5_3.z;
    acc_0_2_3 += x_1_4.x * w_5_3.x + x_1_4.y * w_5_3.y + x_1_4.z * w_5_3.z;
    acc_0_3_3 += x_1_5.x * w_5_3.x + x_1_5.y * w_5_3.y + x_1_5.z * w_5_3.z;
    acc_1_0_3 += x_2_2.x * w_5_3.x + x_2_2.y * w_5_3.y + x_2_2.z * w_5_3.z;
    acc_1_1_3 += x_2_3.x * w_5_3.x + x_2_3.y * w_5_3.y + x_2_3.z * w_5_3.z;
    acc_1_2_3 += x_2_4.x * w_5_3.x + x_2_4.y * w_5_3.y + x_2_4.z * w_5_3.z;
    acc_1_3_3 += x_2_5.x * w_5_3.x + x_2_5.y * w_5_3.y + x_2_5.z * w_5_3.z;
    let weights_6 = load_weights(quad0 * 9 + 6);
    let w_6_0 = vec4<i32>(unpack4xI8(weights_6[0]));
    acc_0_0_0 += x_2_0.x * w_6_0.x + x_2_0.y * w_6_0.y + x_2_0.z * w_6_0.z;
    acc_0_1_0 += x_2_1.x * w_6_0.x + x_2_1.y * w_6_0.y + x_2_1.z * w_6_0.z;
    acc_0_2_0 += x_2_2.x * w_6_0.x + x_2_2.y * w_6_0.y + x_2_2.z * w_6_0.z;
    acc_0_3_0 += x_2_3.x * w_6_0.x + x_2_3.y * w_6_0.y + x_2_3.z * w_6_0.z;
    acc_1_0_0 += x_3_0.x * w_6_0.x + x_3_0.y * w_6_0.y + x_3_0.z * w_6_0.z;
    acc_1_1_0 += x_3_1.x * w_6_0.x + x_3_1.y * w_6_0.y + x_3_1.z * w_6_0.z;
    acc_1_2_0 += x_3_2.x * w_6_0.x + x_3_2.y * w_6_0.y + x_3_2.z * w_6_0.z;
    acc_1_3_0 += x_3_3.x * w_6_0.x + x_3_3.y * w_6_0.y + x_3_3.z * w_6_0.z;
    let w_6_1 = vec4<i32>(unpack4xI8(weights_6[1]));
    acc_0_0_1 += x_2_0.x * w_6_1.x + x_2_0.y * w_6_1.y + x_2_0.z * w_6_1.z;
    acc_0_1_1 += x_2_1.x * w_6_1.x + x_2_1.y * w_6_1.y + x_2_1.z * w_6_1.z;
    acc_0_2_1 += x_2_2.x * w_6_1.x + x_2_2.y * w_6_1.y + x_2_2.z * w_6_1.z;
    acc_0_3_1 += x_2_3.x * w_6_1.x + x_2_3.y * w_6_1.y + x_2_3.z * w_6_1.z;
    acc_1_0_1 += x_3_0.x * w_6_1.x + x_3_0.y * w_6_1.y + x_3_0.z * w_6_1.z;
    acc_1_1_1 += x_3_1.x * w_6_1.x + x_3_1.y * w_6_1.y + x_3_1.z * w_6_1.z;
    acc_1_2_1 += x_3_2.x * w_6_1.x + x_3_2.y * w_6_1.y + x_3_2.z * w_6_1.z;
    acc_1_3_1 += x_3_3.x * w_6_1.x + x_3_3.y * w_6_1.y + x_3_3.z * w_6_1.z;
    let w_6_2 = vec4<i32>(unpack4xI8(weights_6[2]));
    acc_0_0_2 += x_2_0.x * w_6_2.x + x_2_0.y * w_6_2.y + x_2_0.z * w_6_2.z;
    acc_0_1_2 += x_2_1.x * w_6_2.x + x_2_1.y * w_6_2.y + x_2_1.z * w_6_2.z;
    acc_0_2_2 += x_2_2.x * w_6_2.x + x_2_2.y * w_6_2.y + x_2_2.z * w_6_2.z;
    acc_0_3_2 += x_2_3.x * w_6_2.x + x_2_3.y * w_6_2.y + x_2_3.z * w_6_2.z;
    acc_1_0_2 += x_3_0.x * w_6_2.x + x_3_0.y * w_6_2.y + x_3_0.z * w_6_2.z;
    acc_1_1_2 += x_3_1.x * w_6_2.x + x_3_1.y * w_6_2.y + x_3_1.z * w_6_2.z;
    acc_1_2_2 += x_3_2.x * w_6_2.x + x_3_2.y * w_6_2.y + x_3_2.z * w_6_2.z;
    acc_1_3_2 += x_3_3.x * w_6_2.x + x_3_3.y * w_6_2.y + x_3_3.z * w_6_2.z;
    let w_6_3 = vec4<i32>(unpack4xI8(weights_6[3]));
    acc_0_0_3 += x_2_0.x * w_6_3.x + x_2_0.y * w_6_3.y + x_2_0.z * w_6_3.z;
    acc_0_1_3 += x_2_1.x * w_6_3.x + x_2_1.y * w_6_3.y + x_2_1.z * w_6_3.z;
    acc_0_2_3 += x_2_2.x * w_6_3.x + x_2_2.y * w_6_3.y + x_2_2.z * w_6_3.z;
    acc_0_3_3 += x_2_3.x * w_6_3.x + x_2_3.y * w_6_3.y + x_2_3.z * w_6_3.z;
    acc_1_0_3 += x_3_0.x * w_6_3.x + x_3_0.y * w_6_3.y + x_3_0.z * w_6_3.z;
    acc_1_1_3 += x_3_1.x * w_6_3.x + x_3_1.y * w_6_3.y + x_3_1.z * w_6_3.z;
    acc_1_2_3 += x_3_2.x * w_6_3.x + x_3_2.y * w_6_3.y + x_3_2.z * w_6_3.z;
    acc_1_3_3 += x_3_3.x * w_6_3.x + x_3_3.y * w_6_3.y + x_3_3.z * w_6_3.z;
    let weights_7 = load_weights(quad0 * 9 + 7);
    let w_7_0 = vec4<i32>(unpack4xI8(weights_7[0]));
    acc_0_0_0 += x_2_1.x * w_7_0.x + x_2_1.y * w_7_0.y + x_2_1.z * w_7_0.z;
    acc_0_1_0 += x_2_2.x * w_7_0.x + x_2_2.y * w_7_0.y + x_2_2.z * w_7_0.z;
    acc_0_2_0 += x_2_3.x * w_7_0.x + x_2_3.y * w_7_0.y + x_2_3.z * w_7_0.z;
    acc_0_3_0 += x_2_4.x * w_7_0.x + x_2_4.y * w_7_0.y + x_2_4.z * w_7_0.z;
    acc_1_0_0 += x_3_1.x * w_7_0.x + x_3_1.y * w_7_0.y + x_3_1.z * w_7_0.z;
    acc_1_1_0 += x_3_2.x * w_7_0.x + x_3_2.y * w_7_0.y + x_3_2.z * w_7_0.z;
    acc_1_2_0 += x_3_3.x * w_7_0.x + x_3_3.y * w_7_0.y + x_3_3.z * w_7_0.z;
    acc_1_3_0 += x_3_4.x * w_7_0.x + x_3_4.y * w_7_0.y + x_3_4.z * w_7_0.z;
    let w_7_1 = vec4<i32>(unpack4xI8(weights_7[1]));
    acc_0_0_1 += x_2_1.x * w_7_1.x + x_2_1.y * w_7_1.y + x_2_1.z * w_7_1.z;
    acc_0_1_1 += x_2_2.x * w_7_1.x + x_2_2.y * w_7_1.y + x_2_2.z * w_7_1.z;
    acc_0_2_1 += x_2_3.x * w_7_1.x + x_2_3.y * w_7_1.y + x_2_3.z * w_7_1.z;
    acc_0_3_1 += x_2_4.x * w_7_1.x + x_2_4.y * w_7_1.y + x_2_4.z * w_7_1.z;
    acc_1_0_1 += x_3_1.x * w_7_1.x + x_3_1.y * w_7_1.y + x_3_1.z * w_7_1.z;
    acc_1_1_1 += x_3_2.x * w_7_1.x + x_3_2.y * w_7_1.y + x_3_2.z * w_7_1.z;
    acc_1_2_1 += x_3_3.x * w_7_1.x + x_3_3.y * w_7_1.y + x_3_3.z * w_7_1.z;
    acc_1_3_1 += x_3_4.x * w_7_1.x + x_3_4.y * w_7_1.y + x_3_4.z * w_7_1.z;
    let w_7_2 = vec4<i32>(unpack4xI8(weights_7[2]));
    acc_0_0_2 += x_2_1.x * w_7_2.x + x_2_1.y * w_7_2.y + x_2_1.z * w_7_2.z;
    acc_0_1_2 += x_2_2.x * w_7_2.x + x_2_2.y * w_7_2.y + x_2_2.z * w_7_2.z;
    acc_0_2_2 += x_2_3.x * w_7_2.x + x_2_3.y * w_7_2.y + x_2_3.z * w_7_2.z;
    acc_0_3_2 += x_2_4.x * w_7_2.x + x_2_4.y * w_7_2.y + x_2_4.z * w_7_2.z;
    acc_1_0_2 += x_3_1.x * w_7_2.x + x_3_1.y * w_7_2.y + x_3_1.z * w_7_2.z;
    acc_1_1_2 += x_3_2.x * w_7_2.x + x_3_2.y * w_7_2.y + x_3_2.z * w_7_2.z;
    acc_1_2_2 += x_3_3.x * w_7_2.x + x_3_3.y * w_7_2.y + x_3_3.z * w_7_2.z;
    acc_1_3_2 += x_3_4.x * w_7_2.x + x_3_4.y * w_7_2.y + x_3_4.z * w_7_2.z;
    let w_7_3 = vec4<i32>(unpack4xI8(weights_7[3]));
    acc_0_0_3 += x_2_1.x * w_7_3.x + x_2_1.y * w_7_3.y + x_2_1.z * w_7_3.z;
    acc_0_1_3 += x_2_2.x * w_7_3.x + x_2_2.y * w_7_3.y + x_2_2.z * w_7_3.z;
    acc_0_2_3 += x_2_3.x * w_7_3.x + x_2_3.y * w_7_3.y + x_2_3.z * w_7_3.z;
    acc_0_3_3 += x_2_4.x * w_7_3.x + x_2_4.y * w_7_3.y + x_2_4.z * w_7_3.z;
    acc_1_0_3 += x_3_1.x * w_7_3.x + x_3_1.y * w_7_3.y + x_3_1.z * w_7_3.z;
    acc_1_1_3 += x_3_2.x * w_7_3.x + x_3_2.y * w_7_3.y + x_3_2.z * w_7_3.z;
    acc_1_2_3 += x_3_3.x * w_7_3.x + x_3_3.y * w_7_3.y + x_3_3.z * w_7_3.z;
    acc_1_3_3 += x_3_4.x * w_7_3.x + x_3_4.y * w_7_3.y + x_3_4.z * w_7_3.z;
    let weights_8 = load_weights(quad0 * 9 + 8);
    let w_8_0 = vec4<i32>(unpack4xI8(weights_8[0]));
    acc_0_0_0 += x_2_2.x * w_8_0.x + x_2_2.y * w_8_0.y + x_2_2.z * w_8_0.z;
    acc_0_1_0 += x_2_3.x * w_8_0.x + x_2_3.y * w_8_0.y + x_2_3.z * w_8_0.z;
    acc_0_2_0 += x_2_4.x * w_8_0.x + x_2_4.y * w_8_0.y + x_2_4.z * w_8_0.z;
    acc_0_3_0 += x_2_5.x * w_8_0.x + x_2_5.y * w_8_0.y + x_2_5.z * w_8_0.z;
    acc_1_0_0 += x_3_2.x * w_8_0.x + x_3_2.y * w_8_0.y + x_3_2.z * w_8_0.z;
    acc_1_1_0 += x_3_3.x * w_8_0.x + x_3_3.y * w_8_0.y + x_3_3.z * w_8_0.z;
    acc_1_2_0 += x_3_4.x * w_8_0.x + x_3_4.y * w_8_0.y + x_3_4.z * w_8_0.z;
    acc_1_3_0 += x_3_5.x * w_8_0.x + x_3_5.y * w_8_0.y + x_3_5.z * w_8_0.z;
    let w_8_1 = vec4<i32>(unpack4xI8(weights_8[1]));
    acc_0_0_1 += x_2_2.x * w_8_1.x + x_2_2.y * w_8_1.y + x_2_2.z * w_8_1.z;
    acc_0_1_1 += x_2_3.x * w_8_1.x + x_2_3.y * w_8_1.y + x_2_3.z * w_8_1.z;
    acc_0_2_1 += x_2_4.x * w_8_1.x + x_2_4.y * w_8_1.y + x_2_4.z * w_8_1.z;
    acc_0_3_1 += x_2_5.x * w_8_1.x + x_2_5.y * w_8_1.y + x_2_5.z * w_8_1.z;
    acc_1_0_1 += x_3_2.x * w_8_1.x + x_3_2.y * w_8_1.y + x_3_2.z * w_8_1.z;
    acc_1_1_1 += x_3_3.x * w_8_1.x + x_3_3.y * w_8_1.y + x_3_3.z * w_8_1.z;
    acc_1_2_1 += x_3_4.x * w_8_1.x + x_3_4.y * w_8_1.y + x_3_4.z * w_8_1.z;
    acc_1_3_1 += x_3_5.x * w_8_1.x + x_3_5.y * w_8_1.y + x_3_5.z * w_8_1.z;
    let w_8_2 = vec4<i32>(unpack4xI8(weights_8[2]));
    acc_0_0_2 += x_2_2.x * w_8_2.x + x_2_2.y * w_8_2.y + x_2_2.z * w_8_2.z;
    acc_0_1_2 += x_2_3.x * w_8_2.x + x_2_3.y * w_8_2.y + x_2_3.z * w_8_2.z;
    acc_0_2_2 += x_2_4.x * w_8_2.x + x_2_4.y * w_8_2.y + x_2_4.z * w_8_2.z;
    acc_0_3_2 += x_2_5.x * w_8_2.x + x_2_5.y * w_8_2.y + x_2_5.z * w_8_2.z;
    acc_1_0_2 += x_3_2.x * w_8_2.x + x_3_2.y * w_8_2.y + x_3_2.z * w_8_2.z;
    acc_1_1_2 += x_3_3.x * w_8_2.x + x_3_3.y * w_8_2.y + x_3_3.z * w_8_2.z;
    acc_1_2_2 += x_3_4.x * w_8_2.x + x_3_4.y * w_8_2.y + x_3_4.z * w_8_2.z;
    acc_1_3_2 += x_3_5.x * w_8_2.x + x_3_5.y * w_8_2.y + x_3_5.z * w_8_2.z;
    let w_8_3 = vec4<i32>(unpack4xI8(weights_8[3]));
    acc_0_0_3 += x_2_2.x * w_8_3.x + x_2_2.y * w_8_3.y + x_2_2.z * w_8_3.z;
    acc_0_1_3 += x_2_3.x * w_8_3.x + x_2_3.y * w_8_3.y + x_2_3.z * w_8_3.z;
    acc_0_2_3 += x_2_4.x * w_8_3.x + x_2_4.y * w_8_3.y + x_2_4.z * w_8_3.z;
    acc_0_3_3 += x_2_5.x * w_8_3.x + x_2_5.y * w_8_3.y + x_2_5.z * w_8_3.z;
    acc_1_0_3 += x_3_2.x * w_8_3.x + x_3_2.y * w_8_3.y + x_3_2.z * w_8_3.z;
    acc_1_1_3 += x_3_3.x * w_8_3.x + x_3_3.y * w_8_3.y + x_3_3.z * w_8_3.z;
    acc_1_2_3 += x_3_4.x * w_8_3.x + x_3_4.y * w_8_3.y + x_3_4.z * w_8_3.z;
    acc_1_3_3 += x_3_5.x * w_8_3.x + x_3_5.y * w_8_3.y + x_3_5.z * w_8_3.z;
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
  }
  writeMaximum();
}

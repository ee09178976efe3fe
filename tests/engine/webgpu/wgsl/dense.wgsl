// fc7 (buffer dense 1x4 8x8): dense int8 1x4 8x8
// 1 x 128 x 1 workgroups of 64 lanes
// parameters: sixteens 256, images 1, outHeight 1, outWidth 1, outQuads 1024, relu 1, scaleStride
//   2050, scaleOffset 2, maxima 1024

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
  sixteens: i32,
  images: i32,
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

var<workgroup> parts: array<vec4<i32>, 64>;

fn main() {
  let lane = i32(localIndex);
  let inner = lane / 8;
  let quad = i32(workgroupId.y) * 8 + lane % 8;
  let image0 = i32(workgroupId.z) * 1;
  let row = (quad >> 2u) * parameters.sixteens * 16 + (quad & 3);
  var acc0: vec4<i32>;
  for (var i = inner; i < parameters.sixteens; i += 8) {
    let x0 = load_x((image0 + 0) * parameters.sixteens + i);
    {
      let w = load_weights(row + i * 16 + 0);
      acc0.x += dot16(x0, w);
    }
    {
      let w = load_weights(row + i * 16 + 4);
      acc0.y += dot16(x0, w);
    }
    {
      let w = load_weights(row + i * 16 + 8);
      acc0.z += dot16(x0, w);
    }
    {
      let w = load_weights(row + i * 16 + 12);
      acc0.w += dot16(x0, w);
    }
  }
  parts[lane] = acc0;
  workgroupBarrier();
  if (inner == 0) {
    for (var i = 1; i < 8; i++) {
      acc0 += parts[lane + i * 8];
    }
  }
  workgroupBarrier();
  if (inner == 0 && image0 + 0 < parameters.images && quad < parameters.outQuads) {
    writeQuad((image0 + 0) * parameters.outQuads + quad, scaleIndex(image0 + 0, quad), acc0);
  }
}

// conv1_2 (texture F(4x4,3x3) 8x8 8x1): winograd-multiply int8 8x8 8x1
// 28 x 1 x 36 workgroups of 8 lanes
// parameters: patches 224, eights 8, quads 16

@group(0) @binding(1) var inputs: texture_2d<u32>;

fn load_inputs(index: i32) -> vec4<u32> {
  return textureLoad(inputs, vec2<i32>(index & 1023, index >> 10u), 0);
}

@group(0) @binding(2) var filters: texture_2d<u32>;

fn load_filters(index: i32) -> vec4<u32> {
  return textureLoad(filters, vec2<i32>(index & 1023, index >> 10u), 0);
}

@group(0) @binding(0) var texels: texture_storage_2d<rgba32uint, write>;

fn store(index: i32, value: vec4<u32>) {
  textureStore(texels, vec2<i32>(index & 1023, index >> 10u), value);
}

struct Parameters {
  strides: i32,
  patches: i32,
  eights: i32,
  quads: i32,
};

@group(0) @binding(3) var<uniform> parameters: Parameters;

// Eight 16-bit integers: those in the low halves of words, and those in the high ones.
fn low(words: vec4<u32>) -> vec4<i32> {
  return bitcast<vec4<i32>>(words << vec4<u32>(16u)) >> vec4<u32>(16u);
}

fn high(words: vec4<u32>) -> vec4<i32> {
  return bitcast<vec4<i32>>(words) >> vec4<u32>(16u);
}

fn main() {
  let lane = i32(localIndex);
  let point = i32(workgroupId.z);
  let quad0 = i32(workgroupId.y) * 16 + lane % 8;
  let patch0 = (i32(workgroupId.x) * 1 + lane / 8) * 8;
  if (patch0 >= parameters.patches || quad0 >= parameters.quads) {
    return;
  }
  let inputs0 = (point * parameters.patches + min(patch0 + 0, parameters.patches - 1)) *
      parameters.eights * 1;
  let inputs1 = (point * parameters.patches + min(patch0 + 1, parameters.patches - 1)) *
      parameters.eights * 1;
  let inputs2 = (point * parameters.patches + min(patch0 + 2, parameters.patches - 1)) *
      parameters.eights * 1;
  let inputs3 = (point * parameters.patches + min(patch0 + 3, parameters.patches - 1)) *
      parameters.eights * 1;
  let inputs4 = (point * parameters.patches + min(patch0 + 4, parameters.patches - 1)) *
      parameters.eights * 1;
  let inputs5 = (point * parameters.patches + min(patch0 + 5, parameters.patches - 1)) *
      parameters.eights * 1;
  let inputs6 = (point * parameters.patches + min(patch0 + 6, parameters.patches - 1)) *
      parameters.eights * 1;
  let inputs7 = (point * parameters.patches + min(patch0 + 7, parameters.patches - 1)) *
      parameters.eights * 1;
  let filters0 = ((point * (parameters.quads >> 2u) + ((quad0 + 0) >> 2u)) * parameters.eights) * 16
      + ((quad0 + 0) & 3);
  let filters1 = ((point * (parameters.quads >> 2u) + ((quad0 + 8) >> 2u)) * parameters.eights) * 16
      + ((quad0 + 8) & 3);
  var sum_0_0 = i32();
  var sum_0_1 = i32();
  var sum_0_2 = i32();
  var sum_0_3 = i32();
  var sum_0_4 = i32();
  var sum_0_5 = i32();
  var sum_0_6 = i32();
  var sum_0_7 = i32();
  var sum_1_0 = i32();
  var sum_1_1 = i32();
  var sum_1_2 = i32();
  var sum_1_3 = i32();
  var sum_1_4 = i32();
  var sum_1_5 = i32();
  var sum_1_6 = i32();
  var sum_1_7 = i32();
  var sum_2_0 = i32();
  var sum_2_1 = i32();
  var sum_2_2 = i32();
  var sum_2_3 = i32();
  var sum_2_4 = i32();
  var sum_2_5 = i32();
  var sum_2_6 = i32();
  var sum_2_7 = i32();
  var sum_3_0 = i32();
  var sum_3_1 = i32();
  var sum_3_2 = i32();
  var sum_3_3 = i32();
  var sum_3_4 = i32();
  var sum_3_5 = i32();
  var sum_3_6 = i32();
  var sum_3_7 = i32();
  var sum_4_0 = i32();
  var sum_4_1 = i32();
  var sum_4_2 = i32();
  var sum_4_3 = i32();
  var sum_4_4 = i32();
  var sum_4_5 = i32();
  var sum_4_6 = i32();
  var sum_4_7 = i32();
  var sum_5_0 = i32();
  var sum_5_1 = i32();
  var sum_5_2 = i32();
  var sum_5_3 = i32();
  var sum_5_4 = i32();
  var sum_5_5 = i32();
  var sum_5_6 = i32();
  var sum_5_7 = i32();
  var sum_6_0 = i32();
  var sum_6_1 = i32();
  var sum_6_2 = i32();
  var sum_6_3 = i32();
  var sum_6_4 = i32();
  var sum_6_5 = i32();
  var sum_6_6 = i32();
  var sum_6_7 = i32();
  var sum_7_0 = i32();
  var sum_7_1 = i32();
  var sum_7_2 = i32();
  var sum_7_3 = i32();
  var sum_7_4 = i32();
  var sum_7_5 = i32();
  var sum_7_6 = i32();
  var sum_7_7 = i32();
  for (var c = 0; c < parameters.eights; c++) {
    let words0 = load_inputs(inputs0 + c);
    let a0 = low(words0);
    let b0 = high(words0);
    let words1 = load_inputs(inputs1 + c);
    let a1 = low(words1);
    let b1 = high(words1);
    let words2 = load_inputs(inputs2 + c);
    let a2 = low(words2);
    let b2 = high(words2);
    let words3 = load_inputs(inputs3 + c);
    let a3 = low(words3);
    let b3 = high(words3);
    let words4 = load_inputs(inputs4 + c);
    let a4 = low(words4);
    let b4 = high(words4);
    let words5 = load_inputs(inputs5 + c);
    let a5 = low(words5);
    let b5 = high(words5);
    let words6 = load_inputs(inputs6 + c);
    let a6 = low(words6);
    let b6 = high(words6);
    let words7 = load_inputs(inputs7 + c);
    let a7 = low(words7);
    let b7 = high(words7);
    {
      let words = load_filters(filters0 + c * 16 + 0);
      let wa = vec4<i32>(low(words));
      let wb = vec4<i32>(high(words));
      sum_0_0 += dot(a0, wa) + dot(b0, wb);
      sum_1_0 += dot(a1, wa) + dot(b1, wb);
      sum_2_0 += dot(a2, wa) + dot(b2, wb);
      sum_3_0 += dot(a3, wa) + dot(b3, wb);
      sum_4_0 += dot(a4, wa) + dot(b4, wb);
      sum_5_0 += dot(a5, wa) + dot(b5, wb);
      sum_6_0 += dot(a6, wa) + dot(b6, wb);
      sum_7_0 += dot(a7, wa) + dot(b7, wb);
    }
    {
      let words = load_filters(filters0 + c * 16 + 4);
      let wa = vec4<i32>(low(words));
      let wb = vec4<i32>(high(words));
      sum_0_1 += dot(a0, wa) + dot(b0, wb);
      sum_1_1 += dot(a1, wa) + dot(b1, wb);
      sum_2_1 += dot(a2, wa) + dot(b2, wb);
      sum_3_1 += dot(a3, wa) + dot(b3, wb);
      sum_4_1 += dot(a4, wa) + dot(b4, wb);
      sum_5_1 += dot(a5, wa) + dot(b5, wb);
      sum_6_1 += dot(a6, wa) + dot(b6, wb);
      sum_7_1 += dot(a7, wa) + dot(b7, wb);
    }
    {
      let words = load_filters(filters0 + c * 16 + 8);
      let wa = vec4<i32>(low(words));
      let wb = vec4<i32>(high(words));
      sum_0_2 += dot(a0, wa) + dot(b0, wb);
      sum_1_2 += dot(a1, wa) + dot(b1, wb);
      sum_2_2 += dot(a2, wa) + dot(b2, wb);
      sum_3_2 += dot(a3, wa) + dot(b3, wb);
      sum_4_2 += dot(a4, wa) + dot(b4, wb);
      sum_5_2 += dot(a5, wa) + dot(b5, wb);
      sum_6_2 += dot(a6, wa) + dot(b6, wb);
      sum_7_2 += dot(a7, wa) + dot(b7, wb);
    }
    {
      let words = load_filters(filters0 + c * 16 + 12);
      let wa = vec4<i32>(low(words));
      let wb = vec4<i32>(high(words));
      sum_0_3 += dot(a0, wa) + dot(b0, wb);
      sum_1_3 += dot(a1, wa) + dot(b1, wb);
      sum_2_3 += dot(a2, wa) + dot(b2, wb);
      sum_3_3 += dot(a3, wa) + dot(b3, wb);
      sum_4_3 += dot(a4, wa) + dot(b4, wb);
      sum_5_3 += dot(a5, wa) + dot(b5, wb);
      sum_6_3 += dot(a6, wa) + dot(b6, wb);
      sum_7_3 += dot(a7, wa) + dot(b7, wb);
    }
    {
      let words = load_filters(filters1 + c * 16 + 0);
      let wa = vec4<i32>(low(words));
      let wb = vec4<i32>(high(words));
      sum_0_4 += dot(a0, wa) + dot(b0, wb);
      sum_1_4 += dot(a1, wa) + dot(b1, wb);
      sum_2_4 += dot(a2, wa) + dot(b2, wb);
      sum_3_4 += dot(a3, wa) + dot(b3, wb);
      sum_4_4 += dot(a4, wa) + dot(b4, wb);
      sum_5_4 += dot(a5, wa) + dot(b5, wb);
      sum_6_4 += dot(a6, wa) + dot(b6, wb);
      sum_7_4 += dot(a7, wa) + dot(b7, wb);
    }
    {
      let words = load_filters(filters1 + c * 16 + 4);
      let wa = vec4<i32>(low(words));
      let wb = vec4<i32>(high(words));
      sum_0_5 += dot(a0, wa) + dot(b0, wb);
      sum_1_5 += dot(a1, wa) + dot(b1, wb);
      sum_2_5 += dot(a2, wa) + dot(b2, wb);
      sum_3_5 += dot(a3, wa) + dot(b3, wb);
      sum_4_5 += dot(a4, wa) + dot(b4, wb);
      sum_5_5 += dot(a5, wa) + dot(b5, wb);
      sum_6_5 += dot(a6, wa) + dot(b6, wb);
      sum_7_5 += dot(a7, wa) + dot(b7, wb);
    }
    {
      let words = load_filters(filters1 + c * 16 + 8);
      let wa = vec4<i32>(low(words));
      let wb = vec4<i32>(high(words));
      sum_0_6 += dot(a0, wa) + dot(b0, wb);
      sum_1_6 += dot(a1, wa) + dot(b1, wb);
      sum_2_6 += dot(a2, wa) + dot(b2, wb);
      sum_3_6 += dot(a3, wa) + dot(b3, wb);
      sum_4_6 += dot(a4, wa) + dot(b4, wb);
      sum_5_6 += dot(a5, wa) + dot(b5, wb);
      sum_6_6 += dot(a6, wa) + dot(b6, wb);
      sum_7_6 += dot(a7, wa) + dot(b7, wb);
    }
    {
      let words = load_filters(filters1 + c * 16 + 12);
      let wa = vec4<i32>(low(words));
      let wb = vec4<i32>(high(words));
      sum_0_7 += dot(a0, wa) + dot(b0, wb);
      sum_1_7 += dot(a1, wa) + dot(b1, wb);
      sum_2_7 += dot(a2, wa) + dot(b2, wb);
      sum_3_7 += dot(a3, wa) + dot(b3, wb);
      sum_4_7 += dot(a4, wa) + dot(b4, wb);
      sum_5_7 += dot(a5, wa) + dot(b5, wb);
      sum_6_7 += dot(a6, wa) + dot(b6, wb);
      sum_7_7 += dot(a7, wa) + dot(b7, wb);
    }
  }
  if (patch0 + 0 < parameters.patches && quad0 + 0 < parameters.quads) {
    store((point * parameters.patches + patch0 + 0) * parameters.quads + quad0 + 0,
        bitcast<vec4<u32>>(vec4(sum_0_0, sum_0_1, sum_0_2, sum_0_3)));
  }
  if (patch0 + 0 < parameters.patches && quad0 + 8 < parameters.quads) {
    store((point * parameters.patches + patch0 + 0) * parameters.quads + quad0 + 8,
        bitcast<vec4<u32>>(vec4(sum_0_4, sum_0_5, sum_0_6, sum_0_7)));
  }
  if (patch0 + 1 < parameters.patches && quad0 + 0 < parameters.quads) {
    store((point * parameters.patches + patch0 + 1) * parameters.quads + quad0 + 0,
        bitcast<vec4<u32>>(vec4(sum_1_0, sum_1_1, sum_1_2, sum_1_3)));
  }
  if (patch0 + 1 < parameters.patches && quad0 + 8 < parameters.quads) {
    store((point * parameters.patches + patch0 + 1) * parameters.quads + quad0 + 8,
        bitcast<vec4<u32>>(vec4(sum_1_4, sum_1_5, sum_1_6, sum_1_7)));
  }
  if (patch0 + 2 < parameters.patches && quad0 + 0 < parameters.quads) {
    store((point * parameters.patches + patch0 + 2) * parameters.quads + quad0 + 0,
        bitcast<vec4<u32>>(vec4(sum_2_0, sum_2_1, sum_2_2, sum_2_3)));
  }
  if (patch0 + 2 < parameters.patches && quad0 + 8 < parameters.quads) {
    store((point * parameters.patches + patch0 + 2) * parameters.quads + quad0 + 8,
        bitcast<vec4<u32>>(vec4(sum_2_4, sum_2_5, sum_2_6, sum_2_7)));
  }
  if (patch0 + 3 < parameters.patches && quad0 + 0 < parameters.quads) {
    store((point * parameters.patches + patch0 + 3) * parameters.quads + quad0 + 0,
        bitcast<vec4<u32>>(vec4(sum_3_0, sum_3_1, sum_3_2, sum_3_3)));
  }
  if (patch0 + 3 < parameters.patches && quad0 + 8 < parameters.quads) {
    store((point * parameters.patches + patch0 + 3) * parameters.quads + quad0 + 8,
        bitcast<vec4<u32>>(vec4(sum_3_4, sum_3_5, sum_3_6, sum_3_7)));
  }
  if (patch0 + 4 < parameters.patches && quad0 + 0 < parameters.quads) {
    store((point * parameters.patches + patch0 + 4) * parameters.quads + quad0 + 0,
        bitcast<vec4<u32>>(vec4(sum_4_0, sum_4_1, sum_4_2, sum_4_3)));
  }
  if (patch0 + 4 < parameters.patches && quad0 + 8 < parameters.quads) {
    store((point * parameters.patches + patch0 + 4) * parameters.quads + quad0 + 8,
        bitcast<vec4<u32>>(vec4(sum_4_4, sum_4_5, sum_4_6, sum_4_7)));
  }
  if (patch0 + 5 < parameters.patches && quad0 + 0 < parameters.quads) {
    store((point * parameters.patches + patch0 + 5) * parameters.quads + quad0 + 0,
        bitcast<vec4<u32>>(vec4(sum_5_0, sum_5_1, sum_5_2, sum_5_3)));
  }
  if (patch0 + 5 < parameters.patches && quad0 + 8 < parameters.quads) {
    store((point * parameters.patches + patch0 + 5) * parameters.quads + quad0 + 8,
        bitcast<vec4<u32>>(vec4(sum_5_4, sum_5_5, sum_5_6, sum_5_7)));
  }
  if (patch0 + 6 < parameters.patches && quad0 + 0 < parameters.quads) {
    store((point * parameters.patches + patch0 + 6) * parameters.quads + quad0 + 0,
        bitcast<vec4<u32>>(vec4(sum_6_0, sum_6_1, sum_6_2, sum_6_3)));
  }
  if (patch0 + 6 < parameters.patches && quad0 + 8 < parameters.quads) {
    store((point * parameters.patches + patch0 + 6) * parameters.quads + quad0 + 8,
        bitcast<vec4<u32>>(vec4(sum_6_4, sum_6_5, sum_6_6, sum_6_7)));
  }
  if (patch0 + 7 < parameters.patches && quad0 + 0 < parameters.quads) {
    store((point * parameters.patches + patch0 + 7) * parameters.quads + quad0 + 0,
        bitcast<vec4<u32>>(vec4(sum_7_0, sum_7_1, sum_7_2, sum_7_3)));
  }
  if (patch0 + 7 < parameters.patches && quad0 + 8 < parameters.quads) {
    store((point * parameters.patches + patch0 + 7) * parameters.quads + quad0 + 8,
        bitcast<vec4<u32>>(vec4(sum_7_4, sum_7_5, sum_7_6, sum_7_7)));
  }
}
